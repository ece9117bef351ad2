// Ours, since Metal leaves them to each kernel: element-wise and row-wise maps over tiles; and the reductions
// of rows and columns. Included by cuda/primitives.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flashtile/primitives/common/cooperative_tensor_contract.h"
#include "flashtile/primitives/common/descriptor.h"
#include "flashtile/primitives/cuda/cooperative_tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Each element x <- f(x).
template <class T, class Layout, class F>
FT_FUNCTION void map_elements(cooperative_tensor<T, Layout>& tile, F f) {
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) tile.set(i, f(detail::operand(tile.get(i))));
}
/// Each element x <- f(x, y) with the element y at the same place of another tile of the same layout.
template <class T, class U, class Layout, class F>
FT_FUNCTION void map_elements(cooperative_tensor<T, Layout>& tile, const cooperative_tensor<U, Layout>& other,
                              F f) {
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    tile.set(i, f(detail::operand(tile.get(i)), detail::operand(other.get(i))));
  }
}
/// Each element x <- f(x, row, column).
template <class T, class Layout, class F>
FT_FUNCTION void map_indexed(cooperative_tensor<T, Layout>& tile, F f) {
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    tile.set(i, f(detail::operand(tile.get(i)), Layout::row(i), Layout::column(i)));
  }
}
/// The same; apart, since a CPU's map_indexed calls f with vectors.
template <class T, class Layout, class F>
FT_FUNCTION void map_each(cooperative_tensor<T, Layout>& tile, F f) {
  map_indexed(tile, f);
}
namespace detail {
/// Each element of row r <- `other` where outside(c, bound(r)) holds for its column c. The bound is moved once to the
/// columns of this thread, so that an element is compared with a number that the compiler knows.
template <class T, class Layout, class Bound, class Outside>
FT_FUNCTION void replace_columns(cooperative_tensor<T, Layout>& tile, T other, Bound bound, Outside outside) {
  const int own = Layout::column_of(0);
  FT_UNROLL for (int r = 0; r < Layout::rows::kSlots; ++r) {
    const int moved = bound(Layout::rows::row(r)) - own;
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
      if (Layout::row_slot(i) != r) continue;
      const int slot = Layout::column_slot(i);
      if (outside(slot / 2 * 8 + slot % 2, moved)) tile.set(i, other);
    }
  }
}
}  // namespace detail
/// The elements of each row r before column first(r) <- `other`. Ours.
template <class T, class Layout, class First>
FT_FUNCTION void replace_before(cooperative_tensor<T, Layout>& tile, T other, First first) {
  detail::replace_columns(tile, other, first, [](int column, int bound) { return column < bound; });
}
/// The elements of each row r after column last(r) <- `other`. Ours.
template <class T, class Layout, class Last>
FT_FUNCTION void replace_after(cooperative_tensor<T, Layout>& tile, T other, Last last) {
  detail::replace_columns(tile, other, last, [](int column, int bound) { return column > bound; });
}

