// What the last lane to arrive does for all: shuffles, reductions, scans and votes, for groups of 32 lanes or 4.
#pragma once

#include "function_names.h"

namespace metal::simd_detail {

/// What one lane gives and gets.
template <class T>
struct Slot {
  T in, out;
  uint number = 0;  // a lane, a distance or a mask
  T fill{};
  metal_device::Site site{};
};

/// Of the lanes that came: their slots, by lane.
template <class T>
struct Lanes {
  Slot<T>* const* slots;
  uint active;
  METAL_UNCHECKED bool has(uint lane) const { return lane < metal_device::kLanes && (active >> lane & 1) != 0; }
  METAL_UNCHECKED Slot<T>& operator[](uint lane) const { return *slots[lane]; }
};

template <class T, class Work>
METAL_UNCHECKED T exchange(Slot<T> slot, const metal_device::Site& site, Work) {
  slot.out = slot.in;
  slot.site = site;
  const auto operation = [](void* const* arguments, uint active) METAL_UNCHECKED {
    Work()(Lanes<T>{reinterpret_cast<Slot<T>* const*>(arguments), active});
  };
  metal_device::runtime->wait(metal_device::Wait::active_lanes, 0, operation, &slot, site);
  return slot.out;
}

/// Every lane reads the lane that From names; one that is not there is an error, a number outside the group is a lane's own.
template <class From, uint width, bool uniform>
struct Shuffle {
  template <class T>
  METAL_UNCHECKED void operator()(Lanes<T> lanes) const {
    const uint first = uint(__builtin_ctz(lanes.active));
    for (uint lane = 0; lane < metal_device::kLanes; ++lane) {
      if (!lanes.has(lane)) continue;
      Slot<T>& slot = lanes[lane];
      if (uniform && slot.number != lanes[first].number)
        metal_device::runtime->fail(
            "simd.not_uniform", slot.site,
            "%s: lane %u gives %u and lane %u gives %u; this argument must be the same in every lane",
            slot.site.what, first, lanes[first].number, lane, slot.number);
      const uint group = lane / width * width;
      const int from = From()(int(lane - group), int(slot.number));
      if (from < 0 || from >= int(width)) continue;
      if (!lanes.has(group + uint(from)))
        metal_device::runtime->fail(
            "simd.inactive_lane", slot.site,
            "%s: lane %u reads lane %u, which has returned or is elsewhere; its value is undefined",
            slot.site.what, lane, group + uint(from));
      slot.out = lanes[group + uint(from)].in;
    }
  }
};

/// A segment of the fill variants: lanes that would read outside it read `fill` of the lane that a rotation would.
template <bool up>
struct ShuffleAndFill {
  template <class T>
  METAL_UNCHECKED void operator()(Lanes<T> lanes) const {
    for (uint lane = 0; lane < metal_device::kLanes; ++lane) {
      if (!lanes.has(lane)) continue;
      const uint width = lanes[lane].number >> 16, by = lanes[lane].number & 0xffff;
      const uint segment = lane / width * width, local = lane - segment;
      const bool inside = up ? local >= by : local + by < width;
      const uint from = segment + (up ? (local + width - by % width) % width : (local + by) % width);
      if (!lanes.has(from))
        metal_device::runtime->fail(
            "simd.inactive_lane", lanes[lane].site,
            "%s: lane %u reads lane %u, which has returned or is elsewhere; its value is undefined",
            lanes[lane].site.what, lane, from);
      lanes[lane].out = inside ? lanes[from].in : lanes[from].fill;
    }
  }
};

/// Halves are folded onto each other: lanes 16, 8, 4, 2 and 1 apart, in this order.
template <class Op, uint width>
struct Reduce {
  template <class T>
  METAL_UNCHECKED void operator()(Lanes<T> lanes) const {
    for (uint group = 0; group < metal_device::kLanes; group += width) {
      T values[width];
      for (uint i = 0; i < width; ++i)
        values[i] = lanes.has(group + i) ? lanes[group + i].in : Op::template identity<T>();
      for (uint half_width = width / 2; half_width > 0; half_width /= 2)
        for (uint i = 0; i < half_width; ++i) values[i] = Op()(values[i], values[i + half_width]);
      for (uint i = 0; i < width; ++i)
        if (lanes.has(group + i)) lanes[group + i].out = values[0];
    }
  }
};

/// Lane after lane.
template <class Op, uint width, bool inclusive>
struct Scan {
  template <class T>
  METAL_UNCHECKED void operator()(Lanes<T> lanes) const {
    T sum = Op::template identity<T>();
    for (uint lane = 0; lane < metal_device::kLanes; ++lane) {
      if (lane % width == 0) sum = Op::template identity<T>();
      if (!lanes.has(lane)) continue;
      const T next = Op()(sum, lanes[lane].in);
      lanes[lane].out = inclusive ? next : sum;
      sum = next;
    }
  }
};

template <uint width>
struct First {
  template <class T>
  METAL_UNCHECKED void operator()(Lanes<T> lanes) const {
    for (uint lane = 0; lane < metal_device::kLanes; ++lane) {
      if (!lanes.has(lane)) continue;
      uint first = lane / width * width;
      while (!lanes.has(first)) ++first;
      lanes[lane].out = lanes[first].in;
      lanes[lane].number = first;
    }
  }
};

/// Which lanes give a true value, as bits of the own group.
template <uint width>
struct Ballot {
  METAL_UNCHECKED void operator()(Lanes<ulong> lanes) const {
    ulong votes = 0;
    for (uint lane = 0; lane < metal_device::kLanes; ++lane)
      if (lanes.has(lane) && lanes[lane].in != 0) votes |= 1ul << lane;
    for (uint lane = 0; lane < metal_device::kLanes; ++lane)
      if (lanes.has(lane))
        lanes[lane].out = votes >> (lane / width * width) & (width == 32 ? 0xfffffffful : 0xful);
  }
};

template <class T>
struct scalar_of {
  using type = T;
};
template <class T, int N>
struct scalar_of<vec<T, N>> {
  using type = T;
};
#define METAL_FOLD(Name, value, start)             \
  struct Name {                                    \
    template <class T>                             \
    METAL_UNCHECKED T operator()(T a, T b) const { \
      return T(value);                             \
    }                                              \
    template <class T>                             \
    METAL_UNCHECKED static T identity() {          \
      using S = typename scalar_of<T>::type;       \
      using L = numeric_limits<S>;                 \
      return T(S(start));                          \
    }                                              \
  };
METAL_FOLD(Sum, a + b, 0)
METAL_FOLD(Product, a* b, 1)
METAL_FOLD(Min, min(a, b), (L::has_infinity ? L::infinity() : L::max()))
METAL_FOLD(Max, max(a, b), (L::has_infinity ? S(-L::infinity()) : L::lowest()))
#undef METAL_FOLD
// Of floats it is their bits, which __metal_simd_xor and the like take too.
template <class S>
using bits_t = conditional_t<sizeof(S) == 4, uint, ushort>;
#define METAL_FOLD(Name, op, start)                                                   \
  struct Name {                                                                       \
    template <class T>                                                                \
    METAL_UNCHECKED T operator()(T a, T b) const {                                    \
      if constexpr (!is_floating_point_v<typename scalar_of<T>::type>)                \
        return T(a op b);                                                             \
      else if constexpr (Vector<T>)                                                   \
        return zip([](auto x, auto y) { return Name()(x, y); }, a, b);                \
      else                                                                            \
        return as_type<T>(bits_t<T>(as_type<bits_t<T>>(a) op as_type<bits_t<T>>(b))); \
    }                                                                                 \
    template <class T>                                                                \
    METAL_UNCHECKED static T identity() {                                             \
      using S = typename scalar_of<T>::type;                                          \
      if constexpr (is_floating_point_v<S>)                                           \
        return T(as_type<S>(bits_t<S>(start)));                                       \
      else                                                                            \
        return T(S(start));                                                           \
    }                                                                                 \
  };
METAL_FOLD(And, &, ~0)
METAL_FOLD(Or, |, 0)
METAL_FOLD(Xor, ^, 0)
#undef METAL_FOLD

struct FromLane {
  int operator()(int, int n) const { return n; }
};
struct FromXor {
  int operator()(int lane, int n) const { return lane ^ n; }
};
struct FromUp {
  int operator()(int lane, int n) const { return lane - n; }
};
struct FromDown {
  int operator()(int lane, int n) const { return lane + n; }
};
template <int width>
struct FromRotateUp {
  int operator()(int lane, int n) const { return (lane + width - n % width) % width; }
};
template <int width>
struct FromRotateDown {
  int operator()(int lane, int n) const { return (lane + n) % width; }
};

}  // namespace metal::simd_detail
