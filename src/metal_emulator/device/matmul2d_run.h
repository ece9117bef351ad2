// How a product is computed, once for all threads of its scope: operands are widened into dense tiles, multiplied, and each
// result is rounded once into its place.
#pragma once

#include "matmul2d_types.h"
#include "product.h"

namespace mpp::tensor_ops::detail {

using metal_device::Access;
using metal_device::kLanes;
using metal_device::Place;
using metal_device::Site;

template <class T>
using bare = metal::remove_cvref_t<T>;
template <class T>
using value_of = metal::conditional_t<metal::is_same_v<typename bare<T>::value_type, char>, int8_t,
                                      typename bare<T>::value_type>;

template <class Operand>
constexpr void check_operand() {
  if constexpr (metal::is_tensor_v<bare<Operand>>) {
    static_assert(bare<Operand>::get_rank() == 2, "matmul2d multiplies tensors of rank 2");
    static_assert(metal::is_same_v<typename bare<Operand>::index_type, int>,
                  "matmul2d needs tensors whose index type is int");
  } else {
    static_assert(metal::is_cooperative_tensor_v<bare<Operand>>,
                  "matmul2d multiplies tensors and cooperative tensors");
  }
}

/// The threads of a scope: what each passed to run().
template <int S>
inline constexpr int kThreads = S == 0 ? 1 : S * int(kLanes);

/// A tile of a tensor operand, widened. `rows` and `columns` as it is stored; outside the tensor is 0.
template <class Tensor, class Wide>
METAL_UNCHECKED void gather_tensor(const Tensor& tensor, Wide* tile, int rows, int columns, const Site& site) {
  using Element = typename Tensor::element_type;
  const int inside_columns = columns < tensor.get_extent(0) ? columns : tensor.get_extent(0);
  for (int row = 0; row < rows; ++row) {
    const bool inside = row < tensor.get_extent(1) && inside_columns > 0;
    const int at[] = {0, row};
    if (inside) tensor.touch(at, inside_columns, Access::shared_read, site);
    const ptrdiff_t first = tensor.offset(at);
    for (int column = 0; column < columns; ++column)
      tile[row * columns + column] =
          inside && column < inside_columns
              ? Wide(metal::tensor_detail::read<Element>(tensor.data(), first + column))
              : Wide(0);
  }
}

/// Visits the slots of a cooperative tensor in every thread of the scope: visit(slot's value, row, column).
template <int S, class Cooperative, class Visit>
METAL_UNCHECKED void each_slot(Cooperative* const* threads, Visit visit) {
  const metal_device::Layout layout = metal_device::runtime->layout();
  const int capacity = Cooperative::layout::capacity(layout);
  for (int t = 0; t < kThreads<S>; ++t) {
    for (int i = 0; i < capacity; ++i) {
      const Place at = Cooperative::layout::place(layout, uint32_t(t) / kLanes, uint32_t(t) % kLanes, i);
      if (at.valid) visit(*threads[t], i, at.row, at.column);
    }
  }
}

template <matmul2d_descriptor Desc, int S, class Left, class Right, class Destination>
struct Run {
  Left* left;
  Right* right;
  Destination* destination;
  Site site;

  using Wide = metal::conditional_t<metal::is_same_v<value_of<Destination>, int32_t>, int32_t, float>;
  static constexpr bool kAccumulates = Desc.matmul_mode == matmul2d_descriptor::mode::multiply_accumulate;

  METAL_UNCHECKED static void call(Left& left, Right& right, Destination& destination, const Site& site) {
    Run mine{&left, &right, &destination, site};
    if constexpr (S == 0) {
      void* one[] = {&mine};
      return operation(one, 1);
    } else if constexpr (S == 1) {
      metal_device::runtime->wait(metal_device::Wait::whole_simdgroup, 0, &operation, &mine, site);
    } else {
      if (metal_device::runtime->threads() != S * kLanes)
        metal_device::runtime->fail("matmul2d.scope", site,
                                    "execution_simdgroups<%d> in a threadgroup of %u threads; the scope must "
                                    "be one simdgroup or all of the threadgroup's",
                                    S, metal_device::runtime->threads());
      metal_device::runtime->wait(metal_device::Wait::whole_threadgroup, 0, &operation, &mine, site);
    }
  }

