// The score rule on a tile of the vocabulary, a cooperative tensor or a block of simdgroup matrices: a row is a
// query, a column a key.
#pragma once

#include "src/ops/attention/kernel/mask_entries.h"
#include "src/ops/attention/kernel/score_rule.h"
#include "src/ops/attention/kernel/sight.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// Applies the rule to q·k of queries row ... and keys column ... column + key_count - 1, where `keys` is the range
/// of the tile's queries. `scratch` is another tile of the same kind.
template <class Scores, class T>
FT_FUNCTION void apply_rule(FT_THREAD Scores& scores, FT_THREAD Scores& scratch, FT_THREAD const Head<T>& head,
                            FT_THREAD const KeyRange& keys, int64_t row, int column, int key_count) {
  FT_CONSTANT const ScoreRule& rule = head.p.rule;
  if (rule.work(keys, column, key_count) == ScoreWork::factor) return;
  map_scores(rule, [&](auto score) { map_elements(scores, score); });
  if (rule.slopes.given()) {
    const float slope = rule.slopes.of(head.batch, head.head);
    const float start = static_cast<float>(head.entry().offset + row - column);
    map_indexed(scores, [=](auto score, auto r, auto c) {
      return with_slope(score, decltype(score)(slope), start, r - c);
    });
  }
  if (rule.mask.bias.given()) {
    with_bias_type(rule.mask, [&](auto type) {
      using E = typename decltype(type)::type;
      auto entries = entries_from<E>(rule.mask.bias, head.batch, head.head, row, column);
      load_repeated(scratch, entries);
    });
    map_elements(scores, scratch, [](auto score, auto entry) { return with_entry(score, entry); });
  }
  if (rule.mask.boolean.given()) {
    auto entries = entries_from<uint8_t>(rule.mask.boolean, head.batch, head.head, row, column);
    load_repeated(scratch, entries);
    map_elements(scores, scratch, [](auto score, auto entry) { return where_visible(score, entry != 0.0f); });
  }
  if (keys.all_see(column, key_count)) return;
  const Entry entry = head.entry();
  const TileBand band = entry.band.tile(row, column, entry.kv_length);
  map_indexed(scores, [=](auto score, auto r, auto c) { return where_visible(score, band.visible(r, c)); });
  if (!rule.hides_pairs()) return;
  const int first = static_cast<int>(row), queries = entry.query_length - first,
            left = entry.kv_length - column;
  map_each(scores, [&](float score, int r, int c) {
    const bool hidden = r < queries && c < left && !sees(rule, head.batch, head.head, first + r, column + c);
    return hidden ? kMinusInfinity : score;
  });
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
