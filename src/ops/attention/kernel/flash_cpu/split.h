// Splitting the keys of a problem with few queries over tasks, and the exact merge of the parts.
//
// The splits depend on the problem alone and parts are merged in order, so that neither the number of threads
// nor their timing changes a bit of the result.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/operands.h"
#include "src/ops/attention/kernel/flash_cpu/schedule.h"
#include "src/ops/attention/kernel/settle_rows_cpu.h"
#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

inline constexpr int kEnoughTasks = 64;  ///< tasks to aim for, so that this many threads are busy
inline constexpr int kSplitKeys = 512;   ///< fewer keys are not worth a part of their own

/// How many queries an entry has, as far as shapes say.
FT_FUNCTION int usual_queries(const AttentionParams& p) {
  return p.query_starts.given() && p.batch > 0 ? p.query_length / p.batch : p.query_length;
}

/// The keys that a query of any entry may see.
FT_FUNCTION KeyRange keys_of_all(const AttentionParams& p) {
  if (p.query_offsets.given() || p.ends_together) return {0, 0, p.kv_length, p.kv_length};
  return p.band.keys(0, max(0, p.query_length - 1), p.kv_length);
}

/// The keys in parts for `tasks` tasks that would otherwise look at all of them; `longest`: the most keys of a
/// part, since sums of more are not exact enough.
inline KeySplits key_splits(const AttentionParams& p, std::int64_t tasks, int longest = 1 << 30) {
  const std::int64_t wanted =
      tasks >= kEnoughTasks ? 1 : (kEnoughTasks + tasks - 1) / max<std::int64_t>(tasks, 1);
  const KeyRange seen = keys_of_all(p);
  const int first = seen.begin / kKeys * kKeys, length = seen.end - first;
  const int most = max(1, length / kSplitKeys);
  const int parts = max(static_cast<int>(min<std::int64_t>(wanted, most)), length / longest);
  const int keys = max(kKeys, rounded_up((length + parts - 1) / parts, kKeys));
  return {max(1, (length + keys - 1) / keys), keys, first};
}

/// One query's result over one split, not yet divided by the sum: maximum, sum, the sum that lse is
/// computed from, then output columns.
struct PartialRow {
  static constexpr int kHeader = 16;  ///< floats; keeps columns on a cache line of their own
  float* data;

  float& maximum() const { return data[0]; }
  float& sum() const { return data[1]; }
  float& lse_sum() const { return data[2]; }
  float& factor() const { return data[3]; }  ///< of the merge, for sums and output
  float* output() const { return data + kHeader; }
};

/// All partial rows of a call, at the start of its workspace; none where keys are not split.
class Partials {
 public:
  Partials(const AttentionParams& p, std::byte* workspace, int splits)
      : p_(p),
        data_(reinterpret_cast<float*>(workspace)),
        splits_(splits),
        stride_(PartialRow::kHeader + rounded_up(p.value_dim, 16)) {}

  static std::size_t bytes(const AttentionParams& p, int splits) {
    const Partials rows(p, nullptr, splits);
    if (splits == 1) return 0;
    const std::int64_t entries = p.query_starts.given() ? 1 : p.batch;
    return static_cast<std::size_t>(entries * p.query_heads * p.query_length) *
           static_cast<std::size_t>(splits) * static_cast<std::size_t>(rows.stride_) * sizeof(float);
  }
  PartialRow row(std::int64_t batch, std::int64_t head, std::int64_t position, int split) const {
    const std::int64_t entry = p_.query_starts.given() ? 0 : batch;
    const std::int64_t query = (entry * p_.query_heads + head) * p_.query_length +
                               first_row(p_.query_starts, batch, p_.query_length) + position;
    return {data_ + (query * splits_ + split) * stride_};
  }

 private:
  const AttentionParams& p_;
  float* data_;
  int splits_, stride_;
};

FT_FUNCTION void store_lse(const AttentionParams& p, std::int64_t batch, std::int64_t head,
                           std::int64_t position, float maximum, float sum) {
  if (p.lse != nullptr)
    lse_of(p, batch, head, position) = row_end(p, batch, head, SoftmaxState<float>{maximum, sum}).lse;
}

