// What the prefill schedules of flash.cpu share: how queries become tasks, and what happens to a panel of them
// before its first block of keys and after its last. Called by prefill.h and tiles.h.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/long_sums.h"
#include "src/ops/attention/kernel/flash_cpu/split.h"
#include "src/ops/attention/kernel/flash_cpu/walk.h"
#include "src/ops/attention/kernel/largest.h"
#include "src/ops/common/kernel/cpu/scratch.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Blocks of a unit in all batch entries, as far as shapes say: as many as workspaces are for.
inline std::int64_t blocks_by_shape(const AttentionParams& p, bool side_by_side, int block_rows) {
  const std::int64_t rows = std::int64_t{p.query_length} * (side_by_side ? p.query_heads / p.kv_heads : 1);
  return p.query_starts.given() ? rows / block_rows + p.batch
                                : p.batch * ((rows + block_rows - 1) / block_rows);
}

/// A block is `most_panels` panels of `width` queries of one head, or, when sequences are shorter than that, of
/// the query heads of a group side by side, since these read the same keys. When there are few blocks, they get
/// fewer panels, and are then split by keys as well.
inline CpuTasks tasks_of(const AttentionParams& p, int most_panels, int width) {
  const int group = p.query_heads / p.kv_heads, block_rows = most_panels * width;
  const bool side_by_side = group > 1 && usual_queries(p) < block_rows;
  const std::int64_t rows = std::int64_t{p.longest_query} * (side_by_side ? group : 1),
                     blocks = (rows + block_rows - 1) / block_rows,
                     units = side_by_side ? p.kv_heads : p.query_heads;
  const KeySplits splits = key_splits(p, units * blocks_by_shape(p, side_by_side, block_rows));
  if (most_panels > 1 && splits.count > 1) return tasks_of(p, most_panels / 2, width);
  return {group, block_rows, side_by_side, rows, blocks, units, splits};
}

/// Takes the memory of a panel's sums: `output_rows` rows of output.
template <int Width>
void allot_sums(Scratch& scratch, Panel& panel, int output_rows) {
  panel.output = scratch.take<float>(output_rows * Width);
  panel.output_rows = output_rows;
  for (float** lanes : {&panel.maximum, &panel.sum}) *lanes = scratch.take<float>(Width);
  panel.lse_sum = panel.sum;
}
/// Takes the memory of a panel, with `query_rows` rows of packed queries; and of the sums before the panel's
/// own, where `kv_length` keys are so many that it needs them.
template <int Width>
void allot(Scratch& scratch, Panel& panel, PanelTotals<Width>& totals, int query_rows, int output_rows,
           int kv_length) {
  panel.queries = scratch.take<Word>(query_rows * Width);
  allot_sums<Width>(scratch, panel, output_rows);
  for (std::int32_t** lanes : {&panel.position, &panel.head}) *lanes = scratch.take<std::int32_t>(Width);
  if (kv_length <= kKeysOfChain) return;
  for (Panel* sums : {&totals.chains, &totals.all}) allot_sums<Width>(scratch, *sums, output_rows);
}

/// A task on panels, whose rows are Width floats long: where its rows lie, and the steps at both ends of a
/// panel.
template <class T, int Width>
class PanelTask {
 protected:
  PanelTask(const CpuSchedule& schedule, const CpuTask& task)
      : p_(schedule.params),
        tasks_(schedule.tasks),
        place_(tasks_.place(task.index)),
        entry_(entry_of(p_, place_.batch)),
        rows_(std::int64_t{entry_.query_length} * (tasks_.side_by_side ? tasks_.group : 1)),
        partials_(p_, task.workspace, tasks_.splits.count) {}

  /// Queries of the task's block, some of which may be padding or past the last.
  std::int64_t first_row() const { return place_.block * tasks_.block_rows; }

  /// Writes the results of those of the block's rows that are padding, which is numbered behind all rows of the
  /// unit that are there; once, where several tasks share a block.
  void clear_padding() const {
    if (place_.split != 0) return;
    const std::int64_t of_head = entry_.result_rows - entry_.query_length,
                       end = min(first_row() + tasks_.block_rows, tasks_.rows);
    if (of_head == 0) return;
    for (std::int64_t i = max(first_row(), rows_) - rows_; i < end - rows_; ++i) {
      const std::int64_t head = tasks_.side_by_side ? place_.unit * tasks_.group + i / of_head : place_.unit;
      clear_row<T>(p_, place_.batch, head, entry_.query_length + i % of_head);
    }
  }

  const T* query_at(int head, int position) const {
    return query_rows<T>(p_, place_.batch, head, position).first;
  }

  /// The keys of the task that a panel sees.
  KeyRange keys_of(const Panel& panel) const {
    KeyRange range = entry_.keys(panel.first_position, panel.last_position);
    range.begin = max(range.begin, tasks_.splits.begin(place_.split));
    range.end = min(range.end, tasks_.splits.begin(place_.split + 1));
    range.whole_end = min(range.whole_end, range.end);
    return range;
  }

