// Attention for a handful of queries, which is bound by reading K and V: lanes run along the rows of K and V,
// each row is read once for all query heads of its group, and the next rows are prefetched meanwhile.
//
//   for each block of a few KiB of K and of V:
//     S = sums over lanes of K row * Q row   (keys, Rows), float32
//     mask S where needed;  P = exp2(scale S - maximum); a maximum that grew much rescales O and the sums
//     O = O + P V                            (Rows, output columns), float32
//
// Where one query and its output fit in registers, one loop reads K of a block and V of the block
// before. The hardware prefetcher follows these two steady streams better than prefetch
// instructions serve K and V by turns.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/decode_both.h"
#include "src/ops/attention/kernel/flash_cpu/decode_codes.h"
#include "src/ops/attention/kernel/flash_cpu/decode_output.h"
#include "src/ops/attention/kernel/flash_cpu/decode_softmax.h"
#include "src/ops/attention/kernel/flash_cpu/split.h"
#include "src/ops/attention/kernel/flash_cpu/staged_rows.h"
#include "src/ops/attention/kernel/flash_cpu/walk.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Keys that are added up before their sums join the totals.
inline constexpr int kLongestChain = 512;

/// What one task does: some keys of a KV head and up to Rows queries that read them.
template <class T, int Rows>
class DecodeTask : DecodeShape<T, Rows> {
  using Shape = DecodeShape<T, Rows>;
  using Shape::kShared, Shape::kChunk, Shape::kRegisters, Shape::place, Shape::fetch;
  using Sizes = DecodeSizes<T, Rows>;

 public:
  static std::size_t scratch_bytes(const AttentionParams& p) { return Memory(Scratch(), p, Sizes(p)).bytes; }
  static void run(const CpuSchedule& schedule, const CpuTask& task) { DecodeTask(schedule, task).attend(); }

 private:
  struct Memory {
    DecodeScores<T, Rows> scores;
    DecodeSoftmax<T, Rows> softmax;
    DecodeOutput<T, Rows> output;
    DecodeBoth<T, Rows> both;
    DecodeCodes<Rows> codes;
    StagedRows<T> query, keys, values;
    std::size_t bytes;  ///< of it all

    Memory(Scratch scratch, const AttentionParams& p, const Sizes& sizes)
        : scores(scratch, sizes),
          softmax(scratch),
          output(scratch, sizes),
          both(scratch, sizes),
          codes(scratch, p),
          query(scratch, p.coded_q, {}, 1, p.head_dim),
          keys(scratch, p.coded_k, p.pages, sizes.block, p.head_dim),
          values(scratch, p.coded_v, p.pages, sizes.block, p.value_dim),
          bytes(scratch.bytes()) {}
  };

  DecodeTask(const CpuSchedule& schedule, const CpuTask& task)
      : p_(schedule.params),
        sizes_(p_),
        place_(schedule.tasks.place(task.index)),
        splits_(schedule.tasks.splits),
        entry_(entry_of(p_, place_.batch)),
        partials_(p_, task.workspace, splits_.count),
        memory_(Scratch(task.scratch), p_, sizes_) {}

  void attend() {
    const KeyRange range = entry_.keys(0, p_.longest_query - 1);
    const int begin = max(splits_.begin(place_.split), range.begin);
    const int end = min(range.end, splits_.begin(place_.split + 1));
    const auto weigh = [&](int column, int keys) {
      apply_rule(range, column, keys);
      memory_.softmax.step(keys, p_.rule.exponent, p_.rule.is_factor,
                           [&](const float* factors) { memory_.output.rescale(factors); });
    };
    if (!sizes_.together && !p_.coded_k.given()) fetch_block(begin, min(begin + sizes_.ahead, end));
    start();
    int chain = 0;   // keys since the last fold
    int before = 0;  // keys of the block whose values come together with the next block's keys
    for (int column = begin; column < end; column += sizes_.block) {
      const int keys = min(sizes_.block, end - column);
      if (p_.rule.hides_pairs() && is_hidden(column, keys)) {
        if (before > 0) multiply_both(column, 0, before);
        before = 0;
        continue;
      }
      if (p_.pages.given() && !p_.coded_k.given())
        fetch_block(column + sizes_.block, min(column + 2 * sizes_.block, end));
      if (sizes_.together) {
        multiply_both(column, keys, before);
        memory_.both.sum_scores(memory_.softmax.scores(), keys);
        weigh(column, keys);
        before = keys;
      } else {
        const int next = min(sizes_.block, end - column - keys);
        multiply_keys(column, keys, next);
        weigh(column, keys);
        multiply_values(column, keys, next);
      }
      chain += keys;
      if (chain >= kLongestChain) fold(), chain = 0;
    }
    if (before > 0) multiply_both(end, 0, before);
    fold();
    finish();
  }

