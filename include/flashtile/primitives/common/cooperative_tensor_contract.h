// What a cooperative tensor is on every backend, and which there are. Included by each backend's, behind its scopes.
//
//   A tile of rank 2 (extents columns, rows) or 1, spread over the threads of a scope; made by the factories of matmul2d, and
//   by make_tile, make_row_entries and make_column_entries.
//
//   Shapes     For simdgroups rows and columns are multiples of 8, one of them of 16; for one thread each is 1, 2, 4 or a
//              multiple of 8. At most 131072 elements. Rank 1: an entry for each row, or column, of such a tile.
//   Slots      A thread has get_capacity() of them; is_valid_element is false for those that hold no element of the tile,
//              which must be neither used nor reduced. Where elements lie is each backend's own affair.
//   Numerics   16-bit elements are read as float, and rounded once when they are written.
//   Reductions Of rows by every scope; of columns by one simdgroup or one thread, since several simdgroups each hold a part
//              of a column.
//   Edges      load fills what lies outside a tensor with 0, store drops it.
#pragma once

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// How many simdgroups a scope has: 0 for one thread, -1 for what is no scope.
template <class>
struct simdgroups_of {
  static constexpr FT_CONSTANT int value = -1;
};
template <>
struct simdgroups_of<execution_thread> {
  static constexpr FT_CONSTANT int value = 0;
};
template <int N>
struct simdgroups_of<execution_simdgroups<N>> {
  static constexpr FT_CONSTANT int value = N;
};

FLASHTILE_HOST_DEVICE constexpr bool thread_dimension_ok(int size) {
  return size == 1 || size == 2 || size == 4 || (size > 0 && size % 8 == 0);
}
FLASHTILE_HOST_DEVICE constexpr bool tile_shape_ok(int simdgroups, int m, int n) {
  return simdgroups > 0 ? m > 0 && n > 0 && m % 8 == 0 && n % 8 == 0 && (m % 16 == 0 || n % 16 == 0)
                        : thread_dimension_ok(m) && thread_dimension_ok(n);
}
FLASHTILE_HOST_DEVICE constexpr bool tile_size_ok(int m, int n) { return int64_t{m} * n <= 128 * 1024; }

/// Refuses what make_tile, make_row_entries and make_column_entries do not make.
template <class Scope, int M, int N>
FLASHTILE_HOST_DEVICE constexpr void check_tile() {
  static_assert(simdgroups_of<Scope>::value >= 0,
                "make_tile: the scope must be execution_thread or execution_simdgroups<N>");
  static_assert(
      tile_shape_ok(simdgroups_of<Scope>::value, M, N),
      "make_tile: M and N must be multiples of 8, one of them of 16 (for execution_thread: 1, 2, 4 or "
      "multiples of 8)");
  static_assert(tile_size_ok(M, N), "make_tile: a tile must not pass 131072 elements");
}

/// Refuses reductions of the columns of a scope's tiles.
template <int Simdgroups>
FLASHTILE_HOST_DEVICE constexpr void check_column_reduction() {
  static_assert(Simdgroups <= 1, "reduce_columns: the scope must be one simdgroup");
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
