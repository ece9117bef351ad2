// Reductions of a cooperative tensor over its rows or columns.
#pragma once

#include "matmul2d.h"

namespace mpp::tensor_ops {

namespace detail {

template <class T>
METAL_UNCHECKED T reduced(T a, T b, reduction_operation operation) {
  switch (operation) {
    case reduction_operation::sum: return T(a + b);
    case reduction_operation::max: return metal::max(a, b);
    case reduction_operation::min: return metal::min(a, b);
  }
  return a;
}

template <metal_device::Axis axis, class Source, class Target>
struct Reduce {
  using T = typename Target::element_type;
  Source* source;
  Target* target;
  reduction_operation what;
  T identity;
  Site site;
  static constexpr int kResults =
      axis == metal_device::Axis::row ? Source::layout::kRows : Source::layout::kColumns;

  /// Starts at the identity, and goes through the elements in the order of lanes and slots.
  METAL_UNCHECKED static void operation(void* const* arguments, uint32_t) {
    auto* const* lanes = reinterpret_cast<Reduce* const*>(arguments);
    const Reduce& first = *lanes[0];
    T results[kResults];
    for (T& result : results) result = first.identity;
    Source* sources[kLanes];
    Target* targets[kLanes];
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      sources[lane] = lanes[lane]->source, targets[lane] = lanes[lane]->target;
    each_slot<1>(sources, [&](Source& tile, int slot, int row, int column) METAL_UNCHECKED {
      tile.require_set(slot, first.site);
      T& result = results[axis == metal_device::Axis::row ? row : column];
      result = reduced(result, T(tile.slot(slot)), first.what);
    });
    each_slot<1>(targets,
                 [&](Target& tile, int slot, int row, int) METAL_UNCHECKED { tile.slot(slot) = results[row]; });
  }
};

template <metal_device::Axis axis, class Source, class Target>
METAL_UNCHECKED void reduce(Source& source, Target& target, reduction_operation what,
                            typename Target::element_type identity, const Site& site) {
  static_assert(Source::layout::kSimdgroups == 1, "reductions need the scope execution_simdgroup");
  static_assert(metal::is_same_v<typename Source::element_type, typename Target::element_type>,
                "a reduction's source and destination have one element type");
  Reduce<axis, Source, Target> mine{&source, &target, what, identity, site};
  metal_device::runtime->wait(metal_device::Wait::whole_simdgroup, 0, &Reduce<axis, Source, Target>::operation,
                              &mine, site);
}

}  // namespace detail

/// One result a row. The identity takes part: its default is that of a sum, whatever the operation is.
template <class Source, class Target>
METAL_UNCHECKED void reduce_rows(Source& source, Target& target,
                                 reduction_operation what = reduction_operation::sum,
                                 typename Target::element_type identity =
                                     reduction_operation_identity<typename Target::element_type>::sum_identity,
                                 METAL_HERE) {
  detail::reduce<metal_device::Axis::row>(source, target, what, identity, METAL_SITE("reduce_rows"));
}
template <class Source, class Target>
METAL_UNCHECKED void reduce_columns(
    Source& source, Target& target, reduction_operation what = reduction_operation::sum,
    typename Target::element_type identity =
        reduction_operation_identity<typename Target::element_type>::sum_identity,
    METAL_HERE) {
  detail::reduce<metal_device::Axis::column>(source, target, what, identity, METAL_SITE("reduce_columns"));
}

/// Whether target.map_iterator() works for elements of source.
template <class Source, class Target>
METAL_UNCHECKED bool is_iterator_compatible(const Source&, const Target&) {
  return detail::same_results<typename Source::layout, typename Target::layout>;
}

}  // namespace mpp::tensor_ops
