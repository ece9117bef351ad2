// Who runs a kernel: scopes, barriers, and work that the lanes of a simdgroup share. Included by metal/primitives.h.
#pragma once

#include "flashtile/primitives/metal/math.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

#if __METAL_VERSION__ >= 400
using ::metal::execution_simdgroup;
using ::metal::execution_simdgroups;
using ::metal::execution_thread;
#else
template <int N>
struct execution_simdgroups {};
using execution_simdgroup = execution_simdgroups<1>;
#endif

using ::metal::mem_flags;
using ::metal::simdgroup_barrier;
using ::metal::threadgroup_barrier;
inline void threadgroup_barrier() { threadgroup_barrier(mem_flags::mem_threadgroup); }
inline void simdgroup_barrier() { simdgroup_barrier(mem_flags::mem_threadgroup); }

enum class reduction_operation : int { sum, max, min };

/// Neutral elements. As in Metal, reduce_rows defaults to the identity of a sum whatever the operation.
template <class T>
struct reduction_operation_identity {
  static constexpr constant T sum_identity = T(0);
  static constexpr constant T max_identity = ::metal::numeric_limits<T>::lowest();
  static constexpr constant T min_identity = ::metal::numeric_limits<T>::max();
};

#if !defined(FLASHTILE_SEVERAL_SIMDGROUPS)
/// Always 0: see metal/primitives.h.
inline int simdgroup_index_in_threadgroup() { return 0; }
#endif

namespace detail {

inline int lane() { return static_cast<int>(__metal_get_thread_index_in_simdgroup(ushort())); }

template <class Scope>
struct is_one_simdgroup {
  static constexpr constant bool value = false;
};
template <>
struct is_one_simdgroup<execution_simdgroup> {
  static constexpr constant bool value = true;
};
template <class Scope>
struct is_one_thread {
  static constexpr constant bool value = false;
};
#if __METAL_VERSION__ >= 400
template <>
struct is_one_thread<execution_thread> {
  static constexpr constant bool value = true;
};
#endif

inline float combine(reduction_operation operation, float a, float b) {
  switch (operation) {
    case reduction_operation::max: return max(a, b);
    case reduction_operation::min: return min(a, b);
    default: return a + b;
  }
}

}  // namespace detail

/// Calls f(i) once for each i in [0, count), spread over the lanes of the simdgroup.
template <class F>
inline void simd_for_each_index(int count, F f) {
  for (int i = detail::lane(); i < count; i += 32) f(i);
}
template <class Scope, class F>
inline void for_each_index(Scope, int count, F f) {
  static_assert(detail::is_one_simdgroup<Scope>::value, "for_each_index: a threadgroup has one simdgroup here");
  simd_for_each_index(count, f);
}

/// The least and the largest of some integers.
struct int_range {
  int32_t least, most;
};
/// Those of values[0 ... count), of which there is one. The whole simdgroup gets the answer.
template <class P>
inline int_range simd_range_of(P values, int count) {
  int_range range{values[0], values[0]};
  for (int i = detail::lane(); i < count; i += 32) {
    range.least = min(range.least, int32_t(values[i]));
    range.most = max(range.most, int32_t(values[i]));
  }
  return {::metal::simd_min(range.least), ::metal::simd_max(range.most)};
}

/// Bit r, 0 <= r < Rows: is one of values[r * row_stride + 0 ... count) infinite or NaN? Rows from `rows` on are not read.
template <int Rows, class P>
inline uint32_t simd_rows_not_finite(P values, int64_t row_stride, int rows, int count) {
  static_assert(Rows <= 32, "simd_rows_not_finite: one bit a row");
  uint32_t found = 0;
  for (int i = detail::lane(); i < count; i += 32) {
    for (int r = 0; r < Rows && r < rows; ++r) {
      const float x = static_cast<float>(values[r * row_stride + i]);
      found |= static_cast<uint32_t>(!(x - x == 0.0f)) << r;
    }
  }
  return ::metal::simd_or(found);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
