// Online softmax over tiles of scores, in base 2. Works on any score tile that has reduce_rows and map_rows:
// a cooperative tensor or a block of simdgroup matrices.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;  // kernel text names the primitives without a prefix

/// The running maximum and sum of each row of scores (Milakov & Gimelshein 2018).
///
/// The maximum starts at the lowest finite number, not at -inf, so that exp2(-inf - maximum) is 0 and never
/// NaN: a tile whose keys are all masked then changes nothing. It is subtracted before the multiplication, so
/// that the largest score's weight is exactly 1 however large the scores are.
template <class Rows>
struct OnlineSoftmax {
  Rows maximum, sum, correction;
  float multiplier;

  FT_FUNCTION void start() FT_THREAD {
    map_elements(maximum, [](auto) { return kLowest; });
    map_elements(sum, [](auto) { return 0.0f; });
    multiplier = 1.0f;
  }

  /// scores <- exp2(factor * (scores - new maximum)); correction <- the factor for everything summed before.
  /// `factor` is positive and the same in every step.
  template <class Scores>
  FT_FUNCTION void step(FT_THREAD Scores& scores, float factor) FT_THREAD {
    multiplier = factor;
    Rows tile = maximum;
    reduce_rows(scores, tile, reduction_operation::max, reduction_operation_identity<float>::max_identity);
    correction = maximum;
    map_elements(maximum, tile, [](auto old, auto found) { return max(old, found); });
    map_elements(correction, maximum, [=](auto old, auto now) { return exp2((old - now) * factor); });
    map_rows(scores, maximum,
             [=](auto score, auto row_maximum) { return exp2((score - row_maximum) * factor); });
    reduce_rows(scores, tile, reduction_operation::sum, 0.0f);
    map_elements(sum, correction, [](auto old, auto scale) { return old * scale; });
    map_elements(sum, tile, [](auto old, auto found) { return old + found; });
  }

  /// correction <- 1 / sum. Rows that met a NaN are NaN, and rows without a key become 0 * inf = NaN;
  /// exact_rows computes both again.
  FT_FUNCTION void finish() FT_THREAD {
    map_elements(correction, sum, [](auto, auto total) { return 1.0f / total; });
  }

  /// maximum <- natural logarithm of the sum of exp(score). After finish().
  FT_FUNCTION void logarithm() FT_THREAD {
    const float factor = multiplier * kLn2;
    map_elements(maximum, sum, [=](auto top, auto total) { return top * factor + log2(total) * kLn2; });
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
