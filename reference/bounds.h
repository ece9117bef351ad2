// How far a result may lie from the oracle: a bound for each element, from unit roundoffs and the sizes of what
// was rounded. Nothing in here was fitted to results. Called by the parity tests and by `flashtile check`.
//
// Attention. Let u = 2^-24 be float32's unit roundoff, u_t that of the type of V, p_j the weights of the exact
// result o = sum_j p_j v_j, n the number of keys that are attended to.
//
// 1. Scores. Key j's score is off by at most delta_j, see score_error(): so many roundings of so large numbers,
//    all of them key j's own. A key that a bias of -1e9 hides may have a score that is off by hundreds, which
//    does not matter: its weight is 0 with either score.
// 2. Such errors change the weights of numerator and denominator alike, to p_j e_j with |log e_j| <= delta_j:
//
//      o' - o = sum_j p_j (e_j - 1) (v_j - o) / sum_j p_j e_j
//      |o' - o| <= sum_j p_j (exp(delta_j) - 1) |v_j - o| / sum_j p_j exp(-delta_j)
//
//    o' is still a mean of attended values, so it is never further from o than one of these.
// 3. All other errors are those of the sums: weights that are rounded to V's type before they meet V, products,
//    additions, rescalings when the running maximum rises, and the division. Each is a share of
//    m = sum_j p_j |v_j|, or of m without the term of the largest weight where that term is not rounded; see
//    sum_errors(). They are made with the weights of step 2 in place of p_j, so they grow as m does with these.
// 4. Rounding the result to its own type: u_t |o|, or half the smallest number of that type.
//
// lse. It moves by no more than when every score moves by delta_j to the same side, since it grows with each
// score; the sum of weights has the errors of step 3; the logarithm and its sum with the maximum round a few
// times more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "reference/attention.h"
#include "reference/format.h"

namespace flashtile::reference {

/// |o - o64| for each element of a row and |lse - lse64| are at most this. Of an element that is not finite the
/// bound is 0: it must be there, see agrees(). It is NaN, and every number right that is not finite, where the
/// row attends to an infinity with a weight that float32 may round to 0, since 0 times infinity is NaN.
struct AttentionBounds {
  std::vector<double> out;  ///< (Dv)
  double lse = 0;
};

/// |found - exact|: 0 for the same infinity and for two NaN, infinity where only one of them is finite.
inline double distance(double found, double exact) {
  if (found == exact || (std::isnan(found) && std::isnan(exact))) return 0;
  return std::isfinite(found) && std::isfinite(exact) ? std::fabs(found - exact) : HUGE_VAL;
}

/// Which share of its bound the error of a result is: right are those of at most 1.
inline double bound_used(double found, double exact, double bound) {
  if (std::isnan(bound)) return std::isfinite(found) ? HUGE_VAL : 0;
  const double error = distance(found, exact);
  return error == 0 ? 0 : bound > 0 && std::isfinite(bound) ? error / bound : HUGE_VAL;
}

inline bool agrees(double found, double exact, double bound) { return bound_used(found, exact, bound) <= 1; }

/// Additions that one element of a sum over `keys` keys goes through: sums over more than 2^16 keys are sums of
/// sums, as a tree.
inline double longest_chain(double keys) {
  constexpr double kChain = 0x1p16;
  return keys <= kChain ? keys : kChain + 2 * std::log2(keys / kChain);
}

/// What sums of `products` products of a type may lose besides: the bfloat units of x86 processors take sums below
/// 2^-126 for 0, whatever the modes of the program, and the library's other kernels for CPUs do as they do.
inline double flushed(std::int64_t products, const Format& type) {
  return type.digits == kBfloat16.digits ? static_cast<double>(products + 1) * 0x1p-126 : 0.0;
}

/// What all keys of a row have in common.
struct RowErrors {
  /// How often a running maximum may rise, once for each tile of 32 keys or part of the keys behind the first.
  /// Where blocks are smaller, a maximum is left until it is 2^8 too low, and few keys weigh anything after that.
  double rises;
  /// 1 where keys may be split over tasks, whose results are brought to one maximum and added: then the largest
  /// weight is rescaled too, since its own maximum may lag behind another task's.
  double merges;
  /// By how much a running maximum may lie below the largest score: 2^8 in weight. Sums of bfloats may keep that
  /// of their first keys, as long as float32 holds the weights.
  double lag;
  double lost;      ///< of a score, by sums of products that are flushed, see flushed()
  double elements;  ///< roundings of an element of K or V itself
  const AttendedKey* largest;

