// Which pairs of query and key segments and block maps leave, in every kernel of every backend: of one pair, of a tile, and
// the keys of a tile of queries as runs that are seen alike. What they hide costs no product.
#pragma once

#include "src/ops/attention/kernel/rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// What queries see of keys: none of them, each all of them, or something in between.
enum class Seen : int { none, some, all };

FT_FUNCTION bool is_open(FT_CONSTANT const BlockMap& map, int64_t batch, int64_t head, int q_block,
                         int kv_block) {
  return map.data[batch * map.strides.batch + head * map.strides.head + q_block * map.strides.row +
                  kv_block * map.column] != 0;
}

/// Does a query see a key, as far as these two say?
FT_FUNCTION bool sees(FT_CONSTANT const ScoreRule& rule, int64_t batch, int64_t head, int row, int column) {
  if (rule.segments.given() && rule.segments.q.of(batch)[row] != rule.segments.kv.of(batch)[column])
    return false;
  return !rule.blocks.given() ||
         is_open(rule.blocks, batch, head, row / rule.blocks.q_block, column / rule.blocks.kv_block);
}

/// Queries first ... last of `heads` heads from `head` on.
struct QuerySpan {
  int64_t batch, head;
  int heads, first, last;
};
template <class T>
FT_FUNCTION QuerySpan span_of(FT_THREAD const Head<T>& head, int64_t row, int count) {
  const int64_t end = row + count < head.rows() ? row + count : head.rows();
  return {head.batch, head.head, 1, static_cast<int>(row), static_cast<int>(end) - 1};
}

FT_FUNCTION Seen seen_by_ids(FT_CONSTANT const Segments& segments, FT_THREAD const QuerySpan& queries,
                             int column, int end) {
  const int_range q =
      simd_range_of(segments.q.of(queries.batch) + queries.first, queries.last - queries.first + 1);
  const int_range kv = simd_range_of(segments.kv.of(queries.batch) + column, end - column);
  if (q.most < kv.least || kv.most < q.least) return Seen::none;
  return q.least == q.most && kv.least == kv.most ? Seen::all : Seen::some;
}

FT_FUNCTION Seen seen_by_blocks(FT_CONSTANT const BlockMap& map, FT_THREAD const QuerySpan& queries, int column,
                                int end) {
  bool any = false, all = true;
  for (int h = 0; h < queries.heads; ++h) {
    for (int i = queries.first / map.q_block; i <= queries.last / map.q_block; ++i) {
      for (int j = column / map.kv_block; j <= (end - 1) / map.kv_block; ++j) {
        const bool open = is_open(map, queries.batch, queries.head + h, i, j);
        any = any || open;
        all = all && open;
        if (any && !all) return Seen::some;
      }
    }
  }
  return all ? Seen::all : Seen::none;
}

/// What queries, of which there is one, see of keys column ... end - 1, of which there is one.
FT_FUNCTION Seen seen_by(FT_CONSTANT const ScoreRule& rule, FT_THREAD const QuerySpan& queries, int column,
                         int end) {
  const Seen ids = rule.segments.given() ? seen_by_ids(rule.segments, queries, column, end) : Seen::all;
  if (ids == Seen::none || !rule.blocks.given()) return ids;
  const Seen blocks = seen_by_blocks(rule.blocks, queries, column, end);
  return blocks == Seen::all ? ids : blocks;
}

/// The first run of whole tiles of `size` keys, in `keys`, that the queries see something of: all of it, or none of its
/// tiles wholly. Empty where there is no more. `keys` is what the band leaves.
FT_FUNCTION KeyRange next_run(FT_CONSTANT const ScoreRule& rule, FT_THREAD const QuerySpan& queries,
                              FT_THREAD const KeyRange& keys, int size) {
  const auto seen = [&](int column) {
    return seen_by(rule, queries, column, column + size < keys.end ? column + size : keys.end);
  };
  KeyRange run = keys;
  if (queries.last < queries.first) run.begin = keys.end;
  Seen kind = Seen::none;
  while (run.begin < keys.end && (kind = seen(run.begin)) == Seen::none) run.begin += size;
  if (run.begin >= keys.end) return {keys.end, keys.end, keys.end, keys.end};
  run.end = run.begin + size;
  while (run.end < keys.end && seen(run.end) == kind) run.end += size;
  if (run.end > keys.end) run.end = keys.end;
  if (run.whole_end > run.end) run.whole_end = run.end;
  if (kind == Seen::some) run.whole_begin = run.whole_end = run.begin;
  return run;
}

/// The same where nothing hides pairs: `keys`.
template <class Rows>
FT_FUNCTION KeyRange run_of(FT_THREAD const Rows& rows, FT_THREAD const KeyRange& keys, int64_t row, int count,
                            int size) {
  FT_CONSTANT const ScoreRule& rule = rows.p.rule;
  if (!rule.hides_pairs()) return keys;
  return next_run(rule, span_of(rows, row, count), keys, size);
}

/// attend(run) for the runs of `keys` that rows row ... row + count - 1 see something of, one after another. Where there are
/// several, all simdgroups of the scope are done with one before the next.
template <class Scope, class Rows, class F>
FT_FUNCTION void for_each_run(FT_THREAD const Rows& rows, FT_THREAD const KeyRange& keys, int64_t row,
                              int count, int size, F attend) {
  for (int from = keys.begin;;) {
    const KeyRange rest{from, keys.whole_begin, keys.whole_end, keys.end};
    const KeyRange run = run_of(rows, rest, row, count, size);
    if (run.begin >= run.end) return;
    if (rows.p.rule.hides_pairs()) wait_tiles<Scope, 0>();
    attend(run);
    from = run.end;
  }
}

/// Keys of which none counts as seen by all, for who looks at scores whatever they are.
FT_FUNCTION KeyRange seen_one_by_one(FT_CONSTANT const ScoreRule& rule, KeyRange keys) {
  if (rule.hides_pairs()) keys.whole_begin = keys.whole_end = keys.begin;
  return keys;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
