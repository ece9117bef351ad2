// Who runs a kernel on a CPU: a simdgroup is one thread with its vectors of lanes, a threadgroup is N such
// threads.
//
// A CPU has no lanes to name: the lane functions of Metal (simd_shuffle, simd_sum, ...) belong to lane code,
// which lives in primitives/<backend>/, and this backend has none. Kernel text speaks for the simdgroup with
// the functions below.
#pragma once

#include <cstdint>

#include "flashtile/detail/threadgroup_on_cpu.h"

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {

/// Which simdgroup of its threadgroup runs this code: 0 ... kSimdgroups - 1.
inline int simdgroup_index_in_threadgroup() { return ::flashtile::detail::simdgroup_index_on_cpu(); }

/// All simdgroups of the threadgroup meet here; what they wrote before is seen by all after.
inline void threadgroup_barrier(mem_flags = mem_flags::mem_threadgroup) {
  ::flashtile::detail::threadgroup_barrier_on_cpu();
}

/// The same among the lanes of one simdgroup, which on a CPU are one thread.
inline void simdgroup_barrier(mem_flags = mem_flags::mem_threadgroup) {}

/// Calls f(i) once for each i in [0, count), spread over the simdgroups of Scope. No barrier.
template <class Scope, class F>
inline void for_each_index(Scope, int count, F f) {
  const bool shared = Scope::simdgroups > 1;
  for (int i = shared ? simdgroup_index_in_threadgroup() : 0; i < count; i += shared ? Scope::simdgroups : 1)
    f(i);
}

/// Calls f(i) once for each i in [0, count) on this simdgroup; the calls may run side by side on its lanes.
template <class F>
inline void simd_for_each_index(int count, F f) {
  for (int i = 0; i < count; ++i) f(i);
}

/// Bit r, 0 <= r < Rows: does f(r, i) hold for some i in [0, count)? The whole simdgroup gets the answer.
template <int Rows, class F>
inline std::uint32_t simd_rows_with_any(int count, F f) {
  static_assert(Rows <= 32, "simd_rows_with_any: one bit a row");
  std::uint32_t rows = 0;
  for (int r = 0; r < Rows; ++r) {
    bool any = false;
    for (int i = 0; i < count; ++i) any |= f(r, i);
    rows |= std::uint32_t{any} << r;
  }
  return rows;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives
