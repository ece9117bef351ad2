// The attention oracle: float64, naive loops, one row at a time. Needs nothing but std and shares no code with
// the library, not even the mask predicate. Called by the parity tests and by `flashtile check`.
//
// A feature of attention has one place here: which keys a query attends to in attends(), what a score becomes, and
// of how large numbers, in score_of(), what a key contributes in values_of(). The bounds of bounds.h work from the
// scores, weights, sizes and values that come out, whatever the features were.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "reference/array.h"

namespace flashtile::reference {

/// Everything that defines an attention result. The values are those of the low-precision inputs, exactly.
struct AttentionCase {
  std::int64_t batch = 1, query_heads = 1, kv_heads = 1, query_length = 1, kv_length = 1, head_dim = 1,
               value_dim = 1;
  double scale = 1.0;
  Array4 q, k, v;
  bool causal = false;
  std::int64_t diagonal = 0;           ///< when causal: query i sees keys 0 ... i + diagonal
  double softcap = 0.0;                ///< 0: none
  std::int64_t position = 0;           ///< query i is at i + position, for windows
  std::int64_t left = -1, right = -1;  ///< keys before and after its position that a query sees; -1: all
  Array<1> positions;          ///< of each batch entry, instead of `position` and `diagonal`; no data = none
  bool ends_together = false;  ///< instead of these: the last valid query is at the last valid key
  Array<1> query_lengths, kv_lengths;  ///< valid rows of each batch entry; no data = all
  Array<2> slopes;               ///< (B, Hq) of the distance between a query's position and a key; no data = 0
  Array<1> sinks;                ///< (Hq) logits without a value; no data = none
  Array4 attend;                 ///< nonzero = may attend; no data = everywhere
  bool rounds_elements = false;  ///< those of k and v are code * scale, rounded to float32
  Array<2> query_segments,
      kv_segments;  ///< ids (B, Lq), (B, Lkv): a pair attends where they are equal; no data = everywhere
  Array4 blocks;    ///< (B, Hq, blocks of Lq, blocks of Lkv): 0 hides; no data = no block
  std::int64_t q_block = 1, kv_block = 1;  ///< sizes of these blocks
  Array<2> pages;  ///< (B, any): row j is row j % page_size of page pages(b, j / page_size) of k and v, which
  std::int64_t page_size = 1;  ///< are (pages, Hkv, page_size, D) then; no data = k and v have batch entries
  Array4 bias;                 ///< added to the scaled score, -inf excludes; no data = 0
};

/// A score, and the sizes that its rounding errors are measured by.
struct Score {
  double value;
  double dot_size;  ///< |scale| sum_d |q_d k_jd|
  double size;      ///< dot_size, and the sizes of all that is added to it
};

/// A key that a row attends to, or its sink. Its weight is exp(score) relative to the row's sum.
struct AttendedKey {
  static constexpr std::int64_t kSink = -1;
  std::int64_t index;
  Score score;
  double weight;
};

/// One row of the result.
struct AttentionRow {
  std::int64_t batch = 0, kv_head = 0;  ///< where its keys and values are
  std::vector<AttendedKey> keys;
  double top = -std::numeric_limits<double>::infinity();  ///< the largest score
  std::vector<double> out, size;                          ///< (Dv): the result, and sum_j p_j |v_j|
  double lse = -std::numeric_limits<double>::infinity();
};

/// The valid rows of a batch entry.
inline std::int64_t valid_rows(const Array<1>& lengths, std::int64_t b, std::int64_t all) {
  return lengths.data != nullptr ? static_cast<std::int64_t>(lengths(b)) : all;
}

/// The position of a batch entry's first query, or of the diagonal of its causal mask.
inline std::int64_t offset_of(const AttentionCase& a, std::int64_t b, std::int64_t otherwise) {
  if (a.positions.data != nullptr) return static_cast<std::int64_t>(a.positions(b));
  if (!a.ends_together) return otherwise;
  return valid_rows(a.kv_lengths, b, a.kv_length) - valid_rows(a.query_lengths, b, a.query_length);
}

inline bool attends(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  const std::int64_t queries = valid_rows(a.query_lengths, b, a.query_length),
                     keys = valid_rows(a.kv_lengths, b, a.kv_length);
  if (i >= queries || j >= keys) return false;
  const std::int64_t position = offset_of(a, b, a.position), diagonal = offset_of(a, b, a.diagonal);
  if (a.causal && j - i > diagonal) return false;
  if (a.left >= 0 && i + position - j > a.left) return false;
  if (a.right >= 0 && j - (i + position) > a.right) return false;
  if (a.query_segments.data != nullptr && a.query_segments(b, i) != a.kv_segments(b, j)) return false;
  if (a.blocks.data != nullptr && a.blocks(b, h, i / a.q_block, j / a.kv_block) == 0) return false;
  if (a.attend.data != nullptr && a.attend(b, h, i, j) == 0) return false;
  if (a.bias.data != nullptr && a.bias(b, h, i, j) == -std::numeric_limits<double>::infinity()) return false;
  return true;
}

/// What a slope adds to a score.
inline double slope_of(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  if (a.slopes.data == nullptr) return 0;
  return -a.slopes(b, h) * std::fabs(static_cast<double>(i + offset_of(a, b, a.position) - j));
}

/// Row j of an entry's keys, or of its values.
inline Array<1> row_of(const AttentionCase& a, const Array4& rows, std::int64_t b, std::int64_t kv_head,
                       std::int64_t j) {
  if (a.pages.data == nullptr) return rows(b, kv_head, j);
  return rows(static_cast<std::int64_t>(a.pages(b, j / a.page_size)), kv_head, j % a.page_size);
}

inline Score score_of(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  const auto q = a.q(b, h, i), k = row_of(a, a.k, b, h / (a.query_heads / a.kv_heads), j);
  double dot = 0, size = 0;
  for (std::int64_t d = 0; d < a.head_dim; ++d) {
    const double product = q(d) * k(d);
    dot += product;
    size += std::fabs(product);
  }
  // Where the sum is infinite every order of adding says so: nothing is rounded.
  size = std::isinf(dot) ? 0 : size * std::fabs(a.scale);
  const double bias = a.bias.data != nullptr ? a.bias(b, h, i, j) : 0.0;
  const double sloped = slope_of(a, b, h, i, j);
  const double added = std::fabs(bias) + std::fabs(sloped);
  const double score = dot * a.scale;
  if (a.softcap == 0) return {score + sloped + bias, size, size + added};
  // The cap's slope is at most 1; its own error is that of a number of its size.
  return {a.softcap * std::tanh(score / a.softcap) + sloped + bias, size, size + a.softcap + added};
}

/// The values (Dv) of a key that a row attends to; a sink has none.
inline Array<1> values_of(const AttentionCase& a, const AttentionRow& row, const AttendedKey& key) {
  static constexpr std::uint8_t kZero = 0;
  if (key.index == AttendedKey::kSink) return {&kZero, {0}, Element::u8};
  return row_of(a, a.v, row.batch, row.kv_head, key.index);
}

/// weight * value, where a weight that is too small for a double is not 0: an infinity stays one.
inline double weighted(double weight, double value) {
  return weight >= 0 && std::isinf(value) ? value : weight * value;
}

/// Row i of query head h of batch b. A row without a key is 0, with lse -inf or its sink; padding is without. NaN that is attended to stays NaN,
/// and so does infinity, whose weight is never 0.
inline AttentionRow attention_row(const AttentionCase& a, std::int64_t b, std::int64_t h, std::int64_t i) {
  AttentionRow row;
  row.batch = b;
  row.kv_head = h / (a.query_heads / a.kv_heads);
  for (std::int64_t j = 0; j < a.kv_length; ++j) {
    if (!attends(a, b, h, i, j)) continue;
    row.keys.push_back({j, score_of(a, b, h, i, j), 0});
    row.top = std::fmax(row.top, row.keys.back().score.value);  // passes over NaN, which meets the sum below
  }
  if (a.sinks.data != nullptr && i < valid_rows(a.query_lengths, b, a.query_length)) {
    const double sink = a.sinks(h);
    row.keys.push_back({AttendedKey::kSink, {sink, 0, std::fabs(sink)}, 0});
    row.top = std::fmax(row.top, sink);
  }
  double sum = 0;
  for (AttendedKey& key : row.keys) sum += key.weight = std::exp(key.score.value - row.top);
  if (!row.keys.empty()) row.lse = row.top + std::log(sum);
  row.out.assign(static_cast<std::size_t>(a.value_dim), 0.0);
  row.size = row.out;
  for (AttendedKey& key : row.keys) {
    key.weight /= sum;
    const auto values = values_of(a, row, key);
    for (std::int64_t d = 0; d < a.value_dim; ++d) {
      const double term = weighted(key.weight, values(d));
      row.out[static_cast<std::size_t>(d)] += term;
      row.size[static_cast<std::size_t>(d)] += std::fabs(term);
    }
  }
  return row;
}

}  // namespace flashtile::reference