  /// Assigns queries of the unit, at most `most` from `first` on, to the lanes of a panel, and clears its sums.
  void start(Panel& panel, std::int64_t first, int most = Width, int fewest_vectors = 1) {
    panel.count = static_cast<int>(min<std::int64_t>(most, rows_ - first));
    panel.vectors = max(fewest_vectors, (panel.count + kLanes - 1) / kLanes);
    panel.first_position = p_.query_length;
    panel.last_position = 0;
    const std::int32_t length = entry_.query_length;
    std::int64_t head = tasks_.side_by_side ? place_.unit * tasks_.group + first / length : place_.unit;
    std::int64_t position = tasks_.side_by_side ? first % length : first;
    for (int i = 0; i < panel.vectors * kLanes; ++i) {
      panel.position[i] = static_cast<std::int32_t>(position);
      panel.head[i] = static_cast<std::int32_t>(head);
      panel.first_position = min(panel.first_position, panel.position[i]);
      panel.last_position = max(panel.last_position, panel.position[i]);
      panel.maximum[i] = kLowest;
      panel.sum[i] = panel.lse_sum[i] = 0.0f;
      if (i + 1 >= panel.count) continue;  // unused lanes repeat the last one
      ++position;
      if (position == length) position = 0, ++head;
    }
    std::memset(panel.output, 0, static_cast<std::size_t>(panel.output_rows) * Width * sizeof(float));
  }

  /// Writes O^T / sum to the rows of O, and lse; if keys are split, writes the partial rows of this split.
  void finish(const Panel& panel) {
    for (int first = 0; first < panel.count; first += kLanes) {
      const int end = min(first + kLanes, panel.count);
      if (tasks_.splits.count > 1)
        finish_parts(panel, first, end);
      else
        finish_rows(panel, first, end);
    }
  }
  void finish_parts(const Panel& panel, int first, int end) {
    const auto part = [&](int i) {
      return partials_.row(place_.batch, panel.head[i], panel.position[i], place_.split);
    };
    store_turned<float>(panel, first, 1.0f, [&](int i) { return part(i).output(); });
    for (int i = first; i < end; ++i) {
      part(i).maximum() = panel.maximum[i];
      part(i).sum() = panel.sum[i];
      part(i).lse_sum() = panel.lse_sum[i];
    }
  }
  void finish_rows(const Panel& panel, int first, int end) {
    const std::int64_t batch = place_.batch;
    bool finite = true;
    with_out_type<T>(p_, [&](auto type) {
      using E = typename decltype(type)::type;
      finite = store_turned<E>(panel, first, inverse_of(panel, first), [&](int i) {
        return out_rows<E>(p_, batch, panel.head[i], panel.position[i]).first;
      });
    });
    for (int i = first; i < end; ++i) {
      store_lse(p_, batch, panel.head[i], panel.position[i], panel.maximum[i], panel.lse_sum[i]);
      if (!finite) settle_rows(Head<T>(p_, batch, panel.head[i]), panel.position[i], 1, panel.lse_sum + i);
    }
  }

  /// What the sums of the lanes from `first` on are multiplied with at last. Inlined: a function that returns a
  /// register leaves its upper half in use, which makes the library's other instructions slow.
  [[gnu::always_inline]] floats inverse_of(const Panel& panel, int first) const {
    const SoftmaxState<floats> state{floats::load(panel.maximum + first), floats::load(panel.sum + first)};
    if (!p_.sinks.given()) return state.inverse();
    float sinks[kLanes];
    for (int i = 0; i < kLanes; ++i) sinks[i] = p_.sinks.of(place_.batch, panel.head[first + i]);
    return state.end(p_.rule.unit, floats::load(sinks)).inverse;
  }

  /// Stores O^T * factor, transposed, for the kLanes lanes from `first` on; row(i) is the address of the row of
  /// lane i. Returns whether all that it stored is finite, also as an E.
  template <class E, class RowAddress>
  bool store_turned(const Panel& panel, int first, const floats& factor, RowAddress row) const {
    constexpr int kPer = sizeof(float) / sizeof(E);  // elements that fill a lane
    const int lanes = min(kLanes, panel.count - first);
    bools finite = true;
    for (int d = 0; d < p_.value_dim; d += kPer * kLanes) {
      const int left = p_.value_dim - d;
      const bool whole = left >= kPer * kLanes;
      const auto column = [&](int c) {
        if (!whole && c >= left) return floats(0.0f);
        const floats x = floats::load(panel.output + (d + c) * Width + first) * factor;
        finite = finite & (abs(x) <= floats(kLargestOf<E>));
        return x;
      };
      floats square[kLanes];
      FT_UNROLL for (int i = 0; i < kLanes; ++i) {
        if constexpr (kPer == 1)
          square[i] = column(i);
        else
          square[i] = primitives::pairs_of<E>(column(2 * i), column(2 * i + 1));
      }
      primitives::transpose(square);
      for (int i = 0; i < lanes; ++i) {
        float* to = reinterpret_cast<float*>(row(first + i) + d);
        if (whole)
          square[i].store(to);
        else
          std::memcpy(static_cast<void*>(to), &square[i], static_cast<std::size_t>(left) * sizeof(E));
      }
    }
    return !any(!finite);
  }

  const AttentionParams& p_;
  const CpuTasks& tasks_;
  CpuTasks::Place place_;
  Entry entry_;
  std::int64_t rows_;  ///< queries of the unit that are there
  Partials partials_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
