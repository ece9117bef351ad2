// How far a result may lie from the oracle: a bound for each element, from unit roundoffs and the sizes of what
// was added. Nothing in here was fitted to results. Called by the parity tests and by `flashtile check`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "reference/attention.h"

namespace flashtile::reference {

/// How a floating-point type rounds: relative error `unit` for normal numbers, absolute error `tiny` below
/// them.
struct Format {
  int digits;        ///< of the significand, the hidden one included
  int min_exponent;  ///< of the smallest normal number
  double largest;

  double unit() const { return std::ldexp(1.0, -digits); }
  double tiny() const { return std::ldexp(1.0, min_exponent - digits); }

  /// `value` rounded to nearest even.
  double round(double value) const {
    if (value == 0 || !std::isfinite(value)) return value;
    const int exponent = std::max(std::ilogb(value), min_exponent);
    const double unit_in_last_place = std::ldexp(1.0, exponent - digits + 1);
    const double rounded = std::nearbyint(value / unit_in_last_place) * unit_in_last_place;
    return std::fabs(rounded) > largest ? std::copysign(HUGE_VAL, value) : rounded;
  }
};
inline constexpr Format kFloat32{24, -126, 3.4028234663852886e38};
inline constexpr Format kFloat16{11, -14, 65504.0};
inline constexpr Format kBfloat16{8, -126, 3.3895313892515355e38};

/// Relative error that the vectorised exp2 of the library is allowed: four units in the last place of float32.
inline constexpr double kExp2Error = 0x1p-22;

/// Relative error of a weight p_j with its share of the sums, for q, k, v and weights in `type` and the rest in
/// float32:
///
///   scores     dot of D products, scale, log2(e), bias, maximum: D + 8 roundings of at most the score's size;
///   each
///              error multiplies the weight by exp of it, above and below the fraction bar
///   weights    exp2, and rounding to `type` before they meet V, at most once above and once below
///   sums       Lkv additions above and below, and their rescaling when a tile raises the maximum: 3 (Lkv + 8)
///   roundings
inline double weight_error(const AttentionCase& a, const AttentionRow& row, const Format& type) {
  const double u = kFloat32.unit();
  const double score = static_cast<double>(a.head_dim + 8) * u * row.score_size;
  const double sums = 3.0 * static_cast<double>(row.keys + 8) * u;
  const double weight = kExp2Error + (type.digits == kFloat32.digits ? 0.0 : type.unit());
  return std::expm1(2.0 * (score + weight) + sums);
}

/// Below this a weight may be flushed to 0 or lose digits, relative to the largest weight of its row.
inline double smallest_weight(const Format& type) { return std::fmax(type.tiny(), 0x1p-125); }

/// What a sum of `products` bfloat products may lose besides: x86 processors' bfloat units take operands below
/// 2^-126 for 0, and sums as well, whatever the modes of the program.
inline double flushed(std::int64_t products, const Format& type) {
  return type.digits == kBfloat16.digits ? static_cast<double>(products + 1) * 0x1p-126 : 0.0;
}

/// |o - o64| <= this, for element d of a row.
inline double out_bound(const AttentionCase& a, const AttentionRow& row, const Format& type, std::int64_t d) {
  const auto column = static_cast<std::size_t>(d);
  const double sums =
      weight_error(a, row, type) * row.magnitude[column] + smallest_weight(type) * row.spread[column];
  return type.unit() * std::fabs(row.out[column]) + (1.0 + type.unit()) * sums + type.tiny() +
         flushed(row.keys, type);
}

/// |lse - lse64| <= this.
inline double lse_bound(const AttentionCase& a, const AttentionRow& row) {
  return weight_error(a, row, kFloat32) + 4.0 * kFloat32.unit() * (std::fabs(row.lse) + row.score_size);
}

/// |c - c64| <= this for an element of a matrix product with `depth` products, summed in float32 and rounded to
/// `type`.
inline double gemm_bound(std::int64_t depth, double value, double magnitude, const Format& type) {
  const double sums = std::expm1(static_cast<double>(depth + 3) * kFloat32.unit()) * magnitude;
  return type.unit() * std::fabs(value) + (1.0 + type.unit()) * sums + type.tiny();
}

/// The same row as a plain program in `type` computes it: products and sums in float32, scores, weights and
/// output stored in `type`. A tiled kernel may be at most twice as far from the oracle as this, apart from
/// `rounding_floor`.
inline AttentionRow plain_attention_row(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i,
                                        const Format& type) {
  const std::int64_t kv_head = h / (a.query_heads / a.kv_heads);
  const auto rounded = [&](float value) { return static_cast<float>(type.round(static_cast<double>(value))); };
  std::vector<float> scores;
  std::vector<std::int64_t> keys;
  float top = -HUGE_VALF;
  for (std::int64_t j = 0; j < a.kv_length; ++j) {
    if (!attends(a, b, h, i, j)) continue;
    float dot = 0;
    for (std::int64_t d = 0; d < a.head_dim; ++d) {
      dot += static_cast<float>(a.q(b, h, i, d)) * static_cast<float>(a.k(b, kv_head, j, d));
    }
    const float bias = a.bias.data != nullptr ? static_cast<float>(a.bias(b, h, i, j)) : 0.0f;
    scores.push_back(rounded(dot * static_cast<float>(a.scale) + bias));
    keys.push_back(j);
    top = std::fmax(top, scores.back());
  }
  float sum = 0;
  for (float& score : scores) sum += score = std::exp(score - top);
  AttentionRow row;
  row.keys = static_cast<std::int64_t>(keys.size());
  row.lse = keys.empty() ? -HUGE_VAL : static_cast<double>(top + std::log(sum));
  for (std::int64_t d = 0; d < a.value_dim; ++d) {
    float value = 0;
    for (std::size_t n = 0; n < keys.size(); ++n) {
      value += rounded(scores[n] / sum) * static_cast<float>(a.v(b, kv_head, keys[n], d));
    }
    row.out.push_back(static_cast<double>(rounded(value)));
  }
  return row;
}

/// What rounding the result and the documented error of exp2 may add to an error, for elements of at most
/// `largest`.
inline double rounding_floor(double largest, const Format& type) {
  return 2.0 * ((type.unit() + kExp2Error) * largest + type.tiny());
}

}  // namespace flashtile::reference
