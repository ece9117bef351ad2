// The matrix product oracle: float64 (or exact integers), naive loops, one element at a time. Needs nothing but
// std. Called by the gemm tests and by `flashtile check`.
#pragma once

#include <cmath>
#include <cstdint>

#include "reference/array.h"

namespace flashtile::reference {

/// One element of alpha A B + beta C, and the sum of the absolute values of all that was added.
struct GemmElement {
  double value, magnitude;
};

/// With beta = 0 the old C is not looked at.
inline GemmElement gemm_element(const Array2& a, const Array2& b, const Array2& c, std::int64_t depth,
                                double alpha, double beta, std::int64_t i, std::int64_t j) {
  double sum = 0, size = 0;
  for (std::int64_t k = 0; k < depth; ++k) {
    const double product = a(i, k) * b(k, j);
    sum += product;
    size += std::fabs(product);
  }
  const double old = beta == 0 ? 0.0 : beta * c(i, j);
  return {alpha * sum + old, std::fabs(alpha) * size + std::fabs(old)};
}

/// An integer product: every sum of 8-bit products is exact in a double, and the library's wraps to 32 bits.
inline std::int32_t wrapped(double exact) {
  const double turns = std::floor(exact / 4294967296.0);
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(exact - turns * 4294967296.0));
}

}  // namespace flashtile::reference
