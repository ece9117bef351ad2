// Attention scheduled for CPUs, in the transposed form: a lane is a query, so that the softmax has no
// horizontal step, K and V are read where they lie, and one panel product serves both matrix products.
//
//   for each block of kKeys keys that the mask lets a panel of queries see:
//     S^T = K Q^T                            (keys, lanes), float32
//     scale and mask S^T where needed
//     P^T = exp2(S^T - maximum), in place;   a maximum that grew much rescales O^T and the sums
//     O^T = O^T + V^T P^T                    (output columns, lanes), float32
//   O = (O^T / sum)^T
//
// Source    Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (tiling).
#pragma once

#include "src/ops/attention/kernel/flash_cpu/panel.h"
#include "src/ops/attention/kernel/flash_cpu/staged_rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Panels of queries that share one reading of each block of keys. More where reading converts the elements, or
/// transposes V for tiles: more queries then share that work.
template <class T>
inline constexpr int kPanels = kTurnsValues<T> ? 4
                               : kWidth >= 64  ? (std::is_same_v<T, float> ? 1 : 4)
                               : kWidth >= 24  ? 2
                                               : 4;

/// Computes one block of queries; its panels and blocks of keys live in the thread's scratch.
template <class T>
class Prefill : PanelTask<T, kWidth> {
 public:
  static CpuSchedule schedule(const AttentionParams& p) {
    const auto run = [](const CpuSchedule& schedule, const CpuTask& task) {
      const panel::Session<typename Element::Step> session;
      Prefill block(schedule, task);
      block.attend(block.first_row(), schedule.tasks.block_rows);
      block.clear_padding();
    };
    return schedule_of<T>("panels", p, tasks_of(p, kPanels<T>, kWidth), scratch_bytes(p), run);
  }
  static std::size_t scratch_bytes(const AttentionParams& p) { return Memory(Scratch(), p).bytes; }
  /// Computes `count` queries from `first` on for another schedule, whose own arithmetic cannot represent their
  /// numbers.
  static void run_some(const CpuSchedule& schedule, const CpuTask& task, std::int64_t first, int count) {
    const panel::Session<typename Element::Step> session;
    constexpr int kMost = kPanels<T> * kWidth;
    for (; count > 0; first += kMost, count -= kMost) Prefill(schedule, task).attend(first, min(count, kMost));
  }

 private:
  using Base = PanelTask<T, kWidth>;
  using Base::entry_;
  using Base::p_;
  using Element = Operand<T>;

  struct Memory {
    Panel panels[kPanels<T>];
    PanelTotals<kWidth> totals[kPanels<T>];
    float* scores;        ///< of a block, and then its weights
    Word *keys, *values;  ///< of a block, where they are not read in place
    StagedRows<T> query_rows, key_rows, value_rows;
    std::size_t bytes;  ///< of it all

    Memory(Scratch scratch, const AttentionParams& p)
        : query_rows(scratch, p.coded_q, {}, kWidth, p.head_dim),
          key_rows(scratch, p.coded_k, p.pages, kKeys, p.head_dim),
          value_rows(scratch, p.coded_v, p.pages, kKeys, p.value_dim) {
      for (int i = 0; i < kPanels<T>; ++i)
        allot(scratch, panels[i], totals[i], steps_of<T>(p.head_dim), p.value_dim, p.kv_length);
      scores = scratch.take<float>(kKeys * kWidth);
      keys = scratch.take<Word>(panel::in_place<T>(p.head_dim) ? 0 : kKeys * staged_key_stride<T>(p.head_dim));
      values = scratch.take<Word>(staged_value_size<T>(p.value_dim));
      bytes = scratch.bytes();
    }
  };

  Prefill(const CpuSchedule& schedule, const CpuTask& task)
      : Base(schedule, task), memory_(Scratch(task.scratch), p_) {}

  /// Rows first ... first + count - 1 of the unit.
  void attend(std::int64_t first, int count) {
    int used = 0, begin = p_.kv_length, end = 0;
    for (; count > 0 && first < this->rows_; first += kWidth, count -= kWidth) {
      start(memory_.panels[used], first, count);
      ranges_[used] = this->keys_of(memory_.panels[used]);
      begin = min(begin, ranges_[used].begin);
      end = max(end, ranges_[used++].end);
    }
    for (int column = begin / kKeys * kKeys; column < end; column += kKeys) {
      const int keys = min(kKeys, end - column);
      if (!p_.rule.hides_pairs() || some_see(used, column, keys)) attend_block(used, column, keys);
      if (const int next = column + kKeys; next < end && ends_chain(column, next)) {
        for (int i = 0; i < used; ++i) memory_.totals[i].add(memory_.panels[i], p_.rule.exponent);
      }
    }
    for (int i = 0; i < used; ++i) {
      memory_.totals[i].finish(memory_.panels[i], p_.rule.exponent);
      this->finish(memory_.panels[i]);
    }
  }

