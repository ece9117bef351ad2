// Which thread of a scope holds which element of a tile, and in which of its slots. Included by
// cooperative_tensor.h.
#pragma once

#include <type_traits>

#include "flashtile/primitives/cuda/execution.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

FLASHTILE_HOST_DEVICE constexpr int divide_up(int a, int b) { return (a + b - 1) / b; }

/// The rows of a tile, spread over the simdgroups of a scope in blocks of 16 (two halves of 8 rows), or in one
/// block of 8 for an 8-row tile. Each simdgroup has the same number of blocks; the last may lie past the tile.
template <int Rows, int Simdgroups>
struct row_spread {
  static constexpr int kRows = Rows, kSimdgroups = Simdgroups;
  static constexpr int kHalves = Rows > 8 ? 2 : 1;
  static constexpr int kAllBlocks = divide_up(Rows, 8 * kHalves);
  static constexpr int kBlocks = divide_up(kAllBlocks, Simdgroups);  // of this simdgroup
  static constexpr int kSlots = kBlocks * kHalves;                   // rows of this thread
  static constexpr bool kFull = kBlocks * Simdgroups * 8 * kHalves == Rows;
  /// Four simdgroups own 64 adjacent rows, as the warpgroup instructions require.
  static constexpr bool kWarpgroups = kFull && kHalves == 2 && Simdgroups % 4 == 0;

  /// Which simdgroup of its scope this is. A threadgroup may hold several teams, each a scope of its own.
  static FT_FUNCTION int group() { return Simdgroups == 1 ? 0 : simdgroup_index_in_threadgroup() % Simdgroups; }
  /// First row of a block of this simdgroup.
  static FT_FUNCTION int first_row(int block) {
    if constexpr (kWarpgroups) {
      return (group() / 4 * kBlocks + block) * 64 + group() % 4 * 16;
    } else {
      return (group() * kBlocks + block) * 8 * kHalves;
    }
  }
  static FT_FUNCTION int row(int slot) {
    return first_row(slot / kHalves) + slot % kHalves * 8 + thread_index_in_simdgroup() / 4;
  }
};

/// A tile in the layout of results and left operands. Slots: [block of 16 rows][8 columns][half][2 columns].
/// The number of 8-column blocks is rounded up to a multiple of Multiple.
template <class Rows, int Columns, int Multiple>
struct row_layout {
  using rows = Rows;
  static constexpr int kRank = 2;
  static constexpr int kRowCount = Rows::kRows, kColumnCount = Columns;
  static constexpr int kColumnBlocks = divide_up(Columns, 8 * Multiple) * Multiple;
  static constexpr int kCapacity = Rows::kBlocks * kColumnBlocks * Rows::kHalves * 2;
  static constexpr bool kPairsInRow = true;
  static constexpr bool kFull = Rows::kFull && kColumnBlocks * 8 == Columns;

  /// Slot of the pair at (block, 8-column block, half).
  static constexpr FT_FUNCTION int slot(int block, int column_block, int half) {
    return ((block * kColumnBlocks + column_block) * Rows::kHalves + half) * 2;
  }
  static constexpr FT_FUNCTION int row_slot(int slot) {
    return slot / (2 * Rows::kHalves * kColumnBlocks) * Rows::kHalves + slot / 2 % Rows::kHalves;
  }
  static constexpr FT_FUNCTION int column_slot(int slot) {
    return slot / (2 * Rows::kHalves) % kColumnBlocks * 2 + slot % 2;
  }
  static FT_FUNCTION int row(int slot) { return Rows::row(row_slot(slot)); }
  static FT_FUNCTION int column_of(int column_slot) {
    return column_slot / 2 * 8 + thread_index_in_simdgroup() % 4 * 2 + column_slot % 2;
  }
  static FT_FUNCTION int column(int slot) { return column_of(column_slot(slot)); }
  static FT_FUNCTION bool valid(int slot) {
    return kFull || (row(slot) < kRowCount && column(slot) < kColumnCount);
  }
};
template <class Rows, int Columns>
using result_layout = row_layout<Rows, Columns, 1>;
/// A left operand has steps of 16 columns.
template <class Rows, int Columns>
using left_layout = row_layout<Rows, Columns, 2>;

/// A tile in the layout of right operands, held whole by every simdgroup.
/// Slots: [16 rows][8 columns][half][2 rows].
template <int RowCount, int Columns>
struct column_layout {
  static constexpr int kRank = 2;
  static constexpr int kRowCount = RowCount, kColumnCount = Columns;
  static constexpr int kRowBlocks = divide_up(RowCount, 16), kColumnBlocks = divide_up(Columns, 8);
  static constexpr int kCapacity = kRowBlocks * kColumnBlocks * 4;
  static constexpr bool kPairsInRow = false;
  static constexpr bool kFull = RowCount % 16 == 0 && Columns % 8 == 0;