  int count() const { return p_.longest_query * (p_.query_heads / p_.kv_heads); }
  std::int64_t head_of(int row) const {
    return place_.kv_head * (p_.query_heads / p_.kv_heads) + row / p_.longest_query;
  }
  int position_of(int row) const { return row % p_.longest_query; }
  bool is_padding(int row) const { return position_of(row) >= entry_.query_length; }

  /// `keys` rows from `column` on; coded ones last until the next call.
  RowRun<const T> keys_from(int column, int keys) const {
    return memory_.keys.keys(p_, place_.batch, place_.kv_head, column, keys);
  }
  RowRun<const T> values_from(int column, int keys) const {
    return memory_.values.values(p_, place_.batch, place_.kv_head, column, keys);
  }
  /// Prefetches keys begin ... end - 1. Loops over a block prefetch what lies behind it, which pages do not keep.
  void fetch_block(int begin, int end) const {
    for (int c = begin; c < end; ++c) {
      fetch({key_rows<T>(p_, place_.batch, place_.kv_head, c).first}, 0, p_.head_dim);
      fetch({value_rows<T>(p_, place_.batch, place_.kv_head, c).first}, 0, p_.value_dim);
    }
  }

  /// Do segments or the block map hide a block from all queries of the task?
  [[gnu::noinline]] bool is_hidden(int column, int keys) const {
    const int group = p_.query_heads / p_.kv_heads;
    const QuerySpan queries{place_.batch, place_.kv_head * group, group, 0, entry_.query_length - 1};
    return seen_by(p_.rule, queries, column, column + keys) == Seen::none;
  }

  void start() {
    memory_.scores.start();
    memory_.codes.start();
    for (int r = 0; r < count(); ++r) {
      if (is_padding(r)) continue;
      const T* const row = memory_.query.query(p_, place_.batch, head_of(r), position_of(r), 0);
      memory_.scores.set(r, row);
      if constexpr (kReadsCodes<T>) memory_.codes.set(r, row);
    }
    memory_.softmax.start();
    memory_.output.start();
  }
  /// Adds sums and output to the totals, so that neither is one long chain of additions.
  void fold() {
    memory_.output.fold();
    memory_.softmax.fold();
  }

  /// Scores of `keys` keys from `column` on, behind which `next` are fetched meanwhile.
  void multiply_keys(int column, int keys, int next) {
    float* const scores = memory_.softmax.scores();
    if constexpr (kReadsCodes<T>) {
      if (read_codes(memory_.codes.keys, coded_key_rows, column, keys, next))
        return memory_.codes.score(keys, scores);
    }
    memory_.scores.multiply(keys_from(column, keys), keys, scores);
  }
  /// O += P V of their values.
  void multiply_values(int column, int keys, int next) {
    const float* const weights = memory_.softmax.scores();
    if constexpr (kReadsCodes<T>) {
      if (read_codes(memory_.codes.values, coded_value_rows, column, keys, next))
        return memory_.codes.add_values(keys, weights, memory_.output.first_row(), memory_.output.stride());
    }
    memory_.output.multiply(values_from(column, keys), weights, keys);
  }
  /// Can the codes of these rows be multiplied as they are? Then `block` has them.
  template <class RowsAt>
  bool read_codes(CodedBlock& block, RowsAt rows_at, int column, int keys, int next) const {
    return block.given() &&
           block.read(
               keys, next, [&](int c) { return rows_at(p_, place_.batch, place_.kv_head, column + c); },
               [&](int c, int count) { return adjacent_keys(p_, column + c, count); });
  }

  /// Scores of `keys` keys from `column` on, not yet summed over lanes; O += P V of the `before` keys in front
  /// of them.
  void multiply_both(int column, int keys, int before) {
    memory_.both.multiply(keys_from(column, keys), keys, memory_.scores.query(),
                          values_from(column - before, before), before, memory_.softmax.scores(),
                          memory_.output.first_row());
  }

