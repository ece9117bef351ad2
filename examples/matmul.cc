// C = A B with float16 inputs and float32 results, by every way of this machine, compared
// with plain loops in float64.
#include <cmath>
#include <cstdio>
#include <random>

#include "flashtile/error.h"
#include "flashtile/gemm.h"

using namespace flashtile;

Tensor random_matrix(std::int64_t rows, std::int64_t columns, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const Tensor matrix(DType::f16, {rows, columns});
  for (std::int64_t i = 0; i < matrix.size(); ++i) matrix.as<half>()[i] = half(uniform(generator));
  return matrix;
}

struct Errors {
  double relative;    ///< largest |c - exact| over the largest |exact|
  double bound_used;  ///< largest |c - exact| over its own bound: products are exact, each of K sums rounds by
                      ///< 2^-24 at most
};

Errors errors_of(const Tensor& a, const Tensor& b, const Tensor& c) {
  const std::int64_t m = c.shape()[0], n = c.shape()[1], k = a.shape()[1];
  double error = 0, largest = 0, used = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double exact = 0, size = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        const double product = static_cast<double>(a.as<half>()[i * k + l]) * b.as<half>()[l * n + j];
        exact += product;
        size += std::fabs(product);
      }
      const double own = std::fabs(c.as<float>()[i * n + j] - exact);
      error = std::fmax(error, own);
      largest = std::fmax(largest, std::fabs(exact));
      used = std::fmax(used, own / (static_cast<double>(k) * 0x1p-24 * size));
    }
  }
  return {error / largest, used};
}

int main() {
  bool right = true;
  const Dims shapes[] = {{64, 64, 64},   {64, 128, 64}, {128, 64, 64},
                         {128, 128, 64}, {64, 64, 128}, {256, 192, 128}};  // M, N, K
  for (const Dims& shape : shapes) {
    const Tensor a = random_matrix(shape[0], shape[2], 1), b = random_matrix(shape[2], shape[1], 2);
    for (const WayInfo& way : gemm_ways()) {
      const Tensor c(DType::f32, {shape[0], shape[1]});
      try {
        gemm(c, a, b, {.way = way.name});
        const Errors errors = errors_of(a, b, c);
        std::printf("%-16s %-14s max relative error %.1e, %2.0f %% of the error bound   %s\n",
                    to_string(shape).c_str(), way.name.c_str(), errors.relative, 100 * errors.bound_used,
                    errors.bound_used <= 1 ? "ok" : "WRONG");
        right = right && errors.bound_used <= 1;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported) throw;
        std::printf("%-16s %-14s declined: %s\n", to_string(shape).c_str(), way.name.c_str(), error.what());
      }
    }
  }
  return right ? 0 : 1;
}
