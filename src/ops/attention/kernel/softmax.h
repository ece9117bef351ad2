// What a row of scores comes to, and the online softmax over tiles of them. Works on any score tile that has
// reduce_rows and map_rows: a cooperative tensor or a block of simdgroup matrices.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;  // kernel text names the primitives without a prefix

/// What the sums of a row become results by: weighted sums of values are multiplied with `inverse`.
template <class V>
struct RowEnd {
  V inverse, lse;
};

/// What a row ends with: a maximum of its scores, in the rule's units, and the sum of its weights, which are
/// exp2((score - maximum) * exponent). The maximum may be less than the largest score. V is float or a backend's
/// vector of floats.
template <class V>
struct SoftmaxState {
  V maximum = kLowest, sum = 0.0f;

  /// What weighted sums of values are multiplied with at last. A row without keys becomes 0 * inf = NaN, and so does
  /// one whose scores are all -inf; the band and exact_rows tell them apart.
  FT_FUNCTION V inverse() const { return 1.0f / sum; }
  /// Natural logarithm of the sum of exp(score); -inf for a row without keys.
  FT_FUNCTION V lse(float unit) const { return maximum * unit + log2(sum) * kLn2; }
  /// The end of a row with a further logit, the sink, that has no value. A row without keys is 0 then, and its lse the
  /// sink. The sink is met here, in natural units, so that loops over keys and parts of keys know nothing of it.
  FT_FUNCTION RowEnd<V> end(float unit, V sink) const {
    const V top = maximum * unit, most = max(max(top, sink), V(kLowest));
    const V share = exp2((top - most) * kLog2E);  // of the largest of both maxima
    const V total = fma(sum, share, select(exp2((sink - most) * kLog2E), V(1.0f), sink == most));
    return {share / total, most + log2(total) * kLn2};
  }
  /// The factor for everything that was summed under this maximum when `top` takes its place.
  FT_FUNCTION V correction(V top, float exponent) const { return exp2((maximum - top) * exponent); }
};

/// The end of a row of a head, with its sink where the call has sinks.
FT_FUNCTION RowEnd<float> row_end(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                                  SoftmaxState<float> state) {
  if (p.sinks.given()) return state.end(p.rule.unit, p.sinks.of(batch, head));
  return {state.inverse(), state.lse(p.rule.unit)};
}

/// The running state of each row of scores (Milakov & Gimelshein 2018).
///
/// The maximum starts at the lowest finite number, not at -inf, so that exp2(-inf - maximum) is 0 and never
/// NaN: a tile whose keys are all masked then changes nothing. It is subtracted before the multiplication, so
/// that the largest score's weight is exactly 1 however large the scores are.
template <class Rows>
struct OnlineSoftmax {
  Rows maximum, sum, correction;

  FT_FUNCTION void start() FT_THREAD {
    map_elements(maximum, [](auto) { return kLowest; });
    zero(sum);
  }

  /// scores <- exp2(exponent * (scores - new maximum)); correction <- the factor for everything summed before.
  /// `exponent` is positive and the same in every step.
  template <class Scores>
  FT_FUNCTION void step(FT_THREAD Scores& scores, float exponent) FT_THREAD {
    Rows tile = maximum;
    reduce_rows(scores, tile, reduction_operation::max, reduction_operation_identity<float>::max_identity);
    correction = maximum;
    map_elements(maximum, tile, [](auto old, auto found) { return max(old, found); });
    map_elements(correction, maximum, [=](auto old, auto now) { return exp2((old - now) * exponent); });
    map_rows(scores, maximum,
             [=](auto score, auto row_maximum) { return exp2((score - row_maximum) * exponent); });
    reduce_rows(scores, tile, reduction_operation::sum, 0.0f);
    map_elements(sum, correction, [](auto old, auto scale) { return old * scale; });
    map_elements(sum, tile, [](auto old, auto found) { return old + found; });
  }

  /// correction <- what weighted sums of values are multiplied with at last.
  FT_FUNCTION void finish() FT_THREAD {
    map_elements(correction, sum,
                 [](auto, auto total) { return SoftmaxState<decltype(total)>{kLowest, total}.inverse(); });
  }

  /// The same, where the rows' head has a sink.
  FT_FUNCTION void finish(float unit, float sink) FT_THREAD {
    correction = maximum;
    map_elements(correction, sum, [=](auto top, auto total) {
      return SoftmaxState<decltype(total)>{top, total}.end(unit, decltype(total)(sink)).inverse;
    });
  }

  /// maximum <- natural logarithm of the sum of exp(score). After finish().
  FT_FUNCTION void logarithm(float unit) FT_THREAD {
    map_elements(maximum, sum,
                 [=](auto top, auto total) { return SoftmaxState<decltype(total)>{top, total}.lse(unit); });
  }
  FT_FUNCTION void logarithm(float unit, float sink) FT_THREAD {
    map_elements(maximum, sum, [=](auto top, auto total) {
      return SoftmaxState<decltype(total)>{top, total}.end(unit, decltype(total)(sink)).lse;
    });
  }
};

/// softmax.finish() for rows of a head, whose sink they meet where the call has sinks.
template <class Softmax>
FT_FUNCTION void finish_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                             FT_THREAD Softmax& softmax) {
  if (p.sinks.given())
    softmax.finish(p.rule.unit, p.sinks.of(batch, head));
  else
    softmax.finish();
}

/// softmax.logarithm() for rows of a head. A softmax of a kernel's own knows of no sinks, and neither does its way.
template <class Softmax>
FT_FUNCTION void take_logarithm(FT_CONSTANT const AttentionParams& p, int64_t, int64_t,
                                FT_THREAD Softmax& softmax) {
  softmax.logarithm(p.rule.unit);
}
template <class Rows>
FT_FUNCTION void take_logarithm(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                                FT_THREAD OnlineSoftmax<Rows>& softmax) {
  if (p.sinks.given())
    softmax.logarithm(p.rule.unit, p.sinks.of(batch, head));
  else
    softmax.logarithm(p.rule.unit);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
