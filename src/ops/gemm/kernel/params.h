// The parameters of every matrix product kernel: plain data, the same for host and device of every backend.
//
// Letters used by kernel text: C (M, N) = alpha * A (M, K) B (K, N) + beta * C.
#pragma once

#include <stdint.h>

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::kernels {

enum class GemmOutput : int32_t { f32, f16, bf16, i32 };

struct GemmParams {
  FT_DEVICE const void* a;
  FT_DEVICE const void* b;
  FT_DEVICE void* c;
  int64_t a_stride, b_stride, c_stride;  ///< elements from one contiguous line of a matrix to the next
  int32_t m, n, k;
  GemmOutput c_type;
  float alpha, beta;
};

}  // namespace flashtile::inline v0_2::kernels