  /// Do segments and the block map leave something of a block to one of the panels? Else it is not read.
  [[gnu::noinline]] bool some_see(int used, int column, int keys) const {
    bool some = false;
    for (int i = 0; i < used && !some; ++i)
      some = seen_by(p_.rule, memory_.panels[i], this->place_.batch, column, keys) != Seen::none;
    return some;
  }

  /// A block of keys against the panels.
  void attend_block(int used, int column, int keys) {
    const std::int64_t batch = this->place_.batch, kv_head = this->place_.kv_head;
    const RightRows k =
        keys_operand(memory_.key_rows.keys(p_, batch, kv_head, column, keys), keys, p_.head_dim, memory_.keys);
    const RightRows v = values_operand(memory_.value_rows.values(p_, batch, kv_head, column, keys), keys,
                                       p_.value_dim, memory_.values);
    for (int i = 0; i < used; ++i) step(memory_.panels[i], ranges_[i], k, v, column, keys);
  }

  void start(Panel& panel, std::int64_t first, int count) {
    Base::start(panel, first, min(count, kWidth));
    const auto query = [&](int lane) {
      return memory_.query_rows.query(p_, this->place_.batch, panel.head[lane], panel.position[lane], lane);
    };
    panel::pack_lines<T, kWidth>(panel.queries, query, panel.count, panel.vectors, p_.head_dim, memory_.keys);
  }

  /// One block of keys against one panel of queries, which sees those of `range`.
  void step(const Panel& panel, const KeyRange& range, RightRows k, RightRows v, int column, int keys) {
    keys = min(keys, range.end - column);
    if (keys <= 0 || column + keys <= range.begin) return;
    const MaskBlock block = classify(p_.rule, panel, this->place_.batch, column, keys);
    if (block == MaskBlock::hidden) return;

    if (range.all_see(column, keys)) {
      multiply_scores(panel, k, 0, keys, {0, panel.vectors});
      if (!p_.rule.is_factor || block == MaskBlock::mixed) apply_rule(panel, column, keys, block);
      softmax(panel, keys);
      multiply_values(panel, v, 0, keys, {0, panel.vectors});
      return;
    }
    // On a diagonal, causal or a window's, kDiagonalKeys keys are multiplied at a time, and registers whose
    // lanes see none of them are left out.
    const Diagonal diagonal(panel, entry_.band, column);
    for (int c = 0; c < keys; c += kDiagonalKeys<T>) {
      const int count = min(kDiagonalKeys<T>, keys - c);
      multiply_scores(panel, k, c, count, diagonal.that_see(c, count));
    }
    apply_rule(panel, column, keys, block);
    softmax(panel, keys);
    for (int c = 0; c < keys; c += kDiagonalKeys<T>) {
      const int count = min(kDiagonalKeys<T>, keys - c);
      multiply_values(panel, v, c, count, diagonal.that_see(c, count));
    }
  }

  void apply_rule(const Panel& panel, int column, int keys, MaskBlock block) {
    flash_cpu::apply_rule<kWidth>(p_.rule, this->entry_, panel, this->place_.batch, column, keys, block,
                                  memory_.scores);
  }

  /// Scores of keys c ... c + count - 1 of the block, for some registers of lanes.
  void multiply_scores(const Panel& panel, RightRows k, int c, int count, Diagonal::Registers registers) {
    const int first = registers.first * kLanes, vectors = registers.end - registers.first;
    float* to = memory_.scores + c * kWidth + first;
    const Word* queries = panel.queries + first;
    using panel::Mode;
    const int head_steps = steps_of<T>(p_.head_dim);
    for (int d = 0; d < head_steps; d += kDepthSteps) {
      const int steps = min(kDepthSteps, head_steps - d);
      const auto rows = k.from(c, d);
      if (d == 0)
        panel::multiply<typename Element::Step, Mode::overwrite>(to, rows, queries, count, steps, vectors);
      else
        panel::multiply<typename Element::Step, Mode::accumulate>(to, rows, queries + d * kWidth, count, steps,
                                                                  vectors);
    }
  }

  void multiply_values(const Panel& panel, RightRows v, int c, int count, Diagonal::Registers registers) {
    constexpr int kPer = Element::kPerStep;
    const int first = registers.first * kLanes, vectors = registers.end - registers.first;
    panel::multiply<typename Element::Step, panel::Mode::accumulate>(
        panel.output + first, v.from(0, c / kPer), panel::words_of(memory_.scores + c / kPer * kWidth + first),
        p_.value_dim, (count + kPer - 1) / kPer, vectors);
  }

  void softmax(const Panel& panel, int keys) {
    panel::with_vectors(panel.vectors, [&](auto v) {
      softmax_step<T, decltype(v)::value>(panel, memory_.scores, keys, p_.rule, p_.value_dim);
    });
  }

  Memory memory_;
  KeyRange ranges_[kPanels<T>];  ///< the keys that each panel sees
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