  METAL_UNCHECKED static void operation(void* const* arguments, uint32_t) {
    auto* const* threads = reinterpret_cast<Run* const*>(arguments);
    const Run& first = *threads[0];
    for (int t = 1; t < kThreads<S>; ++t) require_same(first, *threads[t], t);
    const int k = depth(first);
    const size_t operands = size_t(Desc.m + Desc.n) * size_t(k), results = size_t(Desc.m) * Desc.n;
    Wide* a = static_cast<Wide*>(metal_device::runtime->scratch((2 * operands + results) * sizeof(Wide)));
    Wide *b = a + Desc.m * k, *c = b + k * Desc.n, *turned = c + Desc.m * Desc.n;
    gather<Left, Desc.transpose_left>(
        threads, [](const Run& run) { return run.left; }, a, Desc.m, k, turned, first.site);
    gather<Right, Desc.transpose_right>(
        threads, [](const Run& run) { return run.right; }, b, k, Desc.n, turned, first.site);
    if constexpr (kAccumulates) read_destination(threads, c);
    metal_device::multiply(c, a, b, Desc.m, Desc.n, k, kAccumulates);
    write_destination(threads, c);
  }

  /// Errors when a thread passes another tensor than the first does.
  METAL_UNCHECKED static void require_same(const Run& first, const Run& other, int thread) {
    const auto same = [](auto* a, auto* b) METAL_UNCHECKED {
      if constexpr (metal::is_tensor_v<bare<decltype(*a)>>)
        return a->data() == b->data() && a->get_extent(0) == b->get_extent(0) &&
               a->get_extent(1) == b->get_extent(1);
      else
        return true;
    };
    if (same(first.left, other.left) && same(first.right, other.right) &&
        same(first.destination, other.destination))
      return;
    metal_device::runtime->fail("matmul2d.arguments", first.site,
                                "the threads of a scope must call run with the same tensors; thread %d of it "
                                "passes others than thread 0",
                                thread);
  }

  /// k, from the descriptor or the operands; a static one must fit into them.
  METAL_UNCHECKED static int depth(const Run& run) {
    int k = Desc.k;
    if constexpr (Desc.has_dynamic_k()) {
      static_assert(metal::is_tensor_v<bare<Left>> || metal::is_tensor_v<bare<Right>>,
                    "a dynamic k needs a tensor operand to come from");
      if constexpr (metal::is_tensor_v<bare<Left>>)
        k = run.left->get_extent(Desc.transpose_left ? 1 : 0);
      else
        k = run.right->get_extent(Desc.transpose_right ? 0 : 1);
      if (k < 0) k = 0;
    }
    check_extent(run, run.left, Desc.transpose_left ? 1 : 0, k, true, "left");
    check_extent(run, run.left, Desc.transpose_left ? 0 : 1, Desc.m, false, "left");
    check_extent(run, run.right, Desc.transpose_right ? 0 : 1, k, true, "right");
    check_extent(run, run.right, Desc.transpose_right ? 1 : 0, Desc.n, false, "right");
    check_extent(run, run.destination, 0, Desc.n, false, "destination");
    check_extent(run, run.destination, 1, Desc.m, false, "destination");
    return k;
  }
  /// Rows and columns of the tile are clipped at dynamic extents, and must fit into static ones; k must always fit.
  template <class Operand>
  METAL_UNCHECKED static void check_extent(const Run& run, Operand* operand, int dimension, int size,
                                           bool is_depth, const char* which) {
    if constexpr (metal::is_tensor_v<bare<Operand>>) {
      if ((!is_depth && !bare<Operand>::has_static_extent(size_t(dimension))) ||
          operand->get_extent(size_t(dimension)) >= size)
        return;
      metal_device::runtime->fail("matmul2d.extents", run.site,
                                  "the %s operand has extent %d in dimension %d (extents are columns, rows), "
                                  "and the operation needs %d there: %s",
                                  which, operand->get_extent(size_t(dimension)), dimension, size,
                                  is_depth ? "at the end of k use a dynamic k and slices that end with it"
                                           : "use dynamic extents, which are clipped");
    }
  }

  /// An operand as a dense (rows, columns) matrix.
  template <class Operand, bool transposed, class Which>
  METAL_UNCHECKED static void gather(Run* const* threads, Which which, Wide* into, int rows, int columns,
                                     Wide* turned, const Site& site) {
    Wide* stored = transposed ? turned : into;
    const int stored_rows = transposed ? columns : rows, stored_columns = transposed ? rows : columns;
    if constexpr (metal::is_tensor_v<bare<Operand>>) {
      gather_tensor(*which(*threads[0]), stored, stored_rows, stored_columns, site);
    } else {
      bare<Operand>* tiles[kThreads<S>];
      for (int t = 0; t < kThreads<S>; ++t) tiles[t] = which(*threads[t]);
      each_slot<S>(tiles, [&](bare<Operand>& tile, int slot, int row, int column) METAL_UNCHECKED {
        tile.require_set(slot, site);
        stored[row * stored_columns + column] = Wide(tile.slot(slot));
      });
    }
    if (transposed)
      for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column)
          into[row * columns + column] = turned[column * rows + row];
  }

