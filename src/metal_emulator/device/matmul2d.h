// mpp::tensor_ops::matmul2d: the operation, and the cooperative tensors that it makes.
#pragma once

#include "matmul2d_run.h"

namespace mpp::tensor_ops {

struct op {};

template <matmul2d_descriptor Desc, class Scope, class... Args>
class matmul2d : public op {
 public:
  static constexpr matmul2d_descriptor descriptor = Desc;
  using scope = Scope;
  static constexpr int kSimdgroups = Scope::simdgroups;
  static_assert(Desc.m > 0 && Desc.n > 0,
                "matmul2d: m and n are the tile's rows and columns, known at compile time");
  static_assert(kSimdgroups == 0 ||
                    (Desc.m % 8 == 0 && Desc.n % 8 == 0 && (Desc.m % 16 == 0 || Desc.n % 16 == 0)),
                "matmul2d over simdgroups: m and n must be multiples of 8, and one of them of 16");
  static_assert(Desc.has_dynamic_k() || Desc.k % 16 == 0,
                "matmul2d: a static k must be a multiple of 16; for other depths use a dynamic k");

 private:
  static constexpr bool kStaticK = !Desc.has_dynamic_k();
  static constexpr int kDepth = kStaticK ? Desc.k : 16;
  using DestinationTile =
      metal_device::TileLayout<Desc.m, Desc.n, kSimdgroups, metal_device::Role::destination>;
  static constexpr int kDestinationSlots = DestinationTile::kMostSlots;
  // As they are stored: transposed operands have their extents the other way round.
  using LeftTile =
      metal_device::TileLayout<Desc.transpose_left ? kDepth : Desc.m, Desc.transpose_left ? Desc.m : kDepth,
                               kSimdgroups, metal_device::Role::left, kDestinationSlots>;
  using RightTile =
      metal_device::TileLayout<Desc.transpose_right ? Desc.n : kDepth, Desc.transpose_right ? kDepth : Desc.n,
                               kSimdgroups, metal_device::Role::right, kDestinationSlots>;
  template <class Tile, class T, class Index>
  using Cooperative =
      metal::cooperative_tensor<T, metal::extents<Index, size_t(Tile::kColumns), size_t(Tile::kRows)>, Tile>;
  template <metal_device::Axis axis, class T, class Index>
  using Reduced = metal::cooperative_tensor<
      T, metal::extents<Index, size_t(axis == metal_device::Axis::row ? Desc.m : Desc.n)>,
      metal_device::ReducedLayout<DestinationTile, axis>>;

  template <class L, class R, class T>
  static constexpr void check_types() {
    static_assert(detail::is_supported<L, R, T>(),
                  "matmul2d does not multiply these element types into this one");
  }
  static constexpr void check_inputs() {
    static_assert(kStaticK, "matmul2d: cooperative inputs need a static k");
    static_assert(kSimdgroups == 1, "matmul2d: cooperative inputs need the scope execution_simdgroup");
  }

 public:
  template <class Left, class Right, class T, class Index = int>
  METAL_UNCHECKED auto get_destination_cooperative_tensor() const {
    check_types<detail::value_of<Left>, detail::value_of<Right>, T>();
    return Cooperative<DestinationTile, T, Index>();
  }
  template <class L, class R, class T, class Index = int>
  METAL_UNCHECKED auto get_left_input_cooperative_tensor() const {
    check_inputs();
    check_types<L, R, T>();
    return Cooperative<LeftTile, L, Index>();
  }
  template <class L, class R, class T, class Index = int>
  METAL_UNCHECKED auto get_right_input_cooperative_tensor() const {
    check_inputs();
    check_types<L, R, T>();
    return Cooperative<RightTile, R, Index>();
  }
  /// An existing tile as an input, slot by slot; only where is_compatible_as_left_input says so.
  template <class L, class R, class T, class Index = int, class Source>
  METAL_UNCHECKED auto get_left_input_cooperative_tensor(Source& source, METAL_HERE) const {
    auto input = get_left_input_cooperative_tensor<L, R, T, Index>();
    detail::convert(source, input, METAL_SITE("get_left_input_cooperative_tensor"));
    return input;
  }
  template <class L, class R, class T, class Index = int, class Source>
  METAL_UNCHECKED auto get_right_input_cooperative_tensor(Source& source, METAL_HERE) const {
    auto input = get_right_input_cooperative_tensor<L, R, T, Index>();
    detail::convert(source, input, METAL_SITE("get_right_input_cooperative_tensor"));
    return input;
  }
  template <class L, class R, class T, class Source>
  METAL_UNCHECKED bool is_compatible_as_left_input(const Source&) const {
    return detail::same_places<typename Source::layout, LeftTile>();
  }
  template <class L, class R, class T, class Source>
  METAL_UNCHECKED bool is_compatible_as_right_input(const Source&) const {
    return detail::same_places<typename Source::layout, RightTile>();
  }

  template <class Left, class Right, class T, class Index = int>
  METAL_UNCHECKED auto get_row_reduction_destination_cooperative_tensor() const {
    static_assert(kSimdgroups == 1, "matmul2d: reductions need the scope execution_simdgroup");
    return Reduced<metal_device::Axis::row, T, Index>();
  }
  template <class Left, class Right, class T, class Index = int>
  METAL_UNCHECKED auto get_column_reduction_destination_cooperative_tensor() const {
    static_assert(kSimdgroups == 1, "matmul2d: reductions need the scope execution_simdgroup");
    return Reduced<metal_device::Axis::column, T, Index>();
  }

  /// destination = left · right, or destination += left · right. Every thread of the scope calls it with the same arguments.
  template <class Left, class Right, class Destination>
  METAL_UNCHECKED void run(Left& left, Right& right, Destination& destination, METAL_HERE) const {
    using L = detail::value_of<Left>;
    using R = detail::value_of<Right>;
    using T = detail::value_of<Destination>;
    static_assert(detail::is_supported<L, R, T>(),
                  "matmul2d does not multiply these element types into this one");
    detail::check_operand<Left>();
    detail::check_operand<Right>();
    detail::check_operand<Destination>();
    if constexpr (metal::is_cooperative_tensor_v<Left> && metal::is_cooperative_tensor_v<Right>) {
      constexpr auto allowed = [](int size) { return size == 16 || size == 32; };
      static_assert(allowed(Desc.m) && allowed(Desc.n) && allowed(Desc.k) &&
                        (Desc.m == 32 || Desc.n == 32 || Desc.k == 32),
                    "matmul2d with two cooperative inputs: m, n and k are 16 or 32, and one of them is 32");
    }
    detail::Run<Desc, kSimdgroups, Left, Right, Destination>::call(left, right, destination,
                                                                   METAL_SITE("matmul2d::run"));
  }
};

}  // namespace mpp::tensor_ops