  /// Applies the rule to the scores of a block; those past its last key become -inf.
  void apply_rule(const KeyRange& range, int column, int keys) {
    if (keys % kChunk == 0 && !p_.rule.hides_pairs() && p_.rule.work(range, column, keys) == ScoreWork::factor)
      return;
    with_bias_type(p_.rule.mask, [&](auto type) { apply_rule<typename decltype(type)::type>(column, keys); });
  }
  /// The same where the bias of the mask tensors has type E.
  template <class E>
  void apply_rule(int column, int keys) {
    const ScoreRule rule = p_.rule;
    const TileBand band = entry_.band.tile(0, column, column + keys);
    const float start = static_cast<float>(entry_.offset - column);
    const ints first_keys = lane_indices() & ints(kChunk - 1);
    for (int j = 0; j < kRegisters; ++j) {
      std::int32_t positions[kLanes];
      for (int i = 0; i < kLanes; ++i) positions[i] = position_of(min(j * kShared + i / kChunk, count() - 1));
      const ints rows = ints::load(positions);
      float slope[kLanes] = {};
      for (int i = 0; rule.slopes.given() && i < kLanes; ++i)
        slope[i] = rule.slopes.of(place_.batch, head_of(min(j * kShared + i / kChunk, count() - 1)));
      for (int c = 0; c < keys; c += kChunk) {
        float* const at = memory_.softmax.scores() + place(c, j * kShared);
        const ints chunk = first_keys + ints(c);
        const Slopes slopes{floats::load(slope), start, rows - chunk};
        kernels::apply_rule(rule, floats::load(at), slopes, entries_of<E>(j, column, c, keys - c),
                            band.visible(rows, chunk))
            .store(at);
      }
    }
  }
  /// The mask tensors' entries of the rows that share register j, for keys c ... of the block, of which `left`
  /// are there.
  template <class E>
  floats entries_of(int j, int column, int c, int left) const {
    float entries[kLanes + kChunk] = {};  // of one row after the other
    if (!p_.rule.mask.given() && !p_.rule.hides_pairs()) return 0.0f;
    for (int r = j * kShared; r < min(count(), (j + 1) * kShared); ++r) {
      if (is_padding(r)) continue;
      const MaskRow<E> row(p_.rule.mask, place_.batch, head_of(r), position_of(r), column);
      const int there = min(kChunk, left);
      floats entry = row(c, there);
      if (p_.rule.hides_pairs()) {
        const PairRow pairs(p_.rule, place_.batch, head_of(r), position_of(r), column);
        entry = where_visible(entry, pairs(c, there));
      }
      entry.store(entries + r % kShared * kChunk);
    }
    return floats::load(entries);
  }

  void finish() {
    memory_.softmax.finish();
    for (int r = 0; r < count(); ++r) {
      if (!is_padding(r))
        finish(r);
      else if (place_.split == 0 && position_of(r) < entry_.result_rows)
        clear_row<T>(p_, place_.batch, head_of(r), position_of(r));
    }
  }
  /// Writes a row and its lse; if keys are split, this split's part of them.
  void finish(int r) {
    const std::int64_t batch = place_.batch, head = head_of(r), position = position_of(r);
    const float* row = memory_.output.total(r);
    const float maximum = memory_.softmax.maximum(r), sum = memory_.softmax.sum(r);
    if (splits_.count > 1) {
      const PartialRow part = partials_.row(batch, head, position, place_.split);
      part.maximum() = maximum;
      part.sum() = part.lse_sum() = sum;
      for (int d = 0; d < p_.value_dim; d += kLanes) floats::load(row + d).store(part.output() + d);
      return;
    }
    const floats inverse = row_end(p_, batch, head, SoftmaxState<float>{maximum, sum}).inverse;
    store_row<T>(p_, batch, head, position, [&](int d) { return floats::load(row + d) * inverse; });
    store_lse(p_, batch, head, position, maximum, sum);
    settle_rows(Head<T>(p_, batch, head), position, 1, &sum);
  }

  const AttentionParams& p_;
  Sizes sizes_;
  CpuTasks::Place place_;
  const KeySplits& splits_;
  Entry entry_;
  Partials partials_;
  Memory memory_;
};

/// The schedule: each task is a DecodeTask of the smallest Rows that holds the queries of a group.
template <class T>
class Decode {
 public:
  static bool suits(const AttentionParams& p) { return p.longest_query > 0 && rows_of(p) <= kDecodeRows; }
  static CpuSchedule schedule(const AttentionParams& p) {
    const std::int64_t rows = rows_of(p);
    return rows == 1   ? schedule_for<1>(p)
           : rows == 2 ? schedule_for<2>(p)
           : rows <= 4 ? schedule_for<4>(p)
                       : schedule_for<kDecodeRows>(p);
  }

 private:
  static constexpr int kLongestSum = 1 << 16;  ///< keys

  static std::int64_t rows_of(const AttentionParams& p) {
    return std::int64_t{p.longest_query} * (p.query_heads / p.kv_heads);
  }
  template <int Rows>
  static CpuSchedule schedule_for(const AttentionParams& p) {
    const KeySplits splits = key_splits(p, std::int64_t{p.batch} * p.kv_heads, kLongestSum);
    const CpuTasks tasks{p.query_heads / p.kv_heads, Rows, true, rows_of(p), 1, p.kv_heads, splits};
    return schedule_of<T>("decode", p, tasks, DecodeTask<T, Rows>::scratch_bytes(p), DecodeTask<T, Rows>::run);
  }
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
