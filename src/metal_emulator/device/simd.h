// Barriers, and the functions of a simdgroup and of a quadgroup (<metal_simdgroup>, <metal_quadgroup>). Each lane gives its
// argument, the last to arrive computes for all that came together.
#pragma once

#include "simd_work.h"

namespace metal {

enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint(a) | uint(b)); }

METAL_UNCHECKED inline void threadgroup_barrier(mem_flags flags, METAL_HERE) {
  metal_device::runtime->wait(metal_device::Wait::threadgroup_barrier, uint(flags), nullptr, nullptr,
                              METAL_SITE("threadgroup_barrier"));
}
METAL_UNCHECKED inline void simdgroup_barrier(mem_flags flags, METAL_HERE) {
  metal_device::runtime->wait(metal_device::Wait::simdgroup_barrier, uint(flags), nullptr, nullptr,
                              METAL_SITE("simdgroup_barrier"));
}

#define METAL_SHUFFLE(prefix, width, name, From, uniform)                                                   \
  template <class T>                                                                                        \
  METAL_UNCHECKED T prefix##_##name(T value, ushort number, METAL_HERE) {                                   \
    return simd_detail::exchange(simd_detail::Slot<T>{value, value, number}, METAL_SITE(#prefix "_" #name), \
                                 simd_detail::Shuffle<simd_detail::From, width, uniform>());                \
  }
#define METAL_REDUCE(prefix, width, name, ...)                                                      \
  template <class T>                                                                                \
  METAL_UNCHECKED T prefix##_##name(T value, METAL_HERE) {                                          \
    return simd_detail::exchange(simd_detail::Slot<T>{value, value}, METAL_SITE(#prefix "_" #name), \
                                 simd_detail::__VA_ARGS__);                                         \
  }
#define METAL_FILL(prefix, most, name, up)                                                            \
  template <class T>                                                                                  \
  METAL_UNCHECKED T prefix##_shuffle_and_fill_##name(T value, T fill, ushort by, ushort width = most, \
                                                     METAL_HERE) {                                    \
    return simd_detail::exchange(simd_detail::Slot<T>{value, value, uint(width) << 16 | by, fill},    \
                                 METAL_SITE(#prefix "_shuffle_and_fill_" #name),                      \
                                 simd_detail::ShuffleAndFill<up>());                                  \
  }
#define METAL_VOTE(prefix, width)                                                                             \
  METAL_UNCHECKED inline ulong prefix##_ballot_bits(bool value, const metal_device::Site& site) {             \
    return simd_detail::exchange(simd_detail::Slot<ulong>{value, value}, site, simd_detail::Ballot<width>()); \
  }                                                                                                           \
  struct prefix##_vote {                                                                                      \
    using vote_t = ulong;                                                                                     \
    constexpr explicit prefix##_vote(vote_t v = 0) : votes(v) {}                                              \
    constexpr explicit operator vote_t() const { return votes; }                                              \
    constexpr bool all() const { return votes == (width == 32 ? 0xfffffffful : 0xful); }                      \
    constexpr bool any() const { return votes != 0; }                                                         \
    vote_t votes;                                                                                             \
  };                                                                                                          \
  METAL_UNCHECKED inline prefix##_vote prefix##_ballot(bool value, METAL_HERE) {                              \
    return prefix##_vote(prefix##_ballot_bits(value, METAL_SITE(#prefix "_ballot")));                         \
  }                                                                                                           \
  METAL_UNCHECKED inline prefix##_vote prefix##_active_threads_mask(METAL_HERE) {                             \
    return prefix##_vote(prefix##_ballot_bits(true, METAL_SITE(#prefix "_active_threads_mask")));             \
  }                                                                                                           \
  METAL_UNCHECKED inline bool prefix##_any(bool value, METAL_HERE) {                                          \
    return prefix##_ballot_bits(value, METAL_SITE(#prefix "_any")) != 0;                                      \
  }                                                                                                           \
  METAL_UNCHECKED inline bool prefix##_all(bool value, METAL_HERE) {                                          \
    return prefix##_ballot_bits(!value, METAL_SITE(#prefix "_all")) == 0;                                     \
  }                                                                                                           \
  METAL_UNCHECKED inline bool prefix##_is_first(METAL_HERE) {                                                 \
    const uint me = metal_device::lane_id();                                                                  \
    return simd_detail::exchange(simd_detail::Slot<uint>{me, me}, METAL_SITE(#prefix "_is_first"),            \
                                 simd_detail::First<width>()) == me;                                          \
  }
#define METAL_GROUP(prefix, width)                                                                  \
  METAL_SHUFFLE(prefix, width, shuffle, FromLane, false)                                            \
  METAL_SHUFFLE(prefix, width, broadcast, FromLane, true)                                           \
  METAL_SHUFFLE(prefix, width, shuffle_xor, FromXor, true)                                          \
  METAL_SHUFFLE(prefix, width, shuffle_up, FromUp, true)                                            \
  METAL_SHUFFLE(prefix, width, shuffle_down, FromDown, true)                                        \
  METAL_SHUFFLE(prefix, width, shuffle_rotate_up, FromRotateUp<width>, true)                        \
  METAL_SHUFFLE(prefix, width, shuffle_rotate_down, FromRotateDown<width>, true)                    \
  METAL_FILL(prefix, width, up, true)                                                               \
  METAL_FILL(prefix, width, down, false)                                                            \
  METAL_REDUCE(prefix, width, broadcast_first, First<width>())                                      \
  METAL_REDUCE(prefix, width, sum, Reduce<simd_detail::Sum, width>())                               \
  METAL_REDUCE(prefix, width, product, Reduce<simd_detail::Product, width>())                       \
  METAL_REDUCE(prefix, width, min, Reduce<simd_detail::Min, width>())                               \
  METAL_REDUCE(prefix, width, max, Reduce<simd_detail::Max, width>())                               \
  METAL_REDUCE(prefix, width, and, Reduce<simd_detail::And, width>())                               \
  METAL_REDUCE(prefix, width, or, Reduce<simd_detail::Or, width>())                                 \
  METAL_REDUCE(prefix, width, xor, Reduce<simd_detail::Xor, width>())                               \
  METAL_REDUCE(prefix, width, prefix_inclusive_sum, Scan<simd_detail::Sum, width, true>())          \
  METAL_REDUCE(prefix, width, prefix_exclusive_sum, Scan<simd_detail::Sum, width, false>())         \
  METAL_REDUCE(prefix, width, prefix_inclusive_product, Scan<simd_detail::Product, width, true>())  \
  METAL_REDUCE(prefix, width, prefix_exclusive_product, Scan<simd_detail::Product, width, false>()) \
  METAL_VOTE(prefix, width)
METAL_GROUP(simd, 32)
METAL_GROUP(quad, 4)
namespace private_names {
METAL_GROUP(__metal_simd, 32)
METAL_GROUP(__metal_quad, 4)
}  // namespace private_names
#undef METAL_GROUP
#undef METAL_VOTE
#undef METAL_FILL
#undef METAL_REDUCE
#undef METAL_SHUFFLE

}  // namespace metal

using namespace metal::private_names;
inline uint __metal_get_simdgroup_size(uint = 0) { return metal_device::kLanes; }
METAL_UNCHECKED inline uint __metal_get_thread_index_in_simdgroup(uint) { return metal_device::lane_id(); }
METAL_UNCHECKED inline uint __metal_get_thread_index_in_simdgroup() { return metal_device::lane_id(); }