/// Each element x <- f(x, e, g) with its row's entries e and g in two tiles.
template <class T, class Layout, class U, class V, class Entries, class F>
FT_FUNCTION void map_rows(cooperative_tensor<T, Layout>& tile, const cooperative_tensor<U, Entries>& entries,
                          const cooperative_tensor<V, Entries>& more, F f) {
  static_assert(detail::holds_rows_of<Entries, Layout>,
                "map_rows: the entries belong to a tile with other rows");
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    const int row = Layout::row_slot(i);
    tile.set(
        i, f(detail::operand(tile.get(i)), detail::operand(entries.get(row)), detail::operand(more.get(row))));
  }
}
/// Each element x <- f(x, e) with its row's entry e.
template <class T, class Layout, class U, class Entries, class F>
FT_FUNCTION void map_rows(cooperative_tensor<T, Layout>& tile, const cooperative_tensor<U, Entries>& entries,
                          F f) {
  map_rows(tile, entries, entries, [&f](auto x, auto e, auto) { return f(x, e); });
}
/// Each element x <- f(x, e) with its column's entry e.
template <class T, class Layout, class U, class Entries, class F>
FT_FUNCTION void map_columns(cooperative_tensor<T, Layout>& tile, const cooperative_tensor<U, Entries>& entries,
                             F f) {
  static_assert(detail::holds_columns_of<Entries, Layout>,
                "map_columns: the entries belong to a tile with other columns");
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    tile.set(i, f(detail::operand(tile.get(i)), detail::operand(entries.get(Layout::column_slot(i)))));
  }
}
/// Calls f(entry, index) once for each entry of a rank-1 tile, each in a single thread.
template <class T, class Entries, class F>
FT_FUNCTION void for_each_element(const cooperative_tensor<T, Entries>& tile, F f) {
  static_assert(Entries::kRank == 1, "for_each_element: the tile must have rank 1");
  if (!Entries::owner()) return;
  FT_UNROLL for (int i = 0; i < Entries::kCapacity; ++i) {
    if (Entries::valid(i)) f(tile.get(i), Entries::index(i));
  }
}

/// Does this thread hold an element that is infinite or NaN? Ours.
template <class T, class Layout>
FT_FUNCTION bool any_not_finite(const cooperative_tensor<T, Layout>& tile) {
  constexpr int kChains = 4;  // that do not wait for each other
  float zero[kChains] = {};
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    zero[i % kChains] = __fmaf_rn(detail::operand(tile.get(i)), 0.0f, zero[i % kChains]);
  }
  return (zero[0] + zero[1]) + (zero[2] + zero[3]) != 0.0f;
}

namespace detail {
template <class T>
FT_FUNCTION T combine(reduction_operation operation, T a, T b) {
  if (operation == reduction_operation::sum) return a + b;
  if constexpr (std::is_same_v<T, float>)
    return operation == reduction_operation::max ? fmaxf(a, b) : fminf(a, b);
  else
    return (operation == reduction_operation::max) == (a < b) ? b : a;
}

/// The value that a thread's own fold starts from. In a sum the given identity is added only once, at the end.
template <class T>
FT_FUNCTION T fold_start(reduction_operation operation, T identity) {
  return operation == reduction_operation::sum ? T(0) : identity;
}
template <class T>
FT_FUNCTION T fold_end(reduction_operation operation, T value, T identity) {
  return operation == reduction_operation::sum ? value + identity : value;
}
}  // namespace detail

/// The first half of reduce_rows: entries <- fold of the elements of each row that this thread holds. Nothing
/// is exchanged, so that a kernel can decide whether share_rows is worth it. Ours. The order of the sums is
/// fixed.
template <class T, class Layout, class Entries>
FT_FUNCTION void fold_rows(const cooperative_tensor<T, Layout>& tile, cooperative_tensor<T, Entries>& entries,
                           reduction_operation operation, T identity) {
  static_assert(detail::holds_rows_of<Entries, Layout>,
                "reduce_rows: the entries belong to a tile with other rows");
  FT_UNROLL for (int r = 0; r < Entries::kCapacity; ++r) {
    entries.set(r, detail::fold_start(operation, identity));
  }
  if constexpr (Layout::kPairsInRow && Layout::kFull) {
    // A maximum of pairs first: half as long a chain of dependent instructions.
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; i += 2) {
      const int r = Layout::row_slot(i);
      if (operation == reduction_operation::sum) {
        entries.set(r, entries.get(r) + tile.get(i));
        entries.set(r, entries.get(r) + tile.get(i + 1));
      } else {
        entries.set(r, detail::combine(operation, entries.get(r),
                                       detail::combine(operation, tile.get(i), tile.get(i + 1))));
      }
    }
  } else {
    FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
      const int r = Layout::row_slot(i);
      if (Layout::valid(i)) entries.set(r, detail::combine(operation, entries.get(r), tile.get(i)));
    }
  }
}