  RowErrors(const AttentionCase& a, const AttentionRow& row, const Format& type) {
    constexpr std::int64_t kFewestSplit = 1024;
    constexpr double kTile = 32, kSlack = 5.55, kLargestLog = 88;  // log(2^8), log of float32's largest
    const auto scores_less = [](const AttendedKey& x, const AttendedKey& y) {
      return x.score.value < y.score.value;
    };
    const auto [lowest, highest] = std::minmax_element(row.keys.begin(), row.keys.end(), scores_less);
    largest = &*highest;
    rises = std::min(static_cast<double>(row.keys.size() - 1),
                     longest_chain(static_cast<double>(a.kv_length)) / kTile);
    merges = a.kv_length >= kFewestSplit ? 1 : 0;
    elements = a.rounds_elements ? 1 : 0;
    lag = std::min(row.top - lowest->score.value, type.digits == kBfloat16.digits ? kLargestLog : kSlack);
    lost = std::fabs(a.scale) * flushed(a.head_dim, type);
  }
};

/// How far the logarithm of key j's weight may be off, delta_j. Roundings of float32:
///
///   D + 4    of the dot product's size: D products and sums; 4 for products of sums of bfloats, whose smallest
///            parts are left out; and 1 where an element of K is code * scale, rounded
///   4        of the score's whole size: the scale, log2(e) as a multiplier of scale and bias, and their sum with a
///            slope's distance, which float32 holds up to 2^24
///   8        of the score's distance from the largest one: subtracting the maximum, log2(e) again, and the same
///            for each rise of the maximum, whose steps add up to that distance at most
///   1        of what the maximum lags behind
///   4        of 1: exp2 as the library documents it, for the key's own weight
///   4        of 1 for each rise, which the weight is brought to by exp2; the largest weight sees none but that
///            of merging tasks
///
/// and, of bfloats, what their products lose. An infinite score is what it is; -inf weighs exactly 0.
inline double score_error(const AttentionCase& a, const AttentionRow& row, const RowErrors& errors,
                          const AttendedKey& key) {
  if (std::isinf(key.score.value)) return 0;
  const double dot = (static_cast<double>(a.head_dim + 4) + errors.elements) * key.score.dot_size;
  const double exponent = 8 * (row.top - key.score.value) + errors.lag;
  const double powers = 4 + 4 * (&key == errors.largest ? errors.merges : errors.rises);
  return kFloat32.unit() * (dot + 4 * key.score.size + exponent + powers) + errors.lost;
}

/// An addition rounds by at most u times the sum, and by at most its smaller summand: `size` is that of a term
/// in a sum of size 1. It is added twice, to its block's sum and with that.
inline double addition(double size) { return std::min(kFloat32.unit(), 2 * size); }

/// What a rounding of weight p to V's type may be off by. Types of few exponents lose digits below their
/// smallest normal number, where 1 stands for the largest weight; float32 may take weights below 2^-125 for 0.
inline double weight_rounding(const Format& type, double weight, double largest_weight) {
  const double relative = type.digits == kFloat32.digits ? 0.0 : type.unit() * weight;
  const double absolute = std::max(type.tiny(), 0x1p-125) * largest_weight;
  return std::min(weight, std::max(relative, absolute));
}

/// How the weights and lse of a row move when each score moves by its own error.
struct MovedWeights {
  std::vector<double> more;  ///< p_j (exp(delta_j) - 1) of each key
  double more_sum = 0;       ///< of these
  double least_sum = 0;      ///< sum_j p_j exp(-delta_j)
  double lse;

