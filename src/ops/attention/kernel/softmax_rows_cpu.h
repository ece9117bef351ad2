// The softmax pass of unfused attention on a CPU: masks the stored scores of one head row by row and turns them
// into weights, in place, in the element type of V. Called by the way `unfused`, which runs a matrix product
// before and after.
//
//   for each row: s = masked s;  m = max(s);  s = exp(s - m);  weights = s / sum(s)
#pragma once

#include "src/ops/attention/kernel/mask_row_cpu.h"

namespace flashtile::kernels {
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
  /// Scores arrive already scaled, with room for whole vectors behind each row.
  static FT_FUNCTION void softmax(FT_CONSTANT const Params& p, int64_t row) {
    FT_DEVICE float* scores = p.scores + row * p.scores_stride;
    const int count = p.band.keys(row, row, p.kv_length).end;
    const int padded = (count + kLanes - 1) / kLanes * kLanes;
    for (int c = count; c < padded; ++c) scores[c] = kMinusInfinity;
    mask(p, row, scores, count);

    floats tops = kMinusInfinity;
    for (int c = 0; c < padded; c += kLanes) tops = max(floats::load(scores + c), tops);
    float top = tops[0];
    for (int i = 1; i < kLanes; ++i) top = max(tops[i], top);

    floats sums = 0.0f;
    for (int c = 0; c < padded; c += kLanes) {
      const floats weight = exp2((floats::load(scores + c) - top) * kLog2E);
      weight.store(scores + c);
      sums = sums + weight;
    }
    float sum = 0.0f;
    for (int i = 0; i < kLanes; ++i) sum += sums[i];

    const floats inverse = 1.0f / sum;
    // Weights never overtake the scores that are still to be read: an element is not larger than a float.
    FT_DEVICE T* weights = reinterpret_cast<FT_DEVICE T*>(scores);
    for (int c = 0; c < padded; c += kLanes)
      primitives::detail::store_lanes<float>(weights + c, floats::load(scores + c) * inverse);
    for (int c = count; c < p.kv_length; ++c) weights[c] = T(0.0f);
    if (p.lse != nullptr) p.lse[row * p.lse_strides.row] = top + log2(sum) * kLn2;
  }

  static FT_FUNCTION void mask(FT_CONSTANT const Params& p, int64_t row, FT_DEVICE float* scores, int count) {
    if (!p.mask.given()) return;
    with_bias_type(p.mask, [&](auto bias) {
      const MaskRow<typename decltype(bias)::type> entries(p.mask, 0, 0, row, 0);
      for (int c = 0; c < count; c += kLanes) {
        const int left = count - c;
        const floats entry = entries(c, left);
        const floats score = select(floats::load(scores + c) + entry, kMinusInfinity, entry == kMinusInfinity);
        if (left >= kLanes)
          score.store(scores + c);
        else
          primitives::detail::store_lanes<float>(scores + c, score, left);
      }
    });
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
