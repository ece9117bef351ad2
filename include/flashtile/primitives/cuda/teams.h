// Teams of simdgroups that do different work side by side in one threadgroup: who is in which, where they meet,
// whose turn it is, and how they share the registers. Ours, for Hopper and later. Included by
// cuda/primitives.h.
#pragma once

#include "flashtile/primitives/cuda/execution.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Which team of N simdgroups this one is in: 0 for the first N of the threadgroup. The exchange tells the
/// compiler that all lanes have the same number, so that addresses made of it live in the registers that all
/// lanes share.
template <int N>
FT_FUNCTION int team_index_in_threadgroup() {
  return static_cast<int>(__shfl_sync(0xffffffffu, threadIdx.x / (N * kSimdWidth), 0));
}

/// Is this the one thread that speaks for its team of N simdgroups?
template <int N>
FT_FUNCTION bool team_is_first() {
  return threadIdx.x % (N * kSimdWidth) == 0;
}

/// One of the barriers of a threadgroup, for Simdgroups of its simdgroups, counting those that arrive and those
/// that wait. Barrier 0 is threadgroup_barrier's.
template <int Simdgroups>
struct named_barrier {
  int number;  ///< 1 ... 15

  /// Arrives, and waits for the others; memory written before is seen after.
  FT_FUNCTION void wait() const {
    asm volatile("bar.sync %0, %1;" ::"r"(number), "n"(Simdgroups * kSimdWidth) : "memory");
  }
  /// Arrives and goes on.
  FT_FUNCTION void arrive() const {
    asm volatile("bar.arrive %0, %1;" ::"r"(number), "n"(Simdgroups * kSimdWidth) : "memory");
  }
};

/// Teams of N simdgroups each take turns, in a ring: between take() and pass() the others wait for theirs. One
/// barrier a team, from FirstBarrier on.
template <int Teams, int N, int FirstBarrier>
struct team_turns {
  static_assert(Teams >= 2, "team_turns: one team needs no turns");
  static_assert(FirstBarrier >= 1 && FirstBarrier + Teams <= 16, "team_turns: barriers are 1 to 15");
  int team;  ///< 0 ... Teams - 1

  /// Once, before the first take(): team 0 comes first.
  FT_FUNCTION void start() const {
    if (team == Teams - 1) pass();
  }
  FT_FUNCTION void take() const { named_barrier<2 * N>{FirstBarrier + team}.wait(); }
  FT_FUNCTION void pass() const {
    named_barrier<2 * N>{FirstBarrier + (team == Teams - 1 ? 0 : team + 1)}.arrive();
  }
};

/// Gives registers of this team's threads back to the threadgroup, until each has Count.
///
/// Scope  all threads of four adjacent simdgroups; the kernel is one if/else over the teams, each side of which
///        sets its
///        own budget once. Together the teams may have what the launch gave: 65536 / threads for each thread.
template <int Count>
FT_FUNCTION void give_registers() {
  static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "registers: a multiple of 8 from 24 to 256");
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}
/// Takes registers that others have given, until each thread of this team has Count; waits for them.
template <int Count>
FT_FUNCTION void take_registers() {
  static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "registers: a multiple of 8 from 24 to 256");
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