/// Does this thread hold an element that exceeds its row's entry? The bits of both are compared as integers,
/// which Hopper does three at a time: for entries from +0 on that is the order of floats, with positive NaN
/// above infinity; the entry -0 is exceeded by everything but itself. Ours.
template <class Layout, class Entries>
FT_FUNCTION bool any_exceeds(const cooperative_tensor<float, Layout>& tile,
                             const cooperative_tensor<float, Entries>& entries) {
  static_assert(detail::holds_rows_of<Entries, Layout> && Layout::kPairsInRow && Layout::kFull,
                "any_exceeds: the entries belong to a tile with other rows");
  int top[Entries::kCapacity];
  FT_UNROLL for (int r = 0; r < Entries::kCapacity; ++r) top[r] = INT32_MIN;
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; i += 2) {
    int& row = top[Layout::row_slot(i)];
    row = __vimax3_s32(row, __float_as_int(tile.get(i)), __float_as_int(tile.get(i + 1)));
  }
  bool any = false;
  FT_UNROLL for (int r = 0; r < Entries::kCapacity; ++r) any |= top[r] > __float_as_int(entries.get(r));
  return any;
}

/// The second half: every thread that holds a part of a row gets the fold of the parts.
template <class T, class Entries>
FT_FUNCTION void share_rows(cooperative_tensor<T, Entries>& entries, reduction_operation operation) {
  if constexpr (requires { typename Entries::rows; }) {
    FT_UNROLL for (int r = 0; r < Entries::kCapacity; ++r) {
      T value = entries.get(r);
      value = detail::combine(operation, value, __shfl_xor_sync(0xffffffffu, value, 1));
      value = detail::combine(operation, value, __shfl_xor_sync(0xffffffffu, value, 2));
      entries.set(r, value);
    }
  }
}

/// entries <- fold of the identity and each row's elements. The order of the sums is fixed.
template <class T, class Layout, class Entries>
FT_FUNCTION void reduce_rows(const cooperative_tensor<T, Layout>& tile, cooperative_tensor<T, Entries>& entries,
                             reduction_operation operation = reduction_operation::sum,
                             T identity = reduction_operation_identity<T>::sum_identity) {
  fold_rows(tile, entries, operation, identity);
  share_rows(entries, operation);
  FT_UNROLL for (int r = 0; r < Entries::kCapacity; ++r) {
    entries.set(r, detail::fold_end(operation, entries.get(r), identity));
  }
}

/// entries <- fold of the identity and each column's elements.
template <class T, class Layout, class Entries>
FT_FUNCTION void reduce_columns(const cooperative_tensor<T, Layout>& tile,
                                cooperative_tensor<T, Entries>& entries,
                                reduction_operation operation = reduction_operation::sum,
                                T identity = reduction_operation_identity<T>::sum_identity) {
  static_assert(detail::holds_columns_of<Entries, Layout>,
                "reduce_columns: the entries belong to a tile with other columns");
  FT_UNROLL for (int c = 0; c < Entries::kCapacity; ++c) {
    entries.set(c, detail::fold_start(operation, identity));
  }
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    const int c = Layout::column_slot(i);
    if (Layout::valid(i)) entries.set(c, detail::combine(operation, entries.get(c), tile.get(i)));
  }
  if constexpr (!std::is_same_v<Entries, detail::thread_entries<Layout::kColumnCount>>) {
    detail::check_column_reduction<Layout::rows::kSimdgroups>();
    FT_UNROLL for (int c = 0; c < Entries::kCapacity; ++c) {
      T value = entries.get(c);
      FT_UNROLL for (int distance = 4; distance < 32; distance *= 2) {
        value = detail::combine(operation, value, __shfl_xor_sync(0xffffffffu, value, distance));
      }
      entries.set(c, value);
    }
  }
  FT_UNROLL for (int c = 0; c < Entries::kCapacity; ++c) {
    entries.set(c, detail::fold_end(operation, entries.get(c), identity));
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
