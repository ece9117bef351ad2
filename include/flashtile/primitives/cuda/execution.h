// A thread's position, barriers, and functions of the 32 lanes of a simdgroup (a warp). Included by
// cuda/primitives.h. Threadgroups are one-dimensional, and all lanes of a simdgroup must call its functions.
#pragma once

#include <cstdint>

#include "flashtile/primitives/common/descriptor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

inline constexpr int kSimdWidth = 32;

/// This thread's lane, 0 ... 31.
FT_FUNCTION int thread_index_in_simdgroup() { return static_cast<int>(threadIdx.x % kSimdWidth); }
FT_FUNCTION int simdgroup_index_in_threadgroup() { return static_cast<int>(threadIdx.x / kSimdWidth); }
FT_FUNCTION int simdgroups_per_threadgroup() { return static_cast<int>(blockDim.x / kSimdWidth); }

/// Waits for every thread of the threadgroup; memory written before is seen after, whatever the flags.
FT_FUNCTION void threadgroup_barrier(mem_flags = mem_flags::mem_threadgroup) { __syncthreads(); }
FT_FUNCTION void simdgroup_barrier(mem_flags = mem_flags::mem_threadgroup) { __syncwarp(); }

/// A scope of N adjacent simdgroups, the first of them at a multiple of N, of a threadgroup that has more: its
/// teams do different work side by side, each with products and tiles of its own (teams.h). Ours.
template <int N>
struct execution_team {
  static_assert(N == 1 || N == 2 || N == 4 || N == 8, "execution_team: 1, 2, 4 or 8 simdgroups");
  static constexpr int simdgroups = N;
};

namespace detail {
template <class Scope>
inline constexpr bool is_team = false;
template <int N>
inline constexpr bool is_team<execution_team<N>> = true;

/// Traps for a scope of several simdgroups that is neither the whole threadgroup nor a team that fits into it. launch
/// tells the compiler how many simdgroups there are, so that nothing of this is left in a kernel that is right.
template <class Scope>
FT_FUNCTION void check_scope() {
  if constexpr (is_team<Scope>)
    FT_REFUSE_IF(Scope::simdgroups > simdgroups_per_threadgroup(), "the team is larger than the threadgroup");
  else if constexpr (Scope::simdgroups > 1)
    FT_REFUSE_IF(Scope::simdgroups != simdgroups_per_threadgroup(), "the scope is not the threadgroup");
}

/// Barrier of the threads that work together in a scope.
template <class Scope>
FT_FUNCTION void scope_barrier() {
  static_assert(!is_team<Scope>, "a team meets at a named_barrier of its own");
  if constexpr (Scope::simdgroups == 1) {
    __syncwarp();
  } else if constexpr (Scope::simdgroups > 1) {
    __syncthreads();
  }
}
/// This thread's index among those of a scope, and how many there are.
template <class Scope>
FT_FUNCTION int scope_thread() {
  if constexpr (Scope::simdgroups == 0) return 0;
  constexpr bool kPart = Scope::simdgroups == 1 || is_team<Scope>;
  return static_cast<int>(kPart ? threadIdx.x % (Scope::simdgroups * kSimdWidth) : threadIdx.x);
}
template <class Scope>
inline constexpr int scope_threads = Scope::simdgroups == 0 ? 1 : Scope::simdgroups * kSimdWidth;
}  // namespace detail

/// Calls f(i) once for each i in [0, count), spread over the threads of the scope.
template <class Scope, class F>
FT_FUNCTION void for_each_index(Scope, int count, F f) {
  detail::check_scope<Scope>();
  for (int i = detail::scope_thread<Scope>(); i < count; i += detail::scope_threads<Scope>) f(i);
}
template <class F>
FT_FUNCTION void simd_for_each_index(int count, F f) {
  for_each_index(execution_simdgroup{}, count, f);
}

