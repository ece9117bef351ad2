// run_on_cpu: every threadgroup once, in its own memory, with barriers among its simdgroups
// and exceptions brought home.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "flashtile/detail/run_on_cpu.h"
#include "flashtile/error.h"
#include "src/backends/backend.h"

namespace flashtile {
namespace {

using Work = std::function<void(std::int64_t i, void* memory)>;

void run(const Queue& queue, std::int64_t count, std::size_t bytes, int simdgroups, const Work& work) {
  detail::run_on_cpu(
      queue, count, bytes, simdgroups,
      [](const void* context, std::int64_t i, void* memory) {
        (*static_cast<const Work*>(context))(i, memory);
      },
      &work);
}

class RunOnCpu : public ::testing::TestWithParam<int> {
 protected:
  const Queue queue = Queue::cpu({.threads = GetParam()});
};

TEST_P(RunOnCpu, CallsEachIndexOnce) {
  for (const std::int64_t count : {0, 1, 2, 3, 100, 10000}) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
    run(queue, count, 0, 1, [&](std::int64_t i, void*) { ++calls[static_cast<std::size_t>(i)]; });
    for (const auto& n : calls) EXPECT_EQ(n.load(), 1);
  }
}

TEST_P(RunOnCpu, UsesAtMostItsThreads) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  run(queue, 200, 0, 1, [&](std::int64_t, void*) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_LE(threads.size(), static_cast<std::size_t>(GetParam()));
  EXPECT_EQ(queue.threads(), GetParam());
}

TEST_P(RunOnCpu, MemoryIsAlignedAndOneThreadsOwn) {
  std::atomic<int> mistakes{0};
  run(queue, 100, 4096, 1, [&](std::int64_t i, void* memory) {
    if (reinterpret_cast<std::uintptr_t>(memory) % 64 != 0) ++mistakes;
    auto* cells = static_cast<std::int64_t*>(memory);
    for (int c = 0; c < 512; ++c) cells[c] = i;
    std::this_thread::yield();
    for (int c = 0; c < 512; ++c) mistakes += cells[c] != i;
  });
  EXPECT_EQ(mistakes.load(), 0);
}

TEST_P(RunOnCpu, SimdgroupsOfAThreadgroupMeetAtBarriers) {
  for (const int simdgroups : {2, 4}) {
    std::atomic<int> mistakes{0};
    run(queue, 20, 64, simdgroups, [&](std::int64_t i, void* memory) {
      auto* cells = static_cast<std::int64_t*>(memory);
      const int mine = detail::simdgroup_index_on_cpu();
      for (int round = 0; round < 5; ++round) {
        cells[mine] = i * 100 + round * 10 + mine;
        detail::threadgroup_barrier_on_cpu();
        for (int other = 0; other < simdgroups; ++other)
          mistakes += cells[other] != i * 100 + round * 10 + other;
        detail::threadgroup_barrier_on_cpu();
      }
    });
    EXPECT_EQ(mistakes.load(), 0) << simdgroups;
  }
}

TEST_P(RunOnCpu, ASimdgroupThatHasReturnedIsNotWaitedFor) {
  std::atomic<int> finished{0};
  run(queue, 10, 64, 4, [&](std::int64_t, void*) {
    const int mine = detail::simdgroup_index_on_cpu();
    for (int round = 0; round < mine; ++round)
      detail::threadgroup_barrier_on_cpu();  // 0 leaves at once, 3 last
    ++finished;
  });
  EXPECT_EQ(finished.load(), 40);
}

TEST_P(RunOnCpu, TheFirstExceptionComesBackAndTheRestIsNotStarted) {
  std::atomic<int> calls{0};
  try {
    run(queue, 1000000, 0, 1, [&](std::int64_t i, void*) {
      ++calls;
      if (i == 5) throw std::runtime_error("five");
    });
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "five");
  }
  EXPECT_LT(calls.load(), 1000000);
  int after = 0;
  run(queue, 1, 0, 1, [&](std::int64_t, void*) { ++after; });
  EXPECT_EQ(after, 1) << "the queue works on";
}

