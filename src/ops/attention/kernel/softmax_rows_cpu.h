// The softmax pass of unfused attention on a CPU: masks the stored scores of one head row by row and turns them
// into weights, in place, in the element type of V. Called by the way `unfused`, which runs a matrix product
// before and after.
//
//   for each row: s = masked s;  m = max(s);  s = exp(s - m);  weights = s / sum(s)
#pragma once

#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/attention/kernel/walk_cpu.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionSoftmaxRows {
  using Params = AttentionParams;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static constexpr int kQ = 8;  // rows of one threadgroup

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    for (int64_t row = at.x * kQ; row < p.query_length && row < (at.x + 1) * kQ; ++row) softmax(p, row);
  }

 private:
  /// Scores arrive as q·k, with room for whole vectors behind each row.
  static FT_FUNCTION void softmax(FT_CONSTANT const Params& p, int64_t row) {
    FT_DEVICE float* scores = p.scores + row * p.scores_stride;
    const Entry entry = entry_of(p, 0);
    const KeyRange keys = seen_one_by_one(p.rule, entry.keys(row, row));
    const int begin = keys.begin / kLanes * kLanes, end = (keys.end + kLanes - 1) / kLanes * kLanes;
    const SoftmaxState<float> state =
        weigh(p.rule, scores, begin, end, top_of(p, entry, row, scores, keys, begin, end));
    // Weights never overtake the scores that are still to be read: an element is not larger than a float.
    FT_DEVICE T* weights = reinterpret_cast<FT_DEVICE T*>(scores);
    const RowEnd<float> ending = row_end(p, 0, 0, state);
    const floats inverse = ending.inverse * p.weights_scale;
    for (int c = 0; c < begin; ++c) weights[c] = T(0.0f);
    for (int c = begin; c < end; c += kLanes)
      primitives::store_lanes<float>(weights + c, floats::load(scores + c) * inverse);
    for (int c = end; c < p.kv_length; ++c) weights[c] = T(0.0f);
    if (p.lse != nullptr) lse_of(p, 0, 0, row) = ending.lse;
  }

  /// Applies the rule to scores begin ... end - 1 of a row, and returns their maximum.
  static FT_FUNCTION float top_of(FT_CONSTANT const Params& p, const Entry& entry, int64_t row,
                                  FT_DEVICE float* scores, FT_THREAD const KeyRange& keys, int begin, int end) {
    const ScoreRule rule = p.rule;
    const TileBand band = entry.band.tile(row, 0, entry.kv_length);
    const floats slope = rule.slopes.given() ? rule.slopes.of(0, 0) : 0.0f;
    floats tops = kLowest;
    with_bias_type(rule.mask, [&](auto type) {
      const MaskRow<typename decltype(type)::type> entries(rule.mask, 0, 0, row, 0);
      const PairRow pairs(rule, 0, 0, static_cast<int>(row), 0);
      for (int c = begin; c < end; c += kLanes) {
        floats score = floats::load(scores + c);
        if (rule.work(keys, c, kLanes) == ScoreWork::rule) {
          const bools visible = band.visible(ints(0), lane_indices() + ints(c)) & pairs(c, entry.kv_length - c);
          const Slopes slopes{slope, static_cast<float>(entry.offset + row - c), -lane_indices()};
          score = apply_rule(rule, score, slopes, entries(c, p.kv_length - c), visible);
          score.store(scores + c);
        }
        tops = max(score, tops);
      }
    });
    float top = tops[0];
    for (int i = 1; i < kLanes; ++i) top = max(tops[i], top);
    return top;
  }

  /// scores <- weights under the maximum `top`.
  static FT_FUNCTION SoftmaxState<float> weigh(FT_CONSTANT const ScoreRule& rule, FT_DEVICE float* scores,
                                               int begin, int end, float top) {
    const float exponent = rule.exponent;
    floats sums = 0.0f;
    for (int64_t chain = begin; chain < end; chain += kKeysOfChain) {
      floats of_chain = 0.0f;
      for (int64_t c = chain; c < end && c < chain + kKeysOfChain; c += kLanes) {
        const floats weight = exp2((floats::load(scores + c) - top) * exponent);
        weight.store(scores + c);
        of_chain = of_chain + weight;
      }
      sums = sums + of_chain;
    }
    SoftmaxState<float> state{top, 0.0f};
    for (int i = 0; i < kLanes; ++i) state.sum += sums[i];
    return state;
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
