// The oracle of merge_attention: float64, one row at a time. Needs nothing but std.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "reference/format.h"

namespace flashtile::reference {

/// A row of one part of the keys, or of the merged result.
struct MergeRow {
  std::vector<double> out;
  double lse = -std::numeric_limits<double>::infinity();
};

/// A row of the result, and by how much a right one may differ from it. `sink` is -inf where there is none.
struct MergedRow {
  MergeRow exact, bound;
};

/// Let x_i = lse_i - top. In float32 the logarithm of a weight is off by the roundings of x_i, of its product with
/// log2(e) and of exp2: w_i = u (3 |x_i| + 6) for u = 2^-24. Sums of n weights and of n products add u n each, their
/// product with the inverse and the last rounding a few more. Parts are merged `at_once`; each time they are, lse rounds
/// by u |lse| too, which changes a weight by as much.
inline MergedRow merged_row(const std::vector<MergeRow>& parts, double sink, std::size_t columns,
                            const Format& type, std::size_t at_once) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  MergedRow row{{std::vector<double>(columns), kNone}, {std::vector<double>(columns), 0}};
  double top = sink, largest_lse = 0;
  for (const MergeRow& part : parts) {
    top = std::max(top, part.lse);
    if (part.lse > kNone) largest_lse = std::max(largest_lse, std::fabs(part.lse));
  }
  if (top == kNone) return row;
  double sum = std::exp(sink - top);
  for (const MergeRow& part : parts) sum += std::exp(part.lse - top);
  row.exact.lse = top + std::log(sum);

  const double u = kFloat32.unit(), count = static_cast<double>(parts.size());
  const double rounds = parts.size() > at_once ? 1 + count / static_cast<double>(at_once - 1) : 0;
  const double every = u * (2 * count + 10 + rounds * (4 * largest_lse + 8 + std::log(count + 1)));
  double moved = 0;  // sum of p_i w_i
  std::vector<double> size(columns), moved_size(columns);
  for (const MergeRow& part : parts) {
    if (part.lse == kNone) continue;
    const double share = std::exp(part.lse - top) / sum, error = u * (3 * (top - part.lse) + 6);
    moved += share * error;
    for (std::size_t d = 0; d < columns; ++d) {
      row.exact.out[d] += share == 0 && std::isinf(part.out[d]) ? part.out[d] : share * part.out[d];
      size[d] += share * std::fabs(part.out[d]);
      moved_size[d] += share * error * std::fabs(part.out[d]);
    }
  }
  if (sink > kNone) moved += std::exp(sink - top) / sum * u * (3 * (top - sink) + 6);
  for (std::size_t d = 0; d < columns; ++d) {
    const double out = std::fabs(row.exact.out[d]);
    // Weights below 2^-126 may count as 0, and so may products.
    const double lost = (count + 1) * 0x1p-125 * (1 + out) + count * kFloat32.tiny();
    const double error = moved_size[d] + moved * out + every * size[d] + lost;
    row.bound.out[d] = error + type.unit() * (out + error) + type.tiny();
  }
  row.bound.lse = moved + every + 3 * u * (std::fabs(top) + std::fabs(row.exact.lse));
  return row;
}

}  // namespace flashtile::reference
