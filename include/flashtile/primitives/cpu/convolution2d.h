// What convolution2d needs on a CPU: copies between tiles and rows that lie anywhere in memory. Included by
// primitives/convolution2d.h.
#pragma once

#include <cstring>

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

template <class Scope>
inline void check_whole_threadgroup() {
  ::flashtile::detail::check_scope_on_cpu(Scope::simdgroups);
}

/// Who shares the memory of a convolution's operands: it is on the stack of each simdgroup.
template <class Scope>
using room_scope = execution_simdgroup;

/// to[r][...] = at(r)[0 ... columns), zeros after them and where at(r) is null.
template <int Columns, class T, class At>
inline void gather_rows(T (*to)[Columns], int first, int rows, int columns, At at) {
  columns = min(columns, Columns);
  for (int r = 0; r < rows; ++r) {
    const T* from = at(first + r);
    const int there = from == nullptr ? 0 : columns;
    if (there == Columns)
      std::memcpy(static_cast<void*>(to[r]), from, sizeof to[r]);
    else if (there > 0)
      std::memcpy(static_cast<void*>(to[r]), from, static_cast<std::size_t>(there) * sizeof(T));
    if (there < Columns)
      std::memset(static_cast<void*>(to[r] + there), 0, static_cast<std::size_t>(Columns - there) * sizeof(T));
  }
}

/// Stage <- rows at(0), at(1), ... of `columns` elements; null stands for zeros.
template <class Scope, class T, class P, int Rows, int Depth, int Simdgroups, int Stages, class At>
inline void load_rows_async(left_tile_stages<T, P, Rows, Depth, false, Simdgroups, Stages>& stages, int stage,
                            const T*, int columns, bool, At at) {
  const int own = own_part<Simdgroups>();
  T rows[Rows][Depth];
  gather_rows<Depth>(rows, own * Rows, Rows, columns, at);
  auto& part = stages.parts[stage][own];
  part.loaded =
      pack_left<P, false>(part.room, matrix<const T>{rows[0], Depth, Rows, min(columns, Depth)}, Depth);
}

/// Tile <- rows at(0), at(1), ... of `columns` elements, converted; null stands for zeros.
template <class T, class X, class L, class At>
inline void load_rows(cooperative_tensor<T, X, L>& tile, int columns, At at) {
  using Tile = cooperative_tensor<T, X, L>;
  using E = std::remove_cvref_t<decltype(*at(0))>;
  constexpr int kRows = Tile::kLocalRows, kColumns = Tile::kColumns;
  E rows[kRows][kColumns];
  gather_rows<kColumns>(rows, tile.first_row(), kRows, columns, at);
  copy_columns<typename L::storage, E>(tile.data(), Tile::kPitch, rows[0], kColumns, Tile::kPitch, kColumns,
                                       kRows, kColumns);
  tile.written_everywhere();
  if constexpr (!std::is_same_v<T, E>) round_all<T>(tile.data(), Tile::get_capacity());
}

/// Rows at(0), at(1), ... of `columns` elements <- tile, converted; null drops a row.
template <class T, class X, class L, class At>
inline void store_rows(const cooperative_tensor<T, X, L>& tile, int columns, At at) {
  using Tile = cooperative_tensor<T, X, L>;
  using E = std::remove_cvref_t<decltype(*at(0))>;
  constexpr int kColumns = Tile::kColumns;
  const int rows = tile.local_rows();
  E all[Tile::kLocalRows][kColumns];
  write_columns<typename L::storage, E>(all[0], kColumns, tile.data(), Tile::kPitch, rows, kColumns);
  for (int r = 0; r < rows; ++r) {
    E* to = at(tile.first_row() + r);
    if (to != nullptr)
      std::memcpy(static_cast<void*>(to), all[r], static_cast<std::size_t>(min(columns, kColumns)) * sizeof(E));
  }
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

// The memory of a convolution's operands: this simdgroup's stack, of which a kernel has 512 KiB.
#define FLASHTILE_ROOM
#define FLASHTILE_ROOM_BYTES (256 * 1024)
#include "flashtile/primitives/common/convolution2d.h"
#undef FLASHTILE_ROOM
#undef FLASHTILE_ROOM_BYTES
