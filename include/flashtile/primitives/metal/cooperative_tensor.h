// Loads, stores, maps and reductions of cooperative tensors, for whatever layout the GPU has: places are asked for by
// get_multidimensional_index and map_iterator alone. Included by metal/primitives.h from Metal 4 on.
#pragma once

#include "flashtile/primitives/metal/execution.h"
#include "flashtile/primitives/metal/tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

using ::metal::cooperative_tensor;

template <class T, class... Rest, class F>
inline void map_elements(thread cooperative_tensor<T, Rest...>& tile, F f) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (tile.is_valid_element(i)) tile[i] = static_cast<T>(f(tile[i]));
  }
}
template <class T, class... Rest, class F>
inline void map_elements(thread cooperative_tensor<T, Rest...>& tile,
                         thread cooperative_tensor<T, Rest...>& other, F f) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (tile.is_valid_element(i)) tile[i] = static_cast<T>(f(tile[i], other[i]));
  }
}
template <class T, class... Rest, class F>
inline void map_indexed(thread cooperative_tensor<T, Rest...>& tile, F f) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (!tile.is_valid_element(i)) continue;
    const auto at = tile.get_multidimensional_index(i);
    tile[i] = static_cast<T>(f(tile[i], at[1], at[0]));
  }
}
/// The same; apart, since a CPU's map_indexed calls f with vectors.
template <class T, class... Rest, class F>
inline void map_each(thread cooperative_tensor<T, Rest...>& tile, F f) {
  map_indexed(tile, f);
}

/// Fills a tile from a tensor of its rank, converted, or from one of rank 1, which every row gets; elements outside the
/// tensor become 0.
template <class T, class... Rest, class E, class X>
inline void load(thread cooperative_tensor<T, Rest...>& tile, thread const tensor<E, X>& source) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (!tile.is_valid_element(i)) continue;
    const auto from = detail::element_at(source, tile.get_multidimensional_index(i));
    tile[i] = static_cast<T>(from == nullptr ? 0.0f : static_cast<float>(*from));
  }
}
/// load, for a mask or a bias: a tensor with an extent of 1 is repeated along it.
template <class T, class... Rest, class E, class X>
inline void load_repeated(thread cooperative_tensor<T, Rest...>& tile, thread const tensor<E, X>& source) {
  map_indexed(tile, [&](T, int row, int column) { return detail::repeated(source, column, row); });
}
/// Writes a tile to a tensor of its rank, converted; elements outside the tensor are dropped.
template <class T, class... Rest, class E, class X>
inline void store(thread cooperative_tensor<T, Rest...>& tile, thread const tensor<E, X>& target) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (!tile.is_valid_element(i)) continue;
    const auto to = detail::element_at(target, tile.get_multidimensional_index(i));
    if (to != nullptr) *to = static_cast<typename tensor<E, X>::element_type>(tile[i]);
  }
}

/// One value for each row of a product's result, in the slots of Apple's tile for them. That tile itself cannot be a
/// member of a struct.
template <class Op, class Left, class Right, class T, int Rows>
struct row_entries {
  T slot[Rows];

  static auto fresh() {
    return Op().template get_row_reduction_destination_cooperative_tensor<Left, Right, T>();
  }
};

template <class Op, class L, class R, class T, int Rows, class F>
inline void map_elements(thread row_entries<Op, L, R, T, Rows>& rows, F f) {
  FT_UNROLL for (int i = 0; i < Rows; ++i) rows.slot[i] = f(rows.slot[i]);
}
template <class Op, class L, class R, class T, int Rows, class F>
inline void map_elements(thread row_entries<Op, L, R, T, Rows>& rows,
                         thread row_entries<Op, L, R, T, Rows>& other, F f) {
  FT_UNROLL for (int i = 0; i < Rows; ++i) rows.slot[i] = f(rows.slot[i], other.slot[i]);
}

/// Each element x <- f(x, e) with its row's entry e.
template <class T, class... Rest, class Op, class L, class R, int Rows, class F>
inline void map_rows(thread cooperative_tensor<T, Rest...>& tile, thread row_entries<Op, L, R, T, Rows>& rows,
                     F f) {
  auto entries = row_entries<Op, L, R, T, Rows>::fresh();
  for (int i = 0; i < entries.get_capacity(); ++i) entries[i] = rows.slot[i];
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (tile.is_valid_element(i))
      tile[i] = static_cast<T>(f(tile[i], *entries.map_iterator(tile.get_iterator(i))));
  }
}

/// rows <- fold of the identity and each row's elements.
template <class T, class... Rest, class Op, class L, class R, int Rows>
inline void reduce_rows(thread cooperative_tensor<T, Rest...>& tile,
                        thread row_entries<Op, L, R, T, Rows>& rows,
                        reduction_operation operation = reduction_operation::sum, T identity = T(0)) {
  using ::mpp::tensor_ops::reduce_rows;
  using Operation = ::mpp::tensor_ops::reduction_operation;
  auto entries = row_entries<Op, L, R, T, Rows>::fresh();
  reduce_rows(tile, entries,
              operation == reduction_operation::sum   ? Operation::sum
              : operation == reduction_operation::max ? Operation::max
                                                      : Operation::min,
              identity);
  for (int i = 0; i < entries.get_capacity(); ++i) rows.slot[i] = entries[i];
}

/// Calls f(value, row) once for each row, each in a single lane.
template <class Op, class L, class R, class T, int Rows, class F>
inline void for_each_element(thread row_entries<Op, L, R, T, Rows>& rows, F f) {
  auto entries = row_entries<Op, L, R, T, Rows>::fresh();
  for (int row = 0; row < Rows; ++row) {
    int slot = -1;
    for (int i = 0; i < entries.get_capacity(); ++i) {
      if (entries.is_valid_element(i) && entries.get_multidimensional_index(i)[0] == row) slot = i;
    }
    const int lanes_before = ::metal::simd_prefix_exclusive_sum(slot >= 0 ? 1 : 0);
    if (slot >= 0 && lanes_before == 0) f(rows.slot[slot], row);
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
