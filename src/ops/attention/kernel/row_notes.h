// Which tiles of the output hold elements that are not finite: each simdgroup that has stored rows of a tile notes it, and
// exact_rows looks at no other tile. Every note is written, so that their memory needs no zeros before.
#pragma once

#include "src/ops/attention/kernel/rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// The number of the tile of a head, of `tile_rows` rows, that row `row` lies in, among all tiles of the call.
FT_FUNCTION int64_t tile_number(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head, int64_t row,
                                int tile_rows) {
  return (batch * p.query_heads + head) * tiles_of(p.query_length, tile_rows) + row / tile_rows;
}

/// Has a simdgroup noted something of the tile?
template <class T>
FT_FUNCTION bool is_noted(FT_THREAD const Head<T>& head, int64_t row) {
  FT_CONSTANT const RowNotes& notes = head.p.notes;
  const int64_t first = tile_number(head.p, head.batch, head.head, row, notes.tile_rows) * notes.simdgroups;
  bool any = false;
  for (int i = 0; i < notes.simdgroups; ++i) any = any || notes.data[first + i] != 0;
  return any;
}

/// Notes whether this simdgroup's part of the output of tile `tile` is finite.
template <class Output>
FT_FUNCTION void note_rows(FT_CONSTANT const AttentionParams& p, int tile, FT_THREAD const Output& output) {
  const bool broken = simd_any(any_not_finite(output));
  simd_for_each_index(1, [&](int) {
    const int64_t note = static_cast<int64_t>(tile) * p.notes.simdgroups + simdgroup_index_in_threadgroup();
    p.notes.data[note] = broken ? 1 : 0;
  });
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
