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
  static KeySplits splits(const AttentionParams& p) { return Tasks(p, kPanels<T>, kWidth).splits; }
  static std::int64_t tasks(const AttentionParams& p) { return Tasks(p, kPanels<T>, kWidth).count(p); }
  static std::size_t scratch_bytes(const AttentionParams& p) { return Prefill(p, nullptr, nullptr).used_; }
  static void run(const AttentionParams& p, void* workspace, std::int64_t task, void* scratch) {
    Prefill(p, workspace, scratch).attend(task);
  }
  /// Computes `count` queries from `first` on for another schedule, whose own arithmetic
  /// cannot represent their numbers.
  static void run_some(const AttentionParams& p, void* workspace, const Tasks& tasks, const Tasks::Place& place,
                       std::int64_t first, int count, void* scratch) {
    const panel::Session<typename Element::Step> session;
    constexpr int kMost = kPanels<T> * kWidth;
    for (; count > 0; first += kMost, count -= kMost)
      Prefill(p, workspace, scratch).attend(tasks, place, first, min(count, kMost));
  }

 private:
  using Base = PanelTask<T, kWidth>;
  using Base::batch_;
  using Base::entry_;
  using Base::keys_of;
  using Base::kv_head_;
  using Base::p_;
  using Element = Operand<T>;

  Prefill(const AttentionParams& p, void* workspace, void* scratch)
      : Base(p, workspace, scratch), head_steps_(steps_of<T>(p.head_dim)) {
    for (int i = 0; i < kPanels<T>; ++i) this->allot(panels_[i], totals_[i], head_steps_, p.value_dim);
    scores_ = this->template take<float>(kKeys * kWidth);
    staged_keys_ = this->template take<float>(
        panel::in_place<T>(p.head_dim) ? 0 : kKeys * staged_key_stride<T>(p.head_dim));
    staged_values_ = this->template take<float>(staged_value_size<T>(p.value_dim));
  }

  void attend(std::int64_t task) {
    const panel::Session<typename Element::Step> session;
    const Tasks tasks(p_, kPanels<T>, kWidth);
    const Tasks::Place place = tasks.place(task);
    const int count = tasks.panels * kWidth;
    attend(tasks, place, place.block * count, count);
    if (place.split == 0) this->clear_padding(tasks, place, place.block * count, count);
  }
  void attend(const Tasks& tasks, const Tasks::Place& place, std::int64_t first, int count) {
    this->go_to(tasks, place);
    int used = 0, begin = p_.kv_length, end = 0;
    for (; count > 0 && first < this->rows_; first += kWidth, count -= kWidth) {
      Panel& panel = panels_[used++];
      start(panel, tasks, place.unit, first, count);
      const KeyRange range = keys_of(panel);
      begin = min(begin, range.begin);
      end = max(end, range.end);
    }
    begin = max(begin / kKeys * kKeys, tasks.splits.begin(place.split));
    end = min(end, tasks.splits.begin(place.split + 1));
    for (int column = begin; column < end; column += kKeys) {
      const int keys = min(kKeys, end - column);
      const RightRows k = keys_operand(this->keys_at(column), keys, p_.head_dim, staged_keys_);
      const RightRows v = values_operand(this->values_at(column), keys, p_.value_dim, staged_values_);
      for (int i = 0; i < used; ++i) step(panels_[i], k, v, column, keys);
      if (const int next = column + kKeys; next < end && ends_chain(column, next)) {
        for (int i = 0; i < used; ++i) totals_[i].add(panels_[i], p_.rule.exponent);
      }
    }
    const int splits = tasks.splits.count;
    for (int i = 0; i < used; ++i) {
      totals_[i].finish(panels_[i], p_.rule.exponent);
      this->finish(panels_[i], Partials(p_, this->workspace_, splits), splits, place.split);
    }
  }

  void start(Panel& panel, const Tasks& tasks, std::int64_t unit, std::int64_t first, int count) {
    Base::start(panel, tasks, unit, first, min(count, kWidth));
    const auto query = [&](int lane) { return this->query_at(panel.head[lane], panel.position[lane]); };
    panel::pack_lines<T, kWidth>(panel.queries, query, panel.count, panel.vectors, p_.head_dim, staged_keys_);
  }

  /// One block of keys against one panel of queries.
  void step(const Panel& panel, RightRows k, RightRows v, int column, int keys) {
    const KeyRange range = keys_of(panel);
    keys = min(keys, range.end - column);
    if (keys <= 0 || column + keys <= range.begin) return;
    const MaskBlock block = classify(p_.rule.mask, panel, batch_, column, keys);
    if (block == MaskBlock::hidden) return;

    if (range.all_see(column, keys)) {
      multiply_scores(panel, k, 0, keys, {0, panel.vectors});
      if (!p_.rule.is_factor || block == MaskBlock::mixed) apply_rule(panel, column, keys, block);
      softmax(panel, keys);
      multiply_values(panel, v, 0, keys, {0, panel.vectors});
      return;
    }
    // On a diagonal, causal or a window's, kDiagonalKeys keys are multiplied at a time, and registers whose lanes
    // see none of them are left out.
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
    flash_cpu::apply_rule<kWidth>(p_.rule, entry_, panel, batch_, column, keys, block, scores_);
  }

  /// Scores of keys c ... c + count - 1 of the block, for some registers of lanes.
  void multiply_scores(const Panel& panel, RightRows k, int c, int count, Diagonal::Registers registers) {
    const int first = registers.first * kLanes, vectors = registers.end - registers.first;
    float* to = scores_ + c * kWidth + first;
    const float* queries = panel.queries + first;
    using panel::Mode;
    for (int d = 0; d < head_steps_; d += kDepthSteps) {
      const int steps = min(kDepthSteps, head_steps_ - d);
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
        panel.output + first, v.from(0, c / kPer), scores_ + c / kPer * kWidth + first, p_.value_dim,
        (count + kPer - 1) / kPer, vectors);
  }

  void softmax(const Panel& panel, int keys) {
    panel::with_vectors(panel.vectors, [&](auto v) {
      softmax_step<T, decltype(v)::value>(panel, scores_, keys, p_.rule, p_.value_dim);
    });
  }

  int head_steps_;
  Panel panels_[kPanels<T>];
  PanelTotals<kWidth> totals_[kPanels<T>];
  float *scores_, *staged_keys_, *staged_values_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