/// Bit r, 0 <= r < Rows: is one of values[r * row_stride + 0 ... count) infinite or NaN? The same answer
/// in every lane. Rows from `rows` on are not read. A lane loads all rows of its columns before it tests
/// any, so that the loads overlap.
template <int Rows, class T>
FT_FUNCTION std::uint32_t simd_rows_not_finite(const T* values, std::int64_t row_stride, int rows, int count) {
  static_assert(Rows <= 32, "simd_rows_not_finite: one bit a row");
  std::uint32_t found = 0;
  for (int i = thread_index_in_simdgroup(); i < count; i += kSimdWidth) {
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      const float x = r < rows ? static_cast<float>(values[r * row_stride + i]) : 0.0f;
      found |= static_cast<std::uint32_t>(x - x != 0.0f) << r;
    }
  }
  return __reduce_or_sync(0xffffffffu, found);
}

/// The least and the largest of some integers.
struct int_range {
  std::int32_t least, most;
};
/// Those of values[0 ... count), of which there is one. The same answer in every lane.
FT_FUNCTION int_range simd_range_of(const std::int32_t* values, int count) {
  int_range range{values[0], values[0]};
  for (int i = thread_index_in_simdgroup(); i < count; i += kSimdWidth) {
    const std::int32_t value = values[i];
    range.least = value < range.least ? value : range.least;
    range.most = value > range.most ? value : range.most;
  }
  return {__reduce_min_sync(0xffffffffu, range.least), __reduce_max_sync(0xffffffffu, range.most)};
}

/// Adds to a number in device memory that other threads add to as well; returns what it was before. Relaxed.
FT_FUNCTION std::uint32_t atomic_fetch_add(std::uint32_t& number, std::uint32_t more) {
  return ::atomicAdd(&number, more);
}

// Lane-level functions, as in the Metal Shading Language. T is any 32-bit (or smaller) integer or float type.

