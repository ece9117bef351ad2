// What the prefill schedules of flash.cpu share: how queries become tasks, and what happens to a panel of them
// before its first block of keys and after its last. Called by prefill.h and tiles.h.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/long_sums.h"
#include "src/ops/attention/kernel/flash_cpu/split.h"
#include "src/ops/attention/kernel/flash_cpu/walk.h"
#include "src/ops/attention/kernel/largest.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// How a problem is divided into tasks. A block is some panels of queries of one head, or, when sequences are
/// shorter than a block, of the query heads of a group side by side, since these read the same keys. When there
/// are few blocks, they get fewer panels, and are then split by keys as well.
struct Tasks {
  int group;   ///< query heads of a KV head
  int panels;  ///< of a block
  bool side_by_side;
  std::int64_t rows;    ///< queries of one unit: a head, or a group side by side
  std::int64_t blocks;  ///< of one unit
  std::int64_t units;   ///< in a batch entry
  KeySplits splits;

  /// Panels of `width` lanes.
  Tasks(const AttentionParams& p, int most_panels, int width)
      : group(p.query_heads / p.kv_heads),
        panels(most_panels),
        side_by_side(group > 1 && usual_queries(p) < panels * width),
        rows(std::int64_t{p.longest_query} * (side_by_side ? group : 1)),
        blocks((rows + panels * width - 1) / (panels * width)),
        units(side_by_side ? p.kv_heads : p.query_heads),
        splits(p, units * blocks_by_shape(p, panels * width)) {
    if (panels > 1 && splits.count > 1) *this = Tasks(p, panels / 2, width);
  }

  /// Blocks of a unit in all batch entries, as far as shapes say: as many as workspaces are for.
  std::int64_t blocks_by_shape(const AttentionParams& p, int block) const {
    const std::int64_t all = std::int64_t{p.query_length} * (side_by_side ? group : 1);
    return p.query_starts.given() ? all / block + p.batch : p.batch * ((all + block - 1) / block);
  }
  /// Those of its queries that are there in a batch entry.
  std::int64_t rows_of(const Entry& entry) const {
    return std::int64_t{entry.query_length} * (side_by_side ? group : 1);
  }
  std::int64_t count(const AttentionParams& p) const { return p.batch * units * blocks * splits.count; }

  /// What a task is about. Blocks run backwards: under a causal mask the longest come first.
  struct Place {
    int split;
    std::int64_t block, unit, batch, kv_head;
  };
  Place place(std::int64_t task) const {
    const std::int64_t unit = task / splits.count / blocks % units;
    return {static_cast<int>(task % splits.count), blocks - 1 - task / splits.count % blocks, unit,
            task / splits.count / blocks / units, side_by_side ? unit : unit / group};
  }
};

/// A call's memory and the steps at both ends of a panel, whose rows are Width floats long.
template <class T, int Width>
class PanelTask {
 protected:
  PanelTask(const AttentionParams& p, void* workspace, void* scratch)
      : p_(p), workspace_(workspace), memory_(static_cast<char*>(scratch)) {}

  /// The next `count` elements of scratch, from a cache line on.
  template <class E>
  E* take(int count) {
    E* here = reinterpret_cast<E*>(memory_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(E) + 63) / 64 * 64;
    return here;
  }

  /// Takes the memory of a panel: `query_rows` rows of packed queries, `output_rows` rows of output; and of the
  /// sums before the panel's own, where keys are so many that it needs them.
  void allot(Panel& panel, PanelTotals<Width>& totals, int query_rows, int output_rows) {
    panel.queries = take<float>(query_rows * Width);
    allot_sums(panel, output_rows);
    for (std::int32_t** lanes : {&panel.position, &panel.head}) *lanes = take<std::int32_t>(Width);
    if (p_.kv_length <= kKeysOfChain) return;
    for (Panel* sums : {&totals.chains, &totals.all}) allot_sums(*sums, output_rows);
  }
  void allot_sums(Panel& panel, int output_rows) {
    panel.output = take<float>(output_rows * Width);
    panel.output_rows = output_rows;
    for (float** lanes : {&panel.maximum, &panel.sum}) *lanes = take<float>(Width);
    panel.lse_sum = panel.sum;
  }

