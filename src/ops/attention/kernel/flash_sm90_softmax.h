// Online softmax of flash.sm90: weights of raw scores q k that a positive factor is still to be applied to.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// The running maximum and sum of each row of scores, where the maximum may lag behind.
///
/// A weight is exp2(factor * score - shift) with shift = factor * maximum: one multiply-add and one
/// exponential. As long as no score of a simdgroup's rows is heavier than 2^8 by the old maximum, that one
/// stays: nothing is exchanged between threads and nothing that was summed is scaled. Sums of float32 hold such
/// weights as well as those below 1.
///
/// Where factor * maximum is so large that its rounding matters, the maximum is subtracted first. There, and
/// where all scores are far below 0, it never lags, at the price of what such a softmax otherwise costs.
template <class Rows>
struct LaggingSoftmax {
  Rows maximum;     ///< of raw scores; -inf before the first
  Rows limit;       ///< the heaviest score that the maximum may stay for, at least +0; or -0: it may not stay
  Rows shift;       ///< factor * maximum; 0 where there is none, or where it is subtracted first
  Rows sum;         ///< of this thread's weights
  Rows correction;  ///< after a step that grew: the factor for everything summed before
  float factor, room;
  bool grew;

  FT_FUNCTION void start(float positive_factor) FT_THREAD {
    constexpr float kHeaviest = 8.0f;  // as a power of 2
    factor = positive_factor;
    room = min(kHeaviest / factor, 1e30f);
    map_elements(maximum, [](auto) { return kMinusInfinity; });
    map_elements(limit, [](auto) { return -0.0f; });
    zero(shift);
    zero(sum);
  }

  /// scores <- their weights. Hidden scores are -inf.
  template <class Scores>
  FT_FUNCTION void step(FT_THREAD Scores& scores) FT_THREAD {
    grew = simd_any(any_exceeds(scores, limit));
    if (grew) raise(scores);
    const float multiplier = factor;
    map_rows(scores, shift, [=](auto score, auto moved) { return exp2(fma(score, multiplier, -moved)); });
    Rows tile = sum;
    fold_rows(scores, tile, reduction_operation::sum, 0.0f);
    map_elements(sum, tile, [](auto before, auto more) { return before + more; });
  }

  /// correction <- 1 / sum of the whole row, 0 for a row without a key.
  FT_FUNCTION void finish() FT_THREAD {
    share_rows(sum, reduction_operation::sum);
    correction = sum;
    map_elements(correction, [](auto total) { return select(1.0f / total, 0.0f, total == 0.0f); });
  }

  /// Has a row of this thread no key? After finish().
  FT_FUNCTION bool any_empty() const FT_THREAD {
    bool empty = false;
    FT_UNROLL for (int i = 0; i < Rows::kCapacity; ++i) empty |= correction.get(i) == 0.0f;
    return empty;
  }

  /// maximum <- natural logarithm of the sum of exp(score); -inf for a row without a key. After finish().
  FT_FUNCTION void logarithm(float unit) FT_THREAD {
    map_elements(maximum, sum,
                 [=](auto top, auto total) { return SoftmaxState<decltype(total)>{top, total}.lse(unit); });
  }

 private:
  /// Takes a new maximum, at least as large as the old one, for each row.
  template <class Scores>
  FT_FUNCTION void raise(FT_THREAD Scores& scores) FT_THREAD {
    constexpr float kSteep = 0x1p20f;  // up to here shift is rounded by 2^-4 at most, and no weight passes 2^9
    Rows tile = maximum;
    fold_rows(scores, tile, reduction_operation::max, kMinusInfinity);
    share_rows(tile, reduction_operation::max);
    const float multiplier = factor, distance = room;
    correction = maximum;
    map_elements(maximum, tile, [](auto before, auto found) { return max(before, found); });
    map_elements(correction, maximum,
                 [=](auto before, auto now) { return exp2((before - finite_or_zero(now)) * multiplier); });
    map_elements(sum, correction, [](auto total, auto scale) { return total * scale; });
    limit = maximum;
    map_elements(limit, [=](auto top) { return select(-0.0f, top + distance, top + distance >= 0.0f); });
    shift = maximum;
    map_elements(shift, [=](auto top) { return finite_or_zero(top) * multiplier; });
    bool steep = false;
    FT_UNROLL for (int i = 0; i < Rows::kCapacity; ++i) steep |=
        !(shift.get(i) < kSteep && shift.get(i) > -kSteep);
    if (simd_any(steep)) {
      map_rows(scores, maximum, [](auto score, auto top) { return score - finite_or_zero(top); });
      zero(shift);
      map_elements(limit, [](auto) { return -0.0f; });
    }
  }
  /// -inf is the maximum of a row without a key.
  static FT_FUNCTION float finite_or_zero(float top) { return select(top, 0.0f, top == kMinusInfinity); }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