TEST_P(RunOnCpu, AnExceptionOfOneSimdgroupDoesNotStopTheOthersAtABarrier) {
  EXPECT_THROW(run(queue, 3, 64, 3,
                   [&](std::int64_t, void*) {
                     if (detail::simdgroup_index_on_cpu() == 1) throw std::runtime_error("one");
                     detail::threadgroup_barrier_on_cpu();
                   }),
               std::runtime_error);
}

TEST_P(RunOnCpu, ANestedLaunchHasMemoryOfItsOwn) {
  std::atomic<int> mistakes{0};
  run(queue, 4, 64, 1, [&](std::int64_t i, void* memory) {
    *static_cast<std::int64_t*>(memory) = i;
    run(Queue::cpu({.threads = 1}), 2, 64, 1,
        [&](std::int64_t, void* inner) { *static_cast<std::int64_t*>(inner) = -1; });
    mistakes += *static_cast<std::int64_t*>(memory) != i;
  });
  EXPECT_EQ(mistakes.load(), 0);
}

TEST_P(RunOnCpu, ANegativeCountIsRefused) {
  EXPECT_THROW(run(queue, -1, 0, 1, [](std::int64_t, void*) {}), Error);
}

INSTANTIATE_TEST_SUITE_P(Threads, RunOnCpu, ::testing::Values(1, 2, 5));

TEST(CpuQueue, OneThreadIsTheCallers) {
  const std::thread::id mine = std::this_thread::get_id();
  run(Queue::cpu({.threads = 1}), 50, 0, 1,
      [&](std::int64_t, void*) { EXPECT_EQ(std::this_thread::get_id(), mine); });
  run(Queue::cpu({.threads = 8}), 1, 0, 1,
      [&](std::int64_t, void*) { EXPECT_EQ(std::this_thread::get_id(), mine); });
}

TEST(CpuQueue, RunsOnTheCallersExecutor) {
  int calls = 0;
  const Executor serial = [&](std::int64_t count, const std::function<void(std::int64_t)>& body) {
    ++calls;
    for (std::int64_t i = 0; i < count; ++i) body(i);
  };
  const Queue queue = Queue::cpu({.threads = 4, .executor = serial});
  const std::thread::id mine = std::this_thread::get_id();
  int done = 0;
  run(queue, 100, 0, 1, [&](std::int64_t, void*) {
    EXPECT_EQ(std::this_thread::get_id(), mine);
    ++done;
  });
  EXPECT_EQ(done, 100);
  EXPECT_EQ(calls, 1);
  EXPECT_THROW(
      run(queue, 100, 0, 1, [](std::int64_t, void*) { throw std::runtime_error("through the executor"); }),
      std::runtime_error);
}

TEST(CpuQueue, KnowsItsDevice) {
  const Queue queue = Queue::default_for(Device::cpu());
  EXPECT_EQ(queue.device(), Device::cpu());
  EXPECT_EQ(queue.native_stream(), nullptr);
  EXPECT_GE(queue.threads(), 1);
  EXPECT_NO_THROW(queue.synchronize());
  EXPECT_EQ(&queue.state(), &Queue::default_for(Device::cpu()).state()) << "one for the process";
}

TEST(CpuQueue, RefusesNegativeThreads) {
  try {
    Queue::cpu({.threads = -2});
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "Queue::cpu: threads is -2; expected 1 ... 65536, or 0 for the default");
  }
}

TEST(CpuQueue, CpuKernelsRefuseOtherQueues) {
  struct OtherQueue : Queue::State {
    Device device() const noexcept override { return Device::cuda(0); }
    void synchronize() const override {}
  };
  try {
    run(Queue(std::make_shared<OtherQueue>()), 1, 0, 1, [](std::int64_t, void*) {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("its queue is one of cuda:0"));
  }
}

TEST(CpuQueue, CallsFromSeveralThreadsAreSafe) {
  const Queue queue = Queue::cpu({.threads = 2});
  std::vector<std::thread> callers;
  std::atomic<std::int64_t> sum{0};
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat)
        run(queue, 10, 64, 1, [&](std::int64_t i, void*) { sum += i; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 4 * 50 * 45);
}

}  // namespace
}  // namespace flashtile
