// Online softmax over tiles of scores, in base 2. Works on any score tile that has reduce_rows and map_rows:
// a cooperative tensor or a block of simdgroup matrices.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;  // kernel text speaks the vocabulary unqualified

/// The running maximum and sum of each row of scores (Milakov & Gimelshein 2018).
///
/// The maximum starts at the lowest finite number, not at -inf, so that exp2(-inf - maximum) is 0 and never
/// NaN: a tile whose keys are all masked then changes nothing.
template <class Rows>
struct OnlineSoftmax {
  Rows maximum, sum, correction;

  FT_FUNCTION void start() FT_THREAD {
    map_elements(maximum, [](auto) { return reduction_operation_identity<float>::max_identity; });
    map_elements(sum, [](auto) { return 0.0f; });
  }

  /// scores <- exp2(multiplier * scores - new maximum); correction <- the factor for everything summed before.
  template <class Scores>
  FT_FUNCTION void step(FT_THREAD Scores& scores, float multiplier) FT_THREAD {
    Rows tile = maximum;
    reduce_rows(scores, tile, reduction_operation::max, reduction_operation_identity<float>::max_identity);
    correction = maximum;
    map_elements(maximum, tile, [=](auto old, auto found) { return max(old, found * multiplier); });
    map_elements(correction, maximum, [](auto old, auto now) { return exp2(old - now); });
    map_rows(scores, maximum,
             [=](auto score, auto row_maximum) { return exp2(fma(score, multiplier, -row_maximum)); });
    reduce_rows(scores, tile, reduction_operation::sum, 0.0f);
    map_elements(sum, correction, [](auto old, auto factor) { return old * factor; });
    map_elements(sum, tile, [](auto old, auto found) { return old + found; });
  }

  /// correction <- 1 / sum: NaN rows mark themselves, rows without a key become 0 * inf = NaN and are set by
  /// exact_rows.
  FT_FUNCTION void finish() FT_THREAD {
    map_elements(correction, sum, [](auto, auto total) { return 1.0f / total; });
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