  template <class Visit>
  METAL_UNCHECKED static void each_result(Run* const* threads, Visit visit) {
    bare<Destination>* tiles[kThreads<S>];
    for (int t = 0; t < kThreads<S>; ++t) tiles[t] = threads[t]->destination;
    each_slot<S>(tiles, visit);
  }
  METAL_UNCHECKED static void read_destination(Run* const* threads, Wide* c) {
    const Run& first = *threads[0];
    if constexpr (metal::is_tensor_v<bare<Destination>>) {
      const auto& tensor = *first.destination;
      for (int row = 0; row < Desc.m; ++row) {
        for (int column = 0; column < Desc.n; ++column) {
          const int at[] = {column, row};
          c[row * Desc.n + column] = Wide(0);
          if (!tensor.inside(at)) continue;
          tensor.touch(at, 1, Access::shared_update, first.site);
          c[row * Desc.n + column] = Wide(tensor.data()[tensor.offset(at)]);
        }
      }
    } else {
      each_result(threads, [&](bare<Destination>& tile, int slot, int row, int column) METAL_UNCHECKED {
        tile.require_set(slot, first.site);
        c[row * Desc.n + column] = Wide(tile.slot(slot));
      });
    }
  }
  METAL_UNCHECKED static void write_destination(Run* const* threads, const Wide* c) {
    const Run& first = *threads[0];
    using T = typename bare<Destination>::value_type;
    if constexpr (metal::is_tensor_v<bare<Destination>>) {
      const auto& tensor = *first.destination;
      for (int row = 0; row < Desc.m; ++row) {
        for (int column = 0; column < Desc.n; ++column) {
          const int at[] = {column, row};
          if (!tensor.inside(at)) continue;
          tensor.touch(at, 1, Access::shared_write, first.site);
          tensor.data()[tensor.offset(at)] = T(c[row * Desc.n + column]);
        }
      }
    } else {
      each_result(threads, [&](bare<Destination>& tile, int slot, int row, int column)
                               METAL_UNCHECKED { tile.slot(slot) = T(c[row * Desc.n + column]); });
    }
  }
};

/// Whether two tiles keep each element in the same slot of the same lane.
template <class From, class To>
METAL_UNCHECKED bool same_places() {
  if constexpr (From::kRows != To::kRows || From::kColumns != To::kColumns ||
                From::kSimdgroups != To::kSimdgroups) {
    return false;
  } else {
    const metal_device::Layout layout = metal_device::runtime->layout();
    return layout != metal_device::Layout::os26_2 || From::kRole == To::kRole;
  }
}

/// Whether a reduction's entries belong to the rows (columns) of this tile.
template <class Tile, class Reduced>
inline constexpr bool same_results = false;
template <int R, int C, int S, metal_device::Role role, int n, int C2, int n2>
inline constexpr bool same_results<
    metal_device::TileLayout<R, C, S, role, n>,
    metal_device::ReducedLayout<metal_device::TileLayout<R, C2, S, role, n2>, metal_device::Axis::row>> = true;
template <int R, int C, int S, metal_device::Role role, int n, int R2, int n2>
inline constexpr bool same_results<
    metal_device::TileLayout<R, C, S, role, n>,
    metal_device::ReducedLayout<metal_device::TileLayout<R2, C, S, role, n2>, metal_device::Axis::column>> =
    true;

/// Slot by slot, in the own thread.
template <class From, class To>
METAL_UNCHECKED void convert(From& from, To& to, const Site& site) {
  if (!same_places<typename From::layout, typename To::layout>())
    metal_device::runtime->fail("cooperative.incompatible", site,
                                "%s: this tile's layout is not that of the input; ask "
                                "is_compatible_as_..._input, and go through threadgroup memory otherwise",
                                site.what);
  for (int i = 0; i < to.get_capacity(); ++i) {
    if (!to.is_valid_element(i)) continue;
    from.require_set(i, site);
    to.slot(i) = typename To::element_type(from.slot(i));
  }
}

}  // namespace mpp::tensor_ops::detail