  MovedWeights(const AttentionCase& a, const AttentionRow& row, const RowErrors& errors) {
    constexpr double kMostLog = 700;  // exp of it is a double
    std::vector<double> logs;
    for (const AttendedKey& key : row.keys) {
      const double error = score_error(a, row, errors, key), log = key.score.value - row.lse;
      logs.push_back(log + error);
      more.push_back(std::exp(std::min(log + error, kMostLog)) - key.weight);
      more_sum += more.back();
      least_sum += std::exp(log - error);
    }
    const double top = *std::max_element(logs.begin(), logs.end());
    double sum = 0;
    for (const double log : logs) sum += std::exp(log - top);
    lse = top + std::log(sum);
  }
};

/// Relative error of a row's sum of weights: additions, and rescalings, most of which the largest never sees.
inline double weight_sum_error(const RowErrors& errors, const AttentionRow& row) {
  double additions = 0;
  for (const AttendedKey& key : row.keys) additions += &key == errors.largest ? 0 : addition(key.weight);
  const double u = kFloat32.unit(), most = u * longest_chain(static_cast<double>(row.keys.size()));
  return std::min(additions, most) + u * (errors.merges + errors.rises * (1 - errors.largest->weight));
}

/// What the keys of a row add to the error of one column.
struct ColumnErrors {
  double moved = 0;     ///< sum_j p_j (exp(delta_j) - 1) |v_j - o|
  double farthest = 0;  ///< largest |v_j - o|
  double largest = 0;   ///< largest |v_j|
  double rounded = 0;   ///< by weights that are rounded above the fraction bar, or above and below it
  double added = 0;     ///< by additions
  double rescaled = 0;  ///< sum_j p_j |v_j| without the largest weight's term
  bool may_be_nan = false;
};

inline std::vector<ColumnErrors> column_errors(const AttentionCase& a, const AttentionRow& row,
                                               const RowErrors& errors, const MovedWeights& weights,
                                               const Format& type) {
  const double largest_weight = errors.largest->weight;
  std::vector<ColumnErrors> columns(row.out.size());
  for (std::size_t n = 0; n < row.keys.size(); ++n) {
    const AttendedKey& key = row.keys[n];
    const double rounding = weight_rounding(type, key.weight, largest_weight);
    const auto values = values_of(a, row, key);
    for (std::size_t d = 0; d < columns.size(); ++d) {
      ColumnErrors& column = columns[d];
      const double value = values(static_cast<std::int64_t>(d));
      const double size = std::fabs(value), away = std::fabs(value - row.out[d]);
      column.moved += weights.more[n] * away;
      column.farthest = std::max(column.farthest, away);
      column.largest = std::max(column.largest, size);
      column.rounded += rounding * std::max(size, away);
      if (&key != errors.largest) {
        column.added += std::min(kFloat32.unit() * row.size[d], 2 * key.weight * size);
        column.rescaled += key.weight * size;
      }
      column.may_be_nan |= std::isinf(value) && key.weight <= 0x1p-125 * largest_weight;
    }
  }
  return columns;
}

/// Errors of one column's sum, whose terms add up to `size`. Each product rounds once, or leaves out four units
/// where it is one of sums of bfloats; a value may be rounded itself; 1 / sum and its product with the result round as well.
inline double sum_errors(const RowErrors& errors, const AttentionRow& row, const ColumnErrors& column,
                         double size) {
  const double u = kFloat32.unit();
  const double most_added = u * size * longest_chain(static_cast<double>(row.keys.size()));
  return column.rounded + (6 + errors.elements) * u * size + std::min(column.added, most_added) +
         u * (errors.merges * size + errors.rises * column.rescaled);
}

/// The bounds of one row, for q, k, v and weights in `type`, out in `out_type` and all the rest in float32.
inline AttentionBounds attention_bounds(const AttentionCase& a, const AttentionRow& row, const Format& type,
                                        const Format& out_type) {
  AttentionBounds bounds{std::vector<double>(row.out.size(), 0.0), 0.0};
  if (row.keys.empty() || !std::isfinite(row.lse)) return bounds;
  const RowErrors errors(a, row, type);
  const MovedWeights weights(a, row, errors);
  const std::vector<ColumnErrors> columns = column_errors(a, row, errors, weights, type);
  const double u = kFloat32.unit(), keys = static_cast<double>(row.keys.size());
  const double weight_sum = weight_sum_error(errors, row);
  for (std::size_t d = 0; d < columns.size(); ++d) {
    const ColumnErrors& c = columns[d];
    const double out = std::fabs(row.out[d]), size = row.size[d];
    if (!std::isfinite(out)) {
      bounds.out[d] = c.may_be_nan ? std::nan("") : 0.0;
      continue;
    }
    const double moved = std::fmin(c.moved / weights.least_sum, c.farthest);
    const double moved_size =
        std::fmin(c.largest, size + moved + weights.more_sum * (size - out) / weights.least_sum);
    const double sums = sum_errors(errors, row, c, size) + weight_sum * out;
    const double error = moved + (size > 0 ? moved_size / size : 1) * sums +
                         (keys + errors.rises + 2) * kFloat32.tiny() + flushed(a.kv_length, type);
    const bool exact = out_type.digits == kFloat32.digits;  // sums are float32 already
    bounds.out[d] = error + (exact ? 0.0 : out_type.unit()) * (out + error) + out_type.tiny();
  }
  // lse = maximum + log(sum), in base 2 or not, each a few times rounded.
  bounds.lse = weights.lse + std::log1p(weight_sum) +
               u * (5 * std::fabs(row.top) + 4 * (row.lse - row.top + errors.lag) + 3 * std::fabs(row.lse));
  return bounds;
}

/// The same, for an output in `type` too.
inline AttentionBounds attention_bounds(const AttentionCase& a, const AttentionRow& row, const Format& type) {
  return attention_bounds(a, row, type, type);
}

/// |c - c64| <= this for an element of a matrix product with `depth` products, summed in float32 and rounded to
/// `type`. `lost`: what flushed sums of products may have lost of it.
inline double gemm_bound(std::int64_t depth, double value, double magnitude, const Format& type,
                         double lost = 0) {
  const double sums = std::expm1(static_cast<double>(depth + 3) * kFloat32.unit()) * magnitude + lost;
  return type.unit() * std::fabs(value) + (1.0 + type.unit()) * sums + type.tiny();
}

}  // namespace flashtile::reference