template <class T>
FT_FUNCTION T simd_shuffle(T value, std::uint16_t lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
template <class T>
FT_FUNCTION T simd_shuffle_xor(T value, std::uint16_t mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
/// Lane L gets the value of lane L - delta; lanes without such a lane keep their own.
template <class T>
FT_FUNCTION T simd_shuffle_up(T value, std::uint16_t delta) {
  return __shfl_up_sync(0xffffffffu, value, delta);
}
template <class T>
FT_FUNCTION T simd_shuffle_down(T value, std::uint16_t delta) {
  return __shfl_down_sync(0xffffffffu, value, delta);
}
template <class T>
FT_FUNCTION T simd_shuffle_rotate_up(T value, std::uint16_t delta) {
  return __shfl_sync(0xffffffffu, value, (thread_index_in_simdgroup() - delta) & 31);
}
template <class T>
FT_FUNCTION T simd_shuffle_rotate_down(T value, std::uint16_t delta) {
  return __shfl_sync(0xffffffffu, value, (thread_index_in_simdgroup() + delta) & 31);
}
/// Within segments of `width` lanes: lane l >= delta gets the value of lane l - delta, lane l < delta the
/// filling value of lane width - delta + l.
template <class T>
FT_FUNCTION T simd_shuffle_and_fill_up(T value, T filling, std::uint16_t delta, std::uint16_t width = 32) {
  const int lane = thread_index_in_simdgroup(), l = lane % width, first = lane - l;
  const T moved = __shfl_sync(0xffffffffu, value, first + (l >= delta ? l - delta : l));
  const T filled = __shfl_sync(0xffffffffu, filling, first + (l < delta ? width - delta + l : l));
  return l >= delta ? moved : filled;
}
template <class T>
FT_FUNCTION T simd_shuffle_and_fill_down(T value, T filling, std::uint16_t delta, std::uint16_t width = 32) {
  const int lane = thread_index_in_simdgroup(), l = lane % width, first = lane - l;
  const bool inside = l < width - delta;
  const T moved = __shfl_sync(0xffffffffu, value, first + (inside ? l + delta : l));
  const T filled = __shfl_sync(0xffffffffu, filling, first + (inside ? l : l + delta - width));
  return inside ? moved : filled;
}
template <class T>
FT_FUNCTION T simd_broadcast(T value, std::uint16_t lane) {
  return simd_shuffle(value, lane);
}
template <class T>
FT_FUNCTION T simd_broadcast_first(T value) {
  return simd_shuffle(value, 0);
}
FT_FUNCTION bool simd_is_first() { return thread_index_in_simdgroup() == 0; }

/// The votes of all lanes, lane 0 in the lowest bit.
struct simd_vote {
  using vote_t = std::uint64_t;
  vote_t lanes;
  FT_FUNCTION bool all() const { return lanes == 0xffffffffu; }
  FT_FUNCTION bool any() const { return lanes != 0; }
  FT_FUNCTION explicit operator vote_t() const { return lanes; }
};
FT_FUNCTION simd_vote simd_ballot(bool condition) { return {__ballot_sync(0xffffffffu, condition)}; }
FT_FUNCTION simd_vote simd_active_threads_mask() { return {0xffffffffu}; }
FT_FUNCTION bool simd_all(bool condition) { return __all_sync(0xffffffffu, condition) != 0; }
FT_FUNCTION bool simd_any(bool condition) { return __any_sync(0xffffffffu, condition) != 0; }

namespace detail {
/// Folds the lanes' values by a butterfly of exchanges at distances 16, 8, 4, 2, 1; every
/// lane gets the same bits.
template <class T, class F>
FT_FUNCTION T simd_fold(T value, F f) {
  FT_UNROLL for (int distance = 16; distance > 0; distance /= 2) {
    value = f(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}
/// Lane L gets the fold of lanes 0 ... L.
template <class T, class F>
FT_FUNCTION T simd_scan(T value, F f) {
  FT_UNROLL for (int distance = 1; distance < kSimdWidth; distance *= 2) {
    const T before = __shfl_up_sync(0xffffffffu, value, distance);
    if (thread_index_in_simdgroup() >= distance) value = f(before, value);
  }
  return value;
}
template <class T>
FT_FUNCTION T simd_exclusive(T scanned, T first) {
  const T before = __shfl_up_sync(0xffffffffu, scanned, 1);
  return thread_index_in_simdgroup() == 0 ? first : before;
}
}  // namespace detail

template <class T>
FT_FUNCTION T simd_sum(T v) {
  return detail::simd_fold(v, [](T a, T b) { return static_cast<T>(a + b); });
}
template <class T>
FT_FUNCTION T simd_product(T v) {
  return detail::simd_fold(v, [](T a, T b) { return static_cast<T>(a * b); });
}
template <class T>
FT_FUNCTION T simd_max(T v) {
  return detail::simd_fold(v, [](T a, T b) { return a < b ? b : a; });
}
template <class T>
FT_FUNCTION T simd_min(T v) {
  return detail::simd_fold(v, [](T a, T b) { return b < a ? b : a; });
}
template <class T>
FT_FUNCTION T simd_and(T v) {
  return detail::simd_fold(v, [](T a, T b) { return static_cast<T>(a & b); });
}
template <class T>
FT_FUNCTION T simd_or(T v) {
  return detail::simd_fold(v, [](T a, T b) { return static_cast<T>(a | b); });
}
template <class T>
FT_FUNCTION T simd_xor(T v) {
  return detail::simd_fold(v, [](T a, T b) { return static_cast<T>(a ^ b); });
}
template <class T>
FT_FUNCTION T simd_prefix_inclusive_sum(T v) {
  return detail::simd_scan(v, [](T a, T b) { return static_cast<T>(a + b); });
}
template <class T>
FT_FUNCTION T simd_prefix_inclusive_product(T v) {
  return detail::simd_scan(v, [](T a, T b) { return static_cast<T>(a * b); });
}
template <class T>
FT_FUNCTION T simd_prefix_exclusive_sum(T v) {
  return detail::simd_exclusive(simd_prefix_inclusive_sum(v), T(0));
}
template <class T>
FT_FUNCTION T simd_prefix_exclusive_product(T v) {
  return detail::simd_exclusive(simd_prefix_inclusive_product(v), T(1));
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
