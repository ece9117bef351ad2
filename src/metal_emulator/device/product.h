// Matrix products as Apple's GPUs round them. Compiled with each kernel file, so that they run at the host's full speed.
#pragma once

#include "runtime.h"

namespace metal_device {

/// c += a (M, K) · b (K, N): one chain of fused multiply-adds an element, k ascending, as GPUs before the M5 were measured to do.
METAL_UNCHECKED inline void multiply_sequential(float* __restrict c, const float* a, const float* b, int m,
                                                int n, int k) {
  for (int i = 0; i < m; ++i) {
    for (int l = 0; l < k; ++l) {
      const float left = a[i * k + l];
      for (int j = 0; j < n; ++j) c[i * n + j] = __builtin_fmaf(left, b[l * n + j], c[i * n + j]);
    }
  }
}

/// One element as the M5's unit of 16 products computes it: pairs are added, then sums four apart, then the four one by one.
METAL_UNCHECKED inline float tree_sum(const float* a, const float* b, int n, int k) {
  constexpr int kChunk = 16;
  float sum = 0;
  for (int first = 0; first < k; first += kChunk) {
    const auto product = [&](int l) METAL_UNCHECKED {
      return first + l < k ? double(a[first + l]) * double(b[(first + l) * n]) : 0.0;
    };
    float pairs[kChunk / 2];
    for (int i = 0; i < kChunk / 2; ++i) pairs[i] = float(product(2 * i) + product(2 * i + 1));
    for (int j = 0; j < kChunk / 4; ++j) sum += pairs[j] + pairs[j + kChunk / 4];
  }
  return sum;
}

/// c (M, N) = c or 0 + a (M, K) · b (K, N), row-major, by the launch's numerics.
METAL_UNCHECKED inline void multiply(float* c, const float* a, const float* b, int m, int n, int k,
                                     bool accumulate) {
  if (runtime->numerics() == Numerics::sequential) {
    if (!accumulate) __builtin_memset(c, 0, size_t(m) * n * sizeof *c);
    return multiply_sequential(c, a, b, m, n, k);
  }
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j)
      c[i * n + j] = tree_sum(a + i * k, b + j, n, k) + (accumulate ? c[i * n + j] : 0.0f);
}

/// Integers wrap.
METAL_UNCHECKED inline void multiply(int32_t* c, const int32_t* a, const int32_t* b, int m, int n, int k,
                                     bool accumulate) {
  if (!accumulate) __builtin_memset(c, 0, size_t(m) * n * sizeof *c);
  for (int i = 0; i < m; ++i)
    for (int l = 0; l < k; ++l)
      for (int j = 0; j < n; ++j)
        c[i * n + j] = int32_t(uint32_t(c[i * n + j]) + uint32_t(a[i * k + l]) * uint32_t(b[l * n + j]));
}

}  // namespace metal_device
