// Attention as a plain program computes it: the yardstick for what errors a type brings with it.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "reference/attention.h"
#include "reference/bounds.h"
#include "reference/format.h"

namespace flashtile::reference {

/// Row i of the result as a plain program in `type` computes it: products and sums in float32, scores, weights
/// and output stored in `type`. A tiled kernel may be at most twice as far from the oracle as this, apart from
/// `rounding_floor`.
inline std::vector<double> plain_attention_row(const AttentionCase& a, std::int64_t b, std::int64_t h,
                                               std::int64_t i, const Format& type) {
  const std::int64_t kv_head = h / (a.query_heads / a.kv_heads);
  const auto rounded = [&](float value) { return static_cast<float>(type.round(static_cast<double>(value))); };
  std::vector<float> scores;
  std::vector<std::int64_t> keys;
  float top = -HUGE_VALF;
  for (std::int64_t j = 0; j < a.kv_length; ++j) {
    if (!attends(a, b, h, i, j)) continue;
    float dot = 0;
    for (std::int64_t d = 0; d < a.head_dim; ++d) {
      dot += static_cast<float>(a.q(b, h, i, d)) * static_cast<float>(row_of(a, a.k, b, kv_head, j)(d));
    }
    const float bias = a.bias.data != nullptr ? static_cast<float>(a.bias(b, h, i, j)) : 0.0f;
    const float score = dot * static_cast<float>(a.scale), cap = static_cast<float>(a.softcap);
    // tanh by the formula that the library documents, whose error is one of 1 and not of tanh's own size.
    const float capped = cap > 0 ? cap * (1 - 2 / (1 + std::exp(2 * score / cap))) : score;
    scores.push_back(rounded(capped + static_cast<float>(slope_of(a, b, h, i, j)) + bias));
    keys.push_back(j);
    top = std::fmax(top, scores.back());
  }
  const bool sunk = a.sinks.data != nullptr;
  const float sink = sunk ? static_cast<float>(a.sinks(h)) : 0;
  if (sunk) top = std::fmax(top, sink);
  float sum = sunk ? std::exp(sink - top) : 0;
  for (float& score : scores) sum += score = std::exp(score - top);
  for (float& score : scores) score = rounded(score / sum);
  std::vector<double> out;
  for (std::int64_t d = 0; d < a.value_dim; ++d) {
    float value = 0;
    for (std::size_t n = 0; n < keys.size(); ++n) {
      value += scores[n] * static_cast<float>(row_of(a, a.v, b, kv_head, keys[n])(d));
    }
    out.push_back(static_cast<double>(rounded(value)));
  }
  return out;
}

/// What rounding the result and the documented error of exp2, four units of float32, may add to an error, for
/// elements of at most `largest`.
inline double rounding_floor(double largest, const Format& type) {
  return 2.0 * ((type.unit() + 4 * kFloat32.unit()) * largest + type.tiny());
}

}  // namespace flashtile::reference
