// What the rows of a tile end with, in every kernel that sums all keys of a row: the output, the notes for exact_rows,
// and the lse. Those behind a length are padding: their output is 0, and their lse -inf.
#pragma once

#include "src/ops/attention/kernel/row_notes.h"
#include "src/ops/attention/kernel/rows.h"
#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// lse of the rows of a tile whose first query is `row`; -inf from query `end` on, where padding begins. Softmax has
/// logarithm() and `maximum`; after its finish().
template <class Softmax>
FT_FUNCTION void write_lse(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head, int64_t row,
                           int64_t end, FT_THREAD Softmax& softmax) {
  if (p.lse == nullptr) return;
  take_logarithm(p, batch, head, softmax);
  const int64_t result_rows = p.query_starts.given() ? end : p.query_length;
  for_each_element(softmax.maximum, [&](float value, int r) {
    if (row + r < result_rows) lse_of(p, batch, head, row + r) = row + r < end ? value : kMinusInfinity;
  });
}

/// The last of a tile's `count` rows become 0, so that `there` of them stay.
template <class Output>
FT_FUNCTION void clear_padding(FT_THREAD Output& o, int64_t there, int count) {
  if (there >= count) return;
  const int end = there < 0 ? 0 : static_cast<int>(there);
  map_indexed(o, [=](auto sum, auto r, auto) { return select(decltype(sum)(0.0f), sum, r < end); });
}

/// Ends `count` rows of a head from `row` on: `o` are their weighted sums of values, and `tile` is the number of the
/// tile that they lie in.
template <class Tile, class T, class Output, class Softmax>
FT_FUNCTION void write_rows(FT_THREAD const Head<T>& head, int64_t row, int count, int tile,
                            FT_THREAD Output& o, FT_THREAD Softmax& softmax) {
  finish_rows(head.p, head.batch, head.head, softmax);
  scale_rows(o, softmax.correction);
  if (head.p.query_lengths.given()) clear_padding(o, head.rows() - row, count);
  with_out_type<T>(head.p, [&](auto type) {
    auto out = head.template out<typename decltype(type)::type>(row);
    store(o, out);
  });
  Tile::settle(head, row, count, softmax.sum);
  if constexpr (Tile::kNotes)
    if (head.p.notes.data != nullptr) note_rows(head.p, tile, o);
  write_lse(head.p, head.batch, head.head, row, head.rows(), softmax);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
