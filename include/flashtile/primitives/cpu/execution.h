// Who runs a kernel on a CPU: a simdgroup is one thread with its vectors of lanes, a
// threadgroup is N such threads.
//
// A CPU has no lanes to name: the lane functions of Metal (simd_shuffle, simd_sum, ...) are for code
// in primitives/<backend>/, and this backend does not have them. Kernel text speaks for the
// simdgroup with the functions below.
#pragma once

#include <cstdint>

#include "flashtile/detail/threadgroup_on_cpu.h"
#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Index of the calling simdgroup in its threadgroup: 0 ... kSimdgroups - 1.
inline int simdgroup_index_in_threadgroup() { return ::flashtile::detail::simdgroup_index_on_cpu(); }

/// Barrier of all simdgroups of the threadgroup: what any of them wrote before is seen by all after.
inline void threadgroup_barrier(mem_flags = mem_flags::mem_threadgroup) {
  ::flashtile::detail::threadgroup_barrier_on_cpu();
}

/// The same among the lanes of one simdgroup, which on a CPU are one thread.
inline void simdgroup_barrier(mem_flags = mem_flags::mem_threadgroup) {}

namespace detail {
/// Refuses a scope of several simdgroups that is not the whole threadgroup.
template <class Scope>
inline void check_scope() {
  if constexpr (Scope::simdgroups > 1) ::flashtile::detail::check_scope_on_cpu(Scope::simdgroups);
}
}  // namespace detail

/// Calls f(i) once for each i in [0, count), spread over the simdgroups of Scope. No barrier.
template <class Scope, class F>
inline void for_each_index(Scope, int count, F f) {
  detail::check_scope<Scope>();
  const bool shared = Scope::simdgroups > 1;
  for (int i = shared ? simdgroup_index_in_threadgroup() : 0; i < count; i += shared ? Scope::simdgroups : 1)
    f(i);
}

/// Calls f(i) once for each i in [0, count) on this simdgroup; calls may run at the same time on its lanes.
template <class F>
inline void simd_for_each_index(int count, F f) {
  for (int i = 0; i < count; ++i) f(i);
}

/// The least and the largest of some integers.
struct int_range {
  int32_t least, most;
};
/// Those of values[0 ... count), of which there is one. The whole simdgroup gets the answer.
inline int_range simd_range_of(const int32_t* values, int count) {
  ints low = values[0], high = values[0];
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    low = min(low, ints::load(values + i));
    high = max(high, ints::load(values + i));
  }
  int_range range{low[0], high[0]};
  const auto take = [&](int32_t value) {
    if (value < range.least) range.least = value;
    if (value > range.most) range.most = value;
  };
  for (int n = 1; n < kLanes; ++n) take(low[n]), take(high[n]);
  for (; i < count; ++i) take(values[i]);
  return range;
}

/// Bit r, 0 <= r < Rows: is one of values[r * row_stride + 0 ... count) infinite or NaN? The whole simdgroup
/// gets the answer. Rows from `rows` on are not read.
template <int Rows, class T>
inline std::uint32_t simd_rows_not_finite(const T* values, std::int64_t row_stride, int rows, int count) {
  static_assert(Rows <= 32, "simd_rows_not_finite: one bit a row");
  std::uint32_t found = 0;
  for (int r = 0; r < rows && r < Rows; ++r, values += row_stride) {
    bools finite = true;
    for (int i = 0; i < count; i += kLanes) {
      const floats x =
          count - i >= kLanes ? load_lanes<float>(values + i) : load_lanes<float>(values + i, count - i);
      finite = finite & (x - x == floats(0.0f));
    }
    found |= std::uint32_t{any(!finite)} << r;
  }
  return found;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
