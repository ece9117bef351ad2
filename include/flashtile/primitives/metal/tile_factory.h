// Ours, since Metal makes tiles by a product only: tiles and entries of rows or columns without one. Included by metal/primitives.h
// from Metal 4 on.
//
// Where a tile's elements lie is the GPU's own affair, so that every thread holds all entries, and an element finds its own by
// get_multidimensional_index.
#pragma once

#include "flashtile/primitives/metal/matmul2d.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// One T for each row, or else each column, of a tile.
template <class T, int Count, bool OfRows, class Scope>
struct tile_entries {
  T value[Count];
};

namespace detail {

/// The operands of a product whose result has elements T.
template <class T>
struct operand_of_result {
  using type = T;
};
template <>
struct operand_of_result<int32_t> {
  using type = int8_t;
};

template <class T, int Count, bool OfRows, class Scope>
inline tile_entries<T, Count, OfRows, Scope> zero_entries() {
  tile_entries<T, Count, OfRows, Scope> entries;
  for (int i = 0; i < Count; ++i) entries.value[i] = T(0);
  return entries;
}

/// The index, among a tile's entries, of the element at a place.
template <bool OfRows, class Place>
inline int entry_of(Place at) {
  return OfRows ? at[1] : at[0];
}

}  // namespace detail

/// A tile of M rows and N columns of T (half, bfloat, float or int32_t).
template <class T, int M, int N, class Scope>
inline auto make_tile() {
  detail::check_tile<Scope, M, N>();
  using Op =
      ::mpp::tensor_ops::matmul2d<matmul2d_descriptor(M, N, static_cast<int>(::metal::dynamic_extent)), Scope>;
  using Operand = detail::apple_tensor<typename detail::operand_of_result<T>::type>;
  auto tile = Op().template get_destination_cooperative_tensor<Operand, Operand, T>();
  map_elements(tile, [](auto) { return T(0); });
  return tile;
}
template <class T, int M, int N, class Scope>
inline auto make_row_entries() {
  detail::check_tile<Scope, M, N>();
  return detail::zero_entries<T, M, true, Scope>();
}
template <class T, int M, int N, class Scope>
inline auto make_column_entries() {
  detail::check_tile<Scope, M, N>();
  return detail::zero_entries<T, N, false, Scope>();
}

/// Entries <- a tensor of rank 1, converted; those outside it become 0.
template <class T, int Count, bool OfRows, class Scope, class E, class X>
inline void load(thread tile_entries<T, Count, OfRows, Scope>& entries, thread const tensor<E, X>& source) {
  for (int i = 0; i < Count; ++i)
    entries.value[i] = i < source.get_extent(0) ? static_cast<T>(source(i)) : T(0);
}
/// A tensor of rank 1 <- entries, converted; those outside it are dropped.
template <class T, int Count, bool OfRows, class Scope, class E, class X>
inline void store(thread const tile_entries<T, Count, OfRows, Scope>& entries,
                  thread const tensor<E, X>& target) {
  for_each_element(entries, [&](T value, int i) {
    if (i < target.get_extent(0)) target(i) = static_cast<typename tensor<E, X>::element_type>(value);
  });
}

template <class T, int Count, bool OfRows, class Scope, class F>
inline void map_elements(thread tile_entries<T, Count, OfRows, Scope>& entries, F f) {
  for (int i = 0; i < Count; ++i) entries.value[i] = f(entries.value[i]);
}
template <class T, int Count, bool OfRows, class Scope, class F>
inline void map_elements(thread tile_entries<T, Count, OfRows, Scope>& entries,
                         thread const tile_entries<T, Count, OfRows, Scope>& other, F f) {
  for (int i = 0; i < Count; ++i) entries.value[i] = f(entries.value[i], other.value[i]);
}

