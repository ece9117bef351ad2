// What convolution2d needs on a GPU: copies between tiles and rows that lie anywhere in memory. Included by
// primitives/convolution2d.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

template <class Scope>
FT_FUNCTION void check_whole_threadgroup() {
  FT_REFUSE_IF(Scope::simdgroups != simdgroups_per_threadgroup(), "the scope is not the threadgroup");
}

/// Who shares the memory of a convolution's operands.
template <class Scope>
using room_scope = Scope;

/// Starts copying rows at(0), at(1), ... of `columns` elements into stage i; null stands for zeros. `data` is where the rows'
/// tensor begins; `aligned`: they lie at multiples of 16 bytes from there. One load for wait_tiles.
template <class Scope, class T, class Order, int Rows, int Columns, int Stages, class At>
FT_FUNCTION void load_rows_async(tile_stages<T, Order, Rows, Columns, Stages>& stages, int i, const T* data,
                                 int columns, bool aligned, At at) {
  constexpr int kChunk = Order::kChunk, kChunksPerRow = Order::kColumns / kChunk;
  constexpr int kChunks = Order::kRows * kChunksPerRow, kThreads = scope_threads<Scope>;
  auto to = tile(stages, i);
  aligned = aligned && reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
  for (int chunk = scope_thread<Scope>(); chunk < kChunks; chunk += kThreads) {
    const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * kChunk;
    const T* from = at(row);
    const int left = from == nullptr ? 0 : min(columns, Columns) - column;
    const int elements = min(max(left, 0), kChunk);
    if (aligned) {
      copy_chunk_async(to.address(row, column), elements > 0 ? from + column : data,
                       elements * static_cast<int>(sizeof(T)));
    } else {
      alignas(16) T values[kChunk];
      FT_UNROLL for (int e = 0; e < kChunk; ++e) values[e] = e < elements ? from[column + e] : T{};
      *reinterpret_cast<uint4*>(to.bytes + Order::offset(row, column)) =
          *reinterpret_cast<const uint4*>(values);
    }
  }
  commit_copies();
}

/// Tile <- rows at(0), at(1), ... of `columns` elements, converted; null stands for zeros.
template <class T, class Layout, class At>
FT_FUNCTION void load_rows(cooperative_tensor<T, Layout>& tile, int columns, At at) {
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    const auto* from = Layout::valid(i) ? at(Layout::row(i)) : nullptr;
    const int column = Layout::column(i);
    tile.set(i, from != nullptr && column < columns ? convert_element<T>(from[column]) : T{});
  }
}

/// Rows at(0), at(1), ... of `columns` elements <- tile, converted; null drops a row.
template <class T, class Layout, class At>
FT_FUNCTION void store_rows(const cooperative_tensor<T, Layout>& tile, int columns, At at) {
  using E = std::remove_cvref_t<decltype(*at(0))>;
  FT_UNROLL for (int i = 0; i < Layout::kCapacity; ++i) {
    auto* to = Layout::valid(i) ? at(Layout::row(i)) : nullptr;
    const int column = Layout::column(i);
    if (to != nullptr && column < columns) to[column] = convert_element<E>(tile.get(i));
  }
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

// The memory of a convolution's operands: static threadgroup memory, of which a kernel has 48 KiB.
#define FLASHTILE_ROOM __shared__
#define FLASHTILE_ROOM_BYTES (48 * 1024)
#include "flashtile/primitives/common/convolution2d.h"
#undef FLASHTILE_ROOM
#undef FLASHTILE_ROOM_BYTES
