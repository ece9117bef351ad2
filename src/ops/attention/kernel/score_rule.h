// What happens to a score between the two products, in every kernel of every backend. A new modifier of scores is
// written here and, where it has data, in params.h; a new range of keys by position is written in band.h. No other
// kernel text names either.
//
//   scale, softcap   score = scale * q·k;  score = softcap * tanh(score / softcap)
//   slope            score - slope * |position of the query - key|
//   entry            of the mask tensors: + bias, or -inf where a tensor hides the pair
//   band             -inf where the query's position does not see the key
//
// Scores are in natural units. log2(e) belongs to the exponent: it would push the lowest finite biases to -inf.
// Where a call needs no more than a positive scale, this waits for the exponent too, and scores stay q·k
// (is_factor). Hidden scores are replaced, not added to, so that NaN in a hidden place does not stay.
//
// A walk applies the rule to the scores of one layout: walk_tile.h to tiles of the vocabulary, walk_cpu.h to a
// CPU's vectors, exact_rows.h to one score at a time.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;  // kernel text names the primitives without a prefix

/// A scaled score, capped. V here and below is float or a backend's vector of floats.
template <class V>
FT_FUNCTION V capped(V score, float softcap, float inverse) {
  return softcap * tanh(score * inverse);
}

/// q·k as a score of the call: scaled and capped, or as it is where the scale waits for the exponent.
template <class V>
FT_FUNCTION V score_of(FT_CONSTANT const ScoreRule& rule, V dot) {
  if (rule.is_factor) return dot;
  const V score = dot * rule.scale;
  return rule.softcap == 0.0f ? score : capped(score, rule.softcap, 1.0f / rule.softcap);
}

/// The same for a whole tile, so that nothing is decided for each score: calls map(f), where f(dot) is the score, or
/// does nothing where scores stay q·k.
template <class F>
FT_FUNCTION void map_scores(FT_CONSTANT const ScoreRule& rule, F map) {
  if (rule.is_factor) return;
  const float scale = rule.scale, softcap = rule.softcap;
  if (softcap == 0.0f) {
    map([=](auto dot) { return dot * scale; });
  } else {
    const float inverse = 1.0f / softcap;
    map([=](auto dot) { return capped(dot * scale, softcap, inverse); });
  }
}

/// A score less the head's slope times the distance of a query that is `start` + `ahead` keys ahead of its key, where
/// `ahead` is a small integer or a vector of them.
template <class V, class I>
FT_FUNCTION V with_slope(V score, V slope, float start, I ahead) {
  return fma(-slope, abs(V(ahead) + start), score);
}

/// A score with its entry of the mask tensors: the bias, or -inf where they hide the pair.
template <class V>
FT_FUNCTION V with_entry(V score, V entry) {
  return select(score + entry, kMinusInfinity, entry == kMinusInfinity);
}

/// A score where the query sees the key, else -inf. B is the truth value of a comparison of V.
template <class V, class B>
FT_FUNCTION V where_visible(V score, B visible) {
  return select(kMinusInfinity, score, visible);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