/// Each element x <- f(x, e, g) with its row's entries e and g.
template <class T, class... Rest, class U, int Count, class Scope, class F>
inline void map_rows(thread cooperative_tensor<T, Rest...>& tile,
                     thread const tile_entries<U, Count, true, Scope>& rows,
                     thread const tile_entries<U, Count, true, Scope>& more, F f) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (!tile.is_valid_element(i)) continue;
    const int row = detail::entry_of<true>(tile.get_multidimensional_index(i));
    tile[i] = static_cast<T>(f(tile[i], rows.value[row], more.value[row]));
  }
}
template <class T, class... Rest, class U, int Count, class Scope, class F>
inline void map_rows(thread cooperative_tensor<T, Rest...>& tile,
                     thread const tile_entries<U, Count, true, Scope>& rows, F f) {
  map_rows(tile, rows, rows, [&](auto x, auto entry, auto) { return f(x, entry); });
}
/// Each element x <- f(x, e) with its column's entry e.
template <class T, class... Rest, class U, int Count, class Scope, class F>
inline void map_columns(thread cooperative_tensor<T, Rest...>& tile,
                        thread const tile_entries<U, Count, false, Scope>& columns, F f) {
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (!tile.is_valid_element(i)) continue;
    const int column = detail::entry_of<false>(tile.get_multidimensional_index(i));
    tile[i] = static_cast<T>(f(tile[i], columns.value[column]));
  }
}

namespace detail {

/// Entries <- fold of the identity and the elements that they stand for: each lane's own first, then those of all lanes.
template <class T, class... Rest, int Count, bool OfRows, class Scope>
inline void reduce(thread cooperative_tensor<T, Rest...>& tile,
                   thread tile_entries<T, Count, OfRows, Scope>& entries, reduction_operation operation,
                   T identity) {
  static_assert(is_one_simdgroup<Scope>::value || is_one_thread<Scope>::value,
                "reduce_rows, reduce_columns: the scope must be one simdgroup or one thread");
  const bool sum = operation == reduction_operation::sum;
  for (int e = 0; e < Count; ++e) entries.value[e] = sum ? T(0) : identity;
  for (int i = 0; i < tile.get_capacity(); ++i) {
    if (!tile.is_valid_element(i)) continue;
    const int e = entry_of<OfRows>(tile.get_multidimensional_index(i));
    entries.value[e] = static_cast<T>(combine(operation, entries.value[e], tile[i]));
  }
  for (int e = 0; e < Count; ++e) {
    T all = entries.value[e];
    if constexpr (is_one_simdgroup<Scope>::value) {
      all = sum                                     ? ::metal::simd_sum(all)
            : operation == reduction_operation::max ? ::metal::simd_max(all)
                                                    : ::metal::simd_min(all);
    }
    entries.value[e] = sum ? all + identity : all;
  }
}

}  // namespace detail

template <class T, class... Rest, int Count, class Scope>
inline void reduce_rows(thread cooperative_tensor<T, Rest...>& tile,
                        thread tile_entries<T, Count, true, Scope>& rows,
                        reduction_operation operation = reduction_operation::sum, T identity = T(0)) {
  detail::reduce(tile, rows, operation, identity);
}
template <class T, class... Rest, int Count, class Scope>
inline void reduce_columns(thread cooperative_tensor<T, Rest...>& tile,
                           thread tile_entries<T, Count, false, Scope>& columns,
                           reduction_operation operation = reduction_operation::sum, T identity = T(0)) {
  detail::reduce(tile, columns, operation, identity);
}

/// Calls f(value, index) once for each entry, each in a single lane; where a thread has the tile, in each.
template <class T, int Count, bool OfRows, class Scope, class F>
inline void for_each_element(thread const tile_entries<T, Count, OfRows, Scope>& entries, F f) {
  if constexpr (detail::is_one_thread<Scope>::value) {
    for (int i = 0; i < Count; ++i) f(entries.value[i], i);
  } else {
    static_assert(detail::is_one_simdgroup<Scope>::value,
                  "for_each_element: the scope must be one simdgroup or one thread");
    simd_for_each_index(Count, [&](int i) { f(entries.value[i], i); });
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
