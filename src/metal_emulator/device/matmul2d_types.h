// What mpp::tensor_ops::matmul2d takes: its descriptor, execution scopes, and the table of element types.
#pragma once

#include "cooperative_tensor.h"

namespace metal {

/// Threads that an operation is shared by.
template <int n>
struct execution_threads {
  static_assert(n == 1, "an operation is done by one thread, or by whole simdgroups");
  static constexpr int simdgroups = 0;
};
using execution_thread = execution_threads<1>;
template <int n>
struct execution_simdgroups {
  static_assert(n >= 1 && n <= 32, "a threadgroup has 1 to 32 simdgroups");
  static constexpr int simdgroups = n;
};
using execution_simdgroup = execution_simdgroups<1>;

}  // namespace metal

namespace mpp::tensor_ops {

struct matmul2d_descriptor {
  enum class mode { multiply, multiply_accumulate };

  constexpr matmul2d_descriptor(int rows, int columns, int depth = int(metal::dynamic_extent),
                                bool left_is_transposed = false, bool right_is_transposed = false,
                                bool relaxed = false, mode how = mode::multiply)
      : m(rows),
        n(columns),
        k(depth),
        transpose_left(left_is_transposed),
        transpose_right(right_is_transposed),
        relaxed_precision(relaxed),
        matmul_mode(how) {}

  /// Whether k comes from the operands. Headers, the specification and its examples write this in three ways.
  constexpr bool has_dynamic_k() const { return k <= 0 || k == metal::dynamic_length_v<int>; }

  int m, n, k;
  bool transpose_left, transpose_right, relaxed_precision;
  mode matmul_mode;
};

enum class reduction_operation { sum, max, min };

template <class T>
struct reduction_operation_identity {
  static constexpr T sum_identity = T(0);
  static constexpr T max_identity = metal::numeric_limits<T>::lowest();
  static constexpr T min_identity = metal::numeric_limits<T>::max();
};

namespace detail {

using metal::is_one_of;
using metal::is_same_v;

template <class T>
inline constexpr bool is_byte = is_one_of<T, int8_t, uint8_t>;
template <class T>
inline constexpr bool is_signed_bits = is_one_of<T, metal::int4b_format, metal::int2b_format>;
template <class T>
inline constexpr bool is_unsigned_bits = is_one_of<T, metal::uint4b_format, metal::uint2b_format>;
template <class T>
inline constexpr bool is_small_float =
    is_one_of<T, metal::metal_fp4_e2m1_format, metal::metal_fp8_e4m3_format, metal::metal_fp8_e5m2_format>;

/// Float types of operands that may meet, and what the result may be.
template <class L, class R, class D>
constexpr bool floats_allowed() {
  constexpr bool has_float = is_same_v<L, float> || is_same_v<R, float>;
  constexpr bool has_bfloat = is_same_v<L, bfloat> || is_same_v<R, bfloat>;
  constexpr bool has_half = is_same_v<L, half> || is_same_v<R, half>;
  if (is_same_v<D, float>) return true;
  if (has_float) return false;
  return (has_half && is_same_v<D, half>) || (has_bfloat && is_same_v<D, bfloat>);
}

/// Apple's table of (left, right, destination).
template <class L, class R, class D>
constexpr bool is_supported() {
  constexpr bool left_float = is_one_of<L, half, bfloat, float>,
                 right_float = is_one_of<R, half, bfloat, float>;
  if (left_float && right_float) return floats_allowed<L, R, D>();
  if (is_small_float<R>)
    return (is_same_v<L, half> || is_same_v<L, R>) && (is_same_v<D, half> || is_same_v<D, float>);
  if (left_float && (is_signed_bits<R> || is_unsigned_bits<R>))
    return !is_same_v<L, float> && (is_same_v<D, L> || is_same_v<D, float>);
  if (left_float && is_byte<R>) return is_same_v<D, L> || is_same_v<D, float>;
  if (is_byte<L> && right_float) return is_same_v<D, R> || is_same_v<D, float>;
  if (!is_same_v<D, int32_t>) return false;
  return (is_byte<L> && is_same_v<L, R>) || (is_same_v<L, int8_t> && is_signed_bits<R>) ||
         (is_same_v<L, uint8_t> && is_unsigned_bits<R>);
}

}  // namespace detail
}  // namespace mpp::tensor_ops
