// The query heads that share a KV head as one tile of rows, so that a few queries of each fill it and its keys are read
// once: row r is query r / group of the group's head r % group.
#pragma once

#include "src/ops/attention/kernel/mask_entries.h"
#include "src/ops/attention/kernel/score_rule.h"
#include "src/ops/attention/kernel/sight.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// The heads of one KV head of one batch entry, with the words of Head. They have fewer than 2^31 rows.
template <class T>
struct HeadGroup {
  FT_CONSTANT const AttentionParams& p;
  int64_t batch, kv_head;
  int group;  ///< heads of it

  FT_FUNCTION HeadGroup(FT_CONSTANT const AttentionParams& params, int64_t batch_index, int64_t kv_head_index)
      : p(params), batch(batch_index), kv_head(kv_head_index), group(params.query_heads / params.kv_heads) {}

  FT_FUNCTION Entry entry() const { return entry_of(p, batch); }
  FT_FUNCTION int rows() const { return entry().query_length * group; }
  FT_FUNCTION int query_of(int row) const { return row / group; }
  FT_FUNCTION int64_t head_of(int row) const { return kv_head * group + row % group; }

  /// The keys of rows first ... first + count - 1.
  FT_FUNCTION KeyRange keys_of(int64_t first, int count) const {
    const int row = static_cast<int>(first);
    return entry().keys(query_of(row), query_of(row + count - 1));
  }
  template <class Scope, bool kPages, class Stages>
  FT_FUNCTION void load_keys(FT_THREADGROUP Stages& stages, int stage, int64_t row, int end) const {
    shared().template load_keys<Scope, kPages>(stages, stage, row, end);
  }
  template <class Scope, bool kPages, class Stages>
  FT_FUNCTION void load_values(FT_THREADGROUP Stages& stages, int stage, int64_t row, int end) const {
    shared().template load_values<Scope, kPages>(stages, stage, row, end);
  }

  /// Starts loading the queries of rows from `row` on.
  template <class Scope, class Stages>
  FT_FUNCTION void load_queries(FT_THREADGROUP Stages& stages, int64_t row) const {
    const int first = static_cast<int>(row);
    if constexpr (kReadsCodes<T>) {
      if (p.coded_q.given()) {
        return fill_tile<Scope>(
            stages, 0, rows() - first, p.head_dim,
            [=, *this](int r, int column, int count, FT_THREAD auto* to) {
              coded_query_rows(p, batch, head_of(first + r), query_of(first + r)).read(0, column, count, to);
            });
      }
    }
    load_rows_async<Scope>(stages, 0, rows() - first, p.head_dim, [&](int r) {
      return query_rows<T>(p, batch, head_of(first + r), query_of(first + r)).first;
    });
  }

 private:
  FT_FUNCTION Head<T> shared() const { return Head<T>(p, batch, kv_head * group); }
};

template <class T>
FT_FUNCTION QuerySpan span_of(FT_THREAD const HeadGroup<T>& heads, int64_t row, int count) {
  const int first = static_cast<int>(row), end = first + count < heads.rows() ? first + count : heads.rows();
  return {heads.batch, heads.head_of(0), heads.group, heads.query_of(first), heads.query_of(end - 1)};
}

/// apply_rule of walk_tile.h for the rows of a group of heads. Entries of mask tensors are read one by one.
template <class Scores, class T>
FT_FUNCTION void apply_rule(FT_THREAD Scores& scores, FT_THREAD Scores&, FT_THREAD const HeadGroup<T>& heads,
                            FT_THREAD const KeyRange& keys, int64_t row, int column, int key_count) {
  FT_CONSTANT const ScoreRule& rule = heads.p.rule;
  if (rule.work(keys, column, key_count) == ScoreWork::factor) return;
  map_scores(rule, [&](auto score) { map_elements(scores, score); });
  const bool masked = rule.mask.given(), sloped = rule.slopes.given(), hides = rule.hides_pairs();
  if (!masked && !sloped && keys.all_see(column, key_count)) return;
  const int first = static_cast<int>(row), first_query = heads.query_of(first), rows = heads.rows();
  const Entry entry = heads.entry();
  const TileBand band = entry.band.tile(first_query, column, entry.kv_length);
  const float start = static_cast<float>(entry.offset + first_query - column);
  constexpr int kSlots = Scores::get_capacity();
  FT_UNROLL for (int i = 0; i < kSlots; ++i) {
    if (scores.is_valid_element(i)) {
      const auto at = scores.get_multidimensional_index(i);
      const int r = first + at[1], query = heads.query_of(r);
      float score = scores[i];
      if (sloped && r < rows)
        score = with_slope(score, rule.slopes.of(heads.batch, heads.head_of(r)), start,
                           query - first_query - at[0]);
      if (masked && r < rows && column + at[0] < entry.kv_length)
        score = with_entry(score, entry_at(rule.mask, heads.batch, heads.head_of(r), query, column + at[0]));
      if (hides && r < rows && column + at[0] < entry.kv_length &&
          !sees(rule, heads.batch, heads.head_of(r), query, column + at[0]))
        score = kMinusInfinity;
      scores[i] = where_visible(score, band.visible(query - first_query, at[0]));
    }
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
