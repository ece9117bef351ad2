// Teams of simdgroups in one threadgroup: who is in which, turns, register budgets, and rings of stages between
// them.
#include "tests/primitives/sm90/harness.h"

namespace flashtile::test {
namespace {

/// Each thread says its team, whether it speaks for it, and its place among the team's threads.
struct WhoAmI {
  struct Params {
    int* team;
    int* first;
    int* thread;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 12;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    const int me = static_cast<int>(threadIdx.x);
    p.team[me] = team_index_in_threadgroup<4>();
    p.first[me] = team_is_first<4>() ? 1 : 0;
    for_each_index(execution_team<4>{}, 128, [&](int i) { p.thread[me] = i; });
  }
};
TEST(Teams, AreAdjacentSimdgroups) {
  SKIP_WITHOUT_HOPPER();
  const Array<int> team(384, -1), first(384, -1), thread(384, -1);
  run<WhoAmI>({team.data(), first.data(), thread.data()});
  for (int i = 0; i < 384; ++i) {
    EXPECT_EQ(team.read()[i], i / 128);
    EXPECT_EQ(first.read()[i], i % 128 == 0 ? 1 : 0);
    EXPECT_EQ(thread.read()[i], i % 128);
  }
}

/// Three teams write their number into a log, one after the other.
struct TakesTurns {
  struct Params {
    int* log;
    std::uint32_t* next;
    int rounds;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 12;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    const team_turns<3, 4, 1> turns{team_index_in_threadgroup<4>()};
    turns.start();
    for (int round = 0; round < p.rounds; ++round) {
      turns.take();
      if (team_is_first<4>()) p.log[atomic_fetch_add(*p.next, 1u)] = turns.team;
      turns.pass();
    }
    if (turns.team == 0) turns.take();  // the last pass of team 2 is nobody's else
  }
};
TEST(Teams, TakeTurnsInARing) {
  SKIP_WITHOUT_HOPPER();
  const int rounds = 100;
  const Array<int> log(3 * rounds, -1);
  const Array<std::uint32_t> next(1, 0u);
  run<TakesTurns>({log.data(), next.data(), rounds});
  const auto order = log.read();
  for (int i = 0; i < 3 * rounds; ++i) ASSERT_EQ(order[i], i % 3) << "turn " << i;
}

/// A team of one thread hands numbers to two teams through a ring of two stages; those add them up, each thread
/// its own.
struct PassesNumbers {
  struct Params {
    std::uint32_t* sums;
    std::uint32_t count;
  };
  struct Threadgroup {
    stage_ring<2> ring;
    std::uint32_t number[2];
  };
  static constexpr int kSimdgroups = 12;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    if (threadIdx.x == 0) {
      memory.ring.init(1, 8);
      publish_barriers();
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (team_index_in_threadgroup<4>() == 0) {
      give_registers<40>();
      if (team_is_first<4>()) {
        for (std::uint32_t i = 0; i < p.count; ++i) {
          memory.ring.wait_empty(i);
          memory.number[memory.ring.stage(i)] = i * i + 1;
          memory.ring.filled(i);
        }
      }
    } else {
      take_registers<232>();
      std::uint32_t sum = 0;
      for (std::uint32_t i = 0; i < p.count; ++i) {
        memory.ring.wait_filled(i);
        sum += memory.number[memory.ring.stage(i)];
        memory.ring.release_by_simdgroup(i);
      }
      p.sums[threadIdx.x - 128] = sum;
    }
  }
};
TEST(StageRing, HandsEveryItemToEveryReaderOnce) {
  SKIP_WITHOUT_HOPPER();
  for (const std::uint32_t count : {0u, 1u, 2u, 3u, 1000u}) {
    const Array<std::uint32_t> sums(256, 99u);
    run<PassesNumbers>({sums.data(), count});
    std::uint32_t expected = 0;
    for (std::uint32_t i = 0; i < count; ++i) expected += i * i + 1;
    for (const std::uint32_t sum : sums.read()) ASSERT_EQ(sum, expected) << count << " items";
  }
}

struct Counts {
  struct Params {
    std::uint32_t* counter;
    std::uint32_t* seen;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 4;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition) {
    p.seen[atomic_fetch_add(*p.counter, 1u)] += 1;
  }
};
TEST(Atomics, FetchAddGivesEachNumberOnce) {
  SKIP_WITHOUT_HOPPER();
  const Array<std::uint32_t> counter(1, 0u), seen(128 * 50, 0u);
  run<Counts>({counter.data(), seen.data()}, {50, 1, 1});
  EXPECT_EQ(counter.read()[0], 128u * 50u);
  for (const std::uint32_t times : seen.read()) ASSERT_EQ(times, 1u);
}

}  // namespace
}  // namespace flashtile::test
