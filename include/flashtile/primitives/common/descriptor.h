// Descriptors and scopes of matmul2d: plain values that name a product and the threads that compute it.
// Included by primitives.h for the CPU and CUDA backends.
#pragma once

#include <cstdint>

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Take k from the operands' extents at run time. Negative values and INT_MAX mean the same.
inline constexpr int dynamic_length = -1;

/// Shape, transposes and mode of one product D = A B or D += A B.
///
/// m, n                 rows and columns of the tile of D that one run computes, for the whole scope
/// k                    contraction length; a static k must not exceed the operands' extents
/// transpose_left,
/// transpose_right      the operand is stored transposed (see the table of extents in matmul2d_contract.h)
/// relaxed_precision    float operands may be rounded to TF32 where that is faster
struct matmul2d_descriptor {
  enum class mode : int { multiply, multiply_accumulate };

  int m, n, k;
  bool transpose_left, transpose_right, relaxed_precision;
  mode matmul_mode;

  FLASHTILE_HOST_DEVICE constexpr matmul2d_descriptor(int m_, int n_, int k_ = dynamic_length,
                                                      bool transpose_left_ = false,
                                                      bool transpose_right_ = false,
                                                      bool relaxed_precision_ = false,
                                                      mode matmul_mode_ = mode::multiply)
      : m(m_),
        n(n_),
        k(k_),
        transpose_left(transpose_left_),
        transpose_right(transpose_right_),
        relaxed_precision(relaxed_precision_),
        matmul_mode(matmul_mode_) {}

  FLASHTILE_HOST_DEVICE constexpr bool has_static_k() const { return k > 0 && k != 0x7fffffff; }
  FLASHTILE_HOST_DEVICE constexpr bool accumulates() const { return matmul_mode == mode::multiply_accumulate; }
};

/// N simdgroups together. N is 1 or the threadgroup's whole count.
template <int N>
struct execution_simdgroups {
  static_assert(N >= 1, "execution_simdgroups: at least one simdgroup");
  static constexpr int simdgroups = N;
};
using execution_simdgroup = execution_simdgroups<1>;

/// One thread alone; its results are its own.
struct execution_thread {
  static constexpr int simdgroups = 0;
};

enum class reduction_operation : int { sum, max, min };

/// Neutral elements. As in Metal, reduce_* defaults to the identity of a sum whatever the
/// operation: a trap for max and min.
template <class T>
struct reduction_operation_identity;
template <>
struct reduction_operation_identity<float> {
  static constexpr float sum_identity = 0.0f, max_identity = -3.402823466e38f, min_identity = 3.402823466e38f;
};
template <>
struct reduction_operation_identity<std::int32_t> {
  static constexpr std::int32_t sum_identity = 0, max_identity = -2147483647 - 1, min_identity = 2147483647;
};

enum class mem_flags : int { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
