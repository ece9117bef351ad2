// The attention oracle: float64, naive loops, one row at a time. Needs nothing but std and shares no code with
// the library, not even the mask predicate. Called by the parity tests and by `flashtile check`.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace flashtile::reference {

/// Four dimensions of doubles somewhere in memory; a stride of 0 repeats.
struct Array4 {
  const double* data = nullptr;
  std::array<std::int64_t, 4> strides{};

  double operator()(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t l) const {
    return data[i * strides[0] + j * strides[1] + k * strides[2] + l * strides[3]];
  }
};

/// Everything that defines an attention result. The values are those of the low-precision inputs, exactly.
struct AttentionCase {
  std::int64_t batch = 1, query_heads = 1, kv_heads = 1, query_length = 1, kv_length = 1, head_dim = 1,
               value_dim = 1;
  double scale = 1.0;
  Array4 q, k, v;
  bool causal = false;
  std::int64_t diagonal = 0;  ///< when causal: query i sees keys 0 ... i + diagonal
  Array4 attend;              ///< nonzero = may attend; no data = everywhere
  Array4 bias;                ///< added to the scaled score, -inf excludes; no data = 0
};

/// One row of the result, and what its rounding errors are measured by.
struct AttentionRow {
  std::vector<double> out;        ///< (Dv)
  std::vector<double> magnitude;  ///< (Dv): sum of p_j |v_j|
  std::vector<double> spread;  ///< (Dv): sum of |v_j| over attended keys, relative to the row's sum of weights
  double lse = 0;
  double score_size = 0;  ///< largest |scale| sum_d |q_d k_jd| + |bias_j| of an attended key
  std::int64_t keys = 0;  ///< how many keys are attended to
};

inline bool attends(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  if (a.causal && j - i > a.diagonal) return false;
  if (a.attend.data != nullptr && a.attend(b, h, i, j) == 0) return false;
  if (a.bias.data != nullptr && a.bias(b, h, i, j) == -std::numeric_limits<double>::infinity()) return false;
  return true;
}

/// Row i of query head h of batch b. A row without a key is 0 with lse -inf; NaN in an attended place stays
/// NaN.
inline AttentionRow attention_row(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i) {
  const std::int64_t kv_head = h / (a.query_heads / a.kv_heads);
  std::vector<std::int64_t> keys;
  std::vector<double> scores;
  AttentionRow row;
  double top = -std::numeric_limits<double>::infinity();
  for (std::int64_t j = 0; j < a.kv_length; ++j) {
    if (!attends(a, b, h, i, j)) continue;
    double dot = 0, size = 0;
    for (std::int64_t d = 0; d < a.head_dim; ++d) {
      const double product = a.q(b, h, i, d) * a.k(b, kv_head, j, d);
      dot += product;
      size += std::fabs(product);
    }
    const double bias = a.bias.data != nullptr ? a.bias(b, h, i, j) : 0.0;
    scores.push_back(dot * a.scale + bias);
    keys.push_back(j);
    row.score_size = std::fmax(row.score_size, size * std::fabs(a.scale) + std::fabs(bias));
    top = std::fmax(top, scores.back());  // NaN does not win here, but it meets the sum below
  }
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - top);
  row.keys = static_cast<std::int64_t>(keys.size());
  row.lse = keys.empty() ? -std::numeric_limits<double>::infinity() : top + std::log(sum);
  row.out.assign(static_cast<std::size_t>(a.value_dim), 0.0);
  row.magnitude = row.spread = row.out;
  for (std::size_t n = 0; n < keys.size(); ++n) {
    for (std::int64_t d = 0; d < a.value_dim; ++d) {
      const double value = a.v(b, kv_head, keys[n], d);
      const auto column = static_cast<std::size_t>(d);
      row.out[column] += scores[n] / sum * value;
      row.magnitude[column] += scores[n] / sum * std::fabs(value);
      row.spread[column] += std::fabs(value) / sum;
    }
  }
  return row;
}

}  // namespace flashtile::reference