  /// Goes to the batch entry and the KV head of a task.
  void go_to(const Tasks& tasks, const Tasks::Place& place) {
    batch_ = place.batch;
    kv_head_ = place.kv_head;
    entry_ = entry_of(p_, batch_);
    rows_ = tasks.rows_of(entry_);
  }
  /// Writes the results of those of a block's rows that are padding: of `count` rows from `first` on. Padding is
  /// numbered behind all rows of the unit that are there.
  void clear_padding(const Tasks& tasks, const Tasks::Place& place, std::int64_t first,
                     std::int64_t count) const {
    const std::int64_t of_head = entry_.result_rows - entry_.query_length, end = min(first + count, tasks.rows);
    if (of_head == 0) return;
    for (std::int64_t i = max(first, rows_) - rows_; i < end - rows_; ++i) {
      const std::int64_t head = tasks.side_by_side ? place.unit * tasks.group + i / of_head : place.unit;
      clear_row<T>(p_, batch_, head, entry_.query_length + i % of_head);
    }
  }

  RowRun<const T> keys_at(int column) const { return key_rows<T>(p_, batch_, kv_head_, column); }
  RowRun<const T> values_at(int column) const { return value_rows<T>(p_, batch_, kv_head_, column); }
  KeyRange keys_of(const Panel& panel) const { return entry_.keys(panel.first_position, panel.last_position); }

  /// Assigns queries of the unit, at most `most` from `first` on, to the lanes of a panel, and clears its sums.
  void start(Panel& panel, const Tasks& tasks, std::int64_t unit, std::int64_t first, int most = Width,
             int fewest_vectors = 1) {
    panel.count = static_cast<int>(min<std::int64_t>(most, rows_ - first));
    panel.vectors = max(fewest_vectors, (panel.count + kLanes - 1) / kLanes);
    panel.first_position = p_.query_length;
    panel.last_position = 0;
    const std::int32_t length = entry_.query_length;
    std::int64_t head = tasks.side_by_side ? unit * tasks.group + first / length : unit;
    std::int64_t position = tasks.side_by_side ? first % length : first;
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

  const T* query_at(int head, int position) const { return query_rows<T>(p_, batch_, head, position).first; }

  /// Writes O^T / sum to the rows of O, and lse; if keys are split, writes this split's
  /// partial rows to the workspace.
  void finish(const Panel& panel, const Partials& partials, int splits, int split) {
    for (int first = 0; first < panel.count; first += kLanes) {
      const int end = min(first + kLanes, panel.count);
      if (splits > 1) {
        store_turned<float>(panel, first, 1.0f, [&](int i) {
          return partials.row(batch_, panel.head[i], panel.position[i], split).output();
        });
        for (int i = first; i < end; ++i) {
          const PartialRow part = partials.row(batch_, panel.head[i], panel.position[i], split);
          part.maximum() = panel.maximum[i];
          part.sum() = panel.sum[i];
          part.lse_sum() = panel.lse_sum[i];
        }
        continue;
      }
      bool finite = true;
      with_out_type<T>(p_, [&](auto type) {
        using E = typename decltype(type)::type;
        finite = store_turned<E>(panel, first, inverse_of(panel, first), [&](int i) {
          return out_rows<E>(p_, batch_, panel.head[i], panel.position[i]).first;
        });
      });
      for (int i = first; i < end; ++i) {
        store_lse(p_, batch_, panel.head[i], panel.position[i], panel.maximum[i], panel.lse_sum[i]);
        if (!finite) settle_rows(Head<T>(p_, batch_, panel.head[i]), panel.position[i], 1, panel.lse_sum + i);
      }
    }
  }

  /// What the sums of the lanes from `first` on are multiplied with at last.
  floats inverse_of(const Panel& panel, int first) const {
    const SoftmaxState<floats> state{floats::load(panel.maximum + first), floats::load(panel.sum + first)};
    if (!p_.sinks.given()) return state.inverse();
    float sinks[kLanes];
    for (int i = 0; i < kLanes; ++i) sinks[i] = p_.sinks.of(batch_, panel.head[first + i]);
    return state.end(p_.rule.unit, floats::load(sinks)).inverse;
  }

  /// Stores O^T * factor, transposed, for the kLanes lanes from `first` on; row(i) is the address of the row of lane i.
  /// Returns whether all that it stored is finite, also as an E.
  template <class E, class RowAddress>
  bool store_turned(const Panel& panel, int first, floats factor, RowAddress row) const {
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
          square[i] = primitives::detail::pairs_of<E>(column(2 * i), column(2 * i + 1));
      }
      primitives::detail::transpose(square);
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
  void* workspace_;
  char* memory_;
  std::size_t used_ = 0;
  std::int64_t batch_ = 0, kv_head_ = 0;
  Entry entry_{};
  std::int64_t rows_ = 0;  ///< queries of a unit that are there
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