  static constexpr FT_FUNCTION int slot(int row_block, int column_block, int half) {
    return ((row_block * kColumnBlocks + column_block) * 2 + half) * 2;
  }
  static FT_FUNCTION int row(int slot) {
    return slot / (4 * kColumnBlocks) * 16 + slot / 2 % 2 * 8 + thread_index_in_simdgroup() % 4 * 2 + slot % 2;
  }
  static FT_FUNCTION int column(int slot) {
    return slot / 4 % kColumnBlocks * 8 + thread_index_in_simdgroup() / 4;
  }
  static FT_FUNCTION bool valid(int slot) {
    return kFull || (row(slot) < kRowCount && column(slot) < kColumnCount);
  }
};

/// A tile of one thread: every element, row by row.
template <int RowCount, int Columns>
struct thread_layout {
  static constexpr int kRank = 2;
  static constexpr int kRowCount = RowCount, kColumnCount = Columns, kCapacity = RowCount * Columns;
  static constexpr bool kPairsInRow = Columns % 2 == 0;
  static constexpr bool kFull = true;
  static constexpr FT_FUNCTION int row_slot(int slot) { return slot / Columns; }
  static constexpr FT_FUNCTION int column_slot(int slot) { return slot % Columns; }
  static FT_FUNCTION int row(int slot) { return slot / Columns; }
  static FT_FUNCTION int column(int slot) { return slot % Columns; }
  static FT_FUNCTION bool valid(int) { return true; }
};

/// A layout with rows and columns swapped: an operand that is stored transposed.
template <class Layout>
struct turned_layout : Layout {
  static constexpr int kRowCount = Layout::kColumnCount, kColumnCount = Layout::kRowCount;
  static constexpr bool kPairsInRow = !Layout::kPairsInRow;
  static FT_FUNCTION int row(int slot) { return Layout::column(slot); }
  static FT_FUNCTION int column(int slot) { return Layout::row(slot); }
};
template <class Layout, bool Turned>
using turned_if = typename std::conditional_t<Turned, std::type_identity<turned_layout<Layout>>,
                                              std::type_identity<Layout>>::type;

/// One entry for each row of a spread, as reduce_rows gives it. Every lane that holds a part of
/// the row holds the entry.
template <class Rows>
struct row_entries {
  using rows = Rows;
  static constexpr int kRank = 1, kCount = Rows::kRows, kCapacity = Rows::kSlots;
  static FT_FUNCTION int index(int slot) { return Rows::row(slot); }
  static FT_FUNCTION bool valid(int slot) { return Rows::kFull || index(slot) < kCount; }
  /// Is this the one thread that reports the entries of its rows?
  static FT_FUNCTION bool owner() { return thread_index_in_simdgroup() % 4 == 0; }
};
/// One entry for each column of a row_layout, as reduce_columns gives it.
template <class Layout>
struct column_entries {
  static constexpr int kRank = 1, kCount = Layout::kColumnCount, kCapacity = Layout::kColumnBlocks * 2;
  static FT_FUNCTION int index(int slot) { return Layout::column_of(slot); }
  static FT_FUNCTION bool valid(int slot) { return index(slot) < kCount; }
  static FT_FUNCTION bool owner() { return thread_index_in_simdgroup() < 4; }
};
template <int Count>
struct thread_entries {
  static constexpr int kRank = 1, kCount = Count, kCapacity = Count;
  static FT_FUNCTION int index(int slot) { return slot; }
  static FT_FUNCTION bool valid(int) { return true; }
  static FT_FUNCTION bool owner() { return true; }
};

template <class Layout>
struct reductions_of;
template <class Rows, int Columns, int Multiple>
struct reductions_of<row_layout<Rows, Columns, Multiple>> {
  using rows = row_entries<Rows>;
  using columns = column_entries<row_layout<Rows, Columns, Multiple>>;
};
template <int RowCount, int Columns>
struct reductions_of<thread_layout<RowCount, Columns>> {
  using rows = thread_entries<RowCount>;
  using columns = thread_entries<Columns>;
};

/// Does the rank-1 layout Entries hold the rows of Layout, slot for slot?
template <class Entries, class Layout>
inline constexpr bool holds_rows_of = false;
template <class Rows, int Columns, int Multiple>
inline constexpr bool holds_rows_of<row_entries<Rows>, row_layout<Rows, Columns, Multiple>> = true;
template <int RowCount, int Columns>
inline constexpr bool holds_rows_of<thread_entries<RowCount>, thread_layout<RowCount, Columns>> = true;
template <class Entries, class Layout>
inline constexpr bool holds_columns_of = false;
template <class Layout>
inline constexpr bool holds_columns_of<column_entries<Layout>, Layout> = true;
template <int RowCount, int Columns>
inline constexpr bool holds_columns_of<thread_entries<Columns>, thread_layout<RowCount, Columns>> = true;

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