/// The results of a row that is padding.
template <class T>
FT_FUNCTION void clear_row(const AttentionParams& p, std::int64_t batch, std::int64_t head,
                           std::int64_t position) {
  clear_out<T>(p, batch, head, position);
  if (p.lse != nullptr) lse_of(p, batch, head, position) = kMinusInfinity;
}

/// Writes a row of the output: values(d) are those from column d on.
template <class T, class F>
FT_FUNCTION void store_row(const AttentionParams& p, std::int64_t batch, std::int64_t head,
                           std::int64_t position, const F& values) {
  with_out_type<T>(p, [&](auto type) {
    using E = typename decltype(type)::type;
    E* const out = out_rows<E>(p, batch, head, position).first;
    for (int d = 0; d < p.value_dim; d += kLanes) store_some(out + d, values(d), p.value_dim - d);
  });
}

/// The sum of f(begin) ... f(end - 1) as a tree, so that its error grows with the logarithm of their number.
template <class F>
auto tree_sum(int begin, int end, const F& f) -> decltype(f(begin)) {
  if (end - begin <= 8) {
    auto sum = f(begin);
    for (int i = begin + 1; i < end; ++i) sum = sum + f(i);
    return sum;
  }
  const int middle = begin + (end - begin) / 2;
  return tree_sum(begin, middle, f) + tree_sum(middle, end, f);
}

/// Merges one query's parts; writes its row of the output and its lse. Padding has no parts, and is written
/// already.
template <class T>
FT_FUNCTION void merge_row(const AttentionParams& p, const Partials& partials, int splits, std::int64_t batch,
                           std::int64_t head, std::int64_t position) {
  if (position >= entry_of(p, batch).query_length) return;
  const auto part = [&](int s) { return partials.row(batch, head, position, s); };
  float top = kLowest;
  for (int s = 0; s < splits; ++s) top = max(part(s).maximum(), top);
  for (int s = 0; s < splits; ++s) {
    const PartialRow row = part(s);
    row.factor() = SoftmaxState<float>{row.maximum(), row.sum()}.correction(top, p.rule.exponent);
  }
  const float sum = tree_sum(0, splits, [&](int s) { return part(s).sum() * part(s).factor(); });
  const float lse_sum = tree_sum(0, splits, [&](int s) { return part(s).lse_sum() * part(s).factor(); });
  const floats inverse = row_end(p, batch, head, SoftmaxState<float>{top, sum}).inverse;
  store_row<T>(p, batch, head, position, [&](int d) {
    const auto value = [&](int s) { return floats::load(part(s).output() + d) * floats(part(s).factor()); };
    return tree_sum(0, splits, value) * inverse;
  });
  store_lse(p, batch, head, position, top, lse_sum);
  settle_rows(Head<T>(p, batch, head), position, 1, &lse_sum);
}

/// The stage that merges, which has no tasks where keys are not split.
template <class T>
CpuStage merge_stage(const AttentionParams& p, const KeySplits& splits) {
  if (splits.count == 1) return {};
  const auto run = [](const CpuSchedule& schedule, const CpuTask& task) {
    const AttentionParams& params = schedule.params;
    const int parts = schedule.tasks.splits.count;
    const std::int64_t length = params.longest_query, head = task.index / length;
    merge_row<T>(params, Partials(params, task.workspace, parts), parts, head / params.query_heads,
                 head % params.query_heads, task.index % length);
  };
  return {std::int64_t{p.query_heads / p.kv_heads} * p.longest_query, run};
}

/// A schedule that needs no more than its tasks and the merge.
template <class T>
CpuSchedule schedule_of(const char* name, const AttentionParams& p, const CpuTasks& tasks,
                        std::size_t scratch_bytes, void (*run)(const CpuSchedule&, const CpuTask&)) {
  const std::int64_t heads = max<std::int64_t>(1, std::int64_t{p.batch} * p.kv_heads);
  return {name,
          p,
          tasks,
          heads,
          heads,
          Partials::bytes(p, tasks.splits.count),
          scratch_bytes,
          {},
          {tasks.of_head(), run},
          merge_stage<T>(p, tasks.splits)};
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
