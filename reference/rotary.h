// The oracle of rotary embeddings: one row at a time, angles in long double. Needs nothing but std.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "reference/format.h"

namespace flashtile::reference {

struct RotaryCase {
  std::size_t dim;  ///< elements that are turned
  bool interleaved = false, inverse = false;
  double base = 10000;
  std::vector<double> frequencies{};  ///< instead of base
};

struct RotaryRow {
  std::vector<double> exact, bound;
};

/// Sines and cosines are documented to 1e-6; two products and a sum round in float32, and the result to `type`.
inline RotaryRow rotary_row(const RotaryCase& c, std::vector<double> row, std::int64_t position,
                            const Format& type) {
  RotaryRow result{row, std::vector<double>(row.size(), 0.0)};
  for (std::size_t i = 0; i < c.dim / 2; ++i) {
    const std::size_t first = c.interleaved ? 2 * i : i, second = c.interleaved ? first + 1 : i + c.dim / 2;
    const auto dim = static_cast<long double>(c.dim);
    const long double frequency = c.frequencies.empty() ? std::pow(static_cast<long double>(c.base),
                                                                   -2.0L * static_cast<long double>(i) / dim)
                                                        : static_cast<long double>(c.frequencies[i]);
    const long double angle = static_cast<long double>(c.inverse ? -position : position) * frequency;
    const double cosine = static_cast<double>(std::cos(angle)), sine = static_cast<double>(std::sin(angle));
    const double a = row[first], b = row[second], size = std::fabs(a) + std::fabs(b);
    result.exact[first] = a * cosine - b * sine;
    result.exact[second] = b * cosine + a * sine;
    for (const std::size_t d : {first, second}) {
      const double error = size * (1e-6 + 3 * kFloat32.unit()) + 3 * kFloat32.tiny();
      result.bound[d] = error + type.unit() * (std::fabs(result.exact[d]) + error) + type.tiny();
    }
  }
  return result;
}

}  // namespace flashtile::reference
