// What happens to a tile of scores between the two products, apart from the softmax: scale,
// mask tensor, band mask.
#pragma once

#include "src/ops/attention/kernel/mask_entries.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

/// score * scale + bias, or -inf where the entry is -inf. In natural units: in base 2 the lowest finite biases
/// would become -inf, and a finite bias hides no key.
template <class E, class Scores, class T>
FT_FUNCTION void add_bias(FT_THREAD Scores& scores, FT_THREAD Scores& bias, FT_THREAD const Head<T>& head,
                          int64_t row, int column) {
  const float scale = head.p.scale;
  auto entries = entries_from<E>(head.p.mask.bias, head.batch, head.head, row, column);
  load_repeated(bias, entries);
  map_elements(scores, bias, [=](auto score, auto entry) {
    return select(fma(score, scale, entry), kMinusInfinity, entry == kMinusInfinity);
  });
}

template <class Scores, class T>
FT_FUNCTION void keep_where_true(FT_THREAD Scores& scores, FT_THREAD Scores& attend,
                                 FT_THREAD const Head<T>& head, int64_t row, int column) {
  auto entries = entries_from<uint8_t>(head.p.mask.boolean, head.batch, head.head, row, column);
  load_repeated(attend, entries);
  map_elements(scores, attend,
               [](auto score, auto entry) { return select(score, kMinusInfinity, entry == 0.0f); });
}

/// True if scores of keys that a whole tile of queries sees need nothing but the positive factor p.scale_log2.
FT_FUNCTION bool is_plain(FT_CONSTANT const AttentionParams& p) { return !p.mask.given() && p.scale > 0.0f; }

/// Applies the masks, and the scale where it must come first, to the scores of queries
/// row ... and keys column ... Returns the positive factor that they still have to be multiplied
/// with to be scaled and in base 2.
template <class Scores, class T>
FT_FUNCTION float scale_and_mask(FT_THREAD Scores& scores, FT_THREAD Scores& scratch,
                                 FT_THREAD const Head<T>& head, FT_THREAD const KeyRange& keys, int64_t row,
                                 int column, int key_count) {
  FT_CONSTANT const AttentionParams& p = head.p;
  const float scale = p.scale;
  const bool scale_now = !p.mask.bias.given() && !(scale > 0.0f);  // before masking: -inf * scale is not -inf
  if (scale_now) map_elements(scores, [=](auto score) { return score * scale; });
  if (p.mask.bias.given()) {
    with_bias_type(p.mask, [&](auto bias) {
      add_bias<typename decltype(bias)::type>(scores, scratch, head, row, column);
    });
  }
  if (p.mask.boolean.given()) keep_where_true(scores, scratch, head, row, column);
  if (column + key_count > keys.whole_end) {  // the diagonal or the last key is in this tile
    // Column c of the tile is seen by its row r if c <= r + diagonal.
    const int64_t diagonal = row + p.band.offset - column;
    const int reach = diagonal > key_count     ? key_count
                      : diagonal < -0x40000000 ? -0x40000000
                                               : static_cast<int>(diagonal);
    const int limit = p.kv_length - column;
    map_indexed(scores, [=](auto score, auto r, auto c) {
      return select(kMinusInfinity, score, (c <= r + reach) & (c < limit));
    });
  }
  return p.mask.bias.given() || scale_now ? kLog2E : p.scale_log2;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
