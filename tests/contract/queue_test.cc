// Misuses of queues: numbers of threads, executors that lose work, forks; and that nothing is ever printed. Each
// in a process of its own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/gemm.h"
#include "tests/contract/outcome.h"
#include "tests/contract/ways.h"

#if defined(__SANITIZE_THREAD__)
/// The thread sanitizer ends a process that makes threads after a fork of one that had some, unless it is told not to.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }  // NOLINT: its name
#endif

namespace flashtile::test {
namespace {

/// A call that is worth several threads.
struct Work {
  Tensor q{DType::f32, {2, 4, 70, 64}}, kv{DType::f32, {2, 2, 90, 64}}, out{DType::f32, {2, 4, 70, 64}};
  Work() {
    for (const Tensor* t : {&q, &kv}) {
      for (std::int64_t i = 0; i < t->size(); ++i) t->as<float>()[i] = static_cast<float>(i % 13 - 6) / 8.0f;
    }
    std::memset(out.data(), 0xff, out.size_bytes());
  }
  void run(const Queue& queue, const std::string& way = {}) const {
    attention_into({.out = out.view()}, q, kv, kv, {.way = way, .queue = queue});
  }
  /// "ok" when the result is that of one thread.
  std::string outcome(const Queue& queue, const std::string& way = {}) const {
    const std::string found = outcome_of([&] { run(queue, way); });
    if (found != "ok") return found;
    const Tensor alone = attention(q, kv, kv, {.way = way, .queue = Queue::cpu({.threads = 1})});
    return std::memcmp(alone.data(), out.data(), out.size_bytes()) == 0 ? "ok" : "wrong";
  }
};

TEST(QueueContract, NumbersOfThreads) {
  for (const int threads : {-2147483647 - 1, -1, 65537, 1000000000, 2147483647}) {
    EXPECT_EQ(in_child([&] { return outcome_of(Queue::try_cpu({.threads = threads})); }),
              "invalid_argument: Queue::cpu: threads is " + std::to_string(threads) +
                  "; expected 1 ... 65536, or 0 for the default");
  }
  for (const char* threads : {"0", "-1", "65537", "2147483647", "99999999999999999999", "two", "2 "}) {
    EXPECT_EQ(in_child([&] {
                setenv("FLASHTILE_THREADS", threads, 1);
                return outcome_of(Queue::try_cpu()) + "; " +
                       outcome_of([] { Work().run(Queue::default_for(Device::cpu())); });
              }),
              std::string("invalid_argument: FLASHTILE_THREADS is \"") + threads +
                  "\"; expected a whole number, 1 ... 65536; invalid_argument: FLASHTILE_THREADS is \"" +
                  threads + "\"; expected a whole number, 1 ... 65536");
  }
}

TEST(QueueContract, ManyThreadsWorkAndNothingIsPrinted) {
  for (const int threads : {2, 3, 64, 65536}) {
    for (const std::string& way : our_ways_on_cpus()) {
      EXPECT_EQ(in_child([&] {
                  const Queue queue = Queue::cpu({.threads = threads});
                  return std::to_string(queue.threads()) + " " + Work().outcome(queue, way);
                }),
                std::to_string(threads) + " ok")
          << way;
    }
  }
}

/// What the library makes when it is first asked for (queues, tables, threads) is made once, whoever asks. Also one queue has
/// four callers then.
TEST(QueueContract, TheFirstCallsOfFourThreadsMayMeet) {
  EXPECT_EQ(in_child([] {
              constexpr std::size_t kCallers = 4;
              std::latch start(kCallers);
              std::optional<Queue> shared;
              std::once_flag made;
              std::array<std::string, kCallers> outcomes;
              std::vector<std::thread> callers;
              for (std::string& outcome : outcomes) {
                callers.emplace_back([&] {
                  start.arrive_and_wait();
                  outcome = Work().outcome(Queue::default_for(Device::cpu()));
                  std::call_once(made, [&] { shared = Queue::cpu({.threads = 3}); });
                  for (const std::string& way : our_ways_on_cpus())
                    outcome += " " + Work().outcome(*shared, way);
                  if (backends().empty()) outcome += " no devices";
                });
              }
              for (std::thread& caller : callers) caller.join();
              for (const std::string& outcome : outcomes) {
                if (outcome != outcomes[0]) return "one: " + outcomes[0] + "; another: " + outcome;
              }
              return std::regex_replace(outcomes[0], std::regex("ok ?"), "");
            }),
            "");
}

TEST(QueueContract, NoQueueIsNull) {
  EXPECT_EQ(in_child([] { return outcome_of([] { Queue(std::shared_ptr<const Queue::State>()); }); }),
            "invalid_argument: Queue: state is null; expected one of a queue that Queue::cpu, cuda or "
            "default_for made");
  EXPECT_EQ(in_child([] {
              Queue queue = Queue::cpu({.threads = 2});
              const Queue moved = std::move(queue);
              Queue again = moved;
              again = std::move(queue);  // NOLINT(bugprone-use-after-move): it is still that queue
              return Work().outcome(queue) + " " + Work().outcome(again) + " " +
                     std::to_string(queue.threads());
            }),
            "ok ok 2");
}

TEST(QueueContract, DevicesThatAreNotThere) {
  const auto outcome = [](Device device) {
    return in_child([=] { return outcome_of(Queue::try_default_for(device)); });
  };
  EXPECT_EQ(outcome({DeviceType::cpu, 1}), "unsupported: device: there is one CPU device, with index 0, not 1");
  EXPECT_EQ(outcome({DeviceType::cpu, -1}),
            "unsupported: device: there is one CPU device, with index 0, not -1");
  EXPECT_EQ(outcome({DeviceType(200), 0}),
            "invalid_argument: device: there is none of DeviceType(200); expected cpu, cuda, metal or "
            "metal_emulated");
  EXPECT_TRUE(outcome({DeviceType::metal, 0}).starts_with("unsupported: device: "))
      << outcome({DeviceType::metal, 0});
  EXPECT_TRUE(outcome({DeviceType::cuda, 1 << 30}).starts_with("unsupported: device: "));
  EXPECT_TRUE(in_child([] { return outcome_of(Queue::try_cuda(-1)); }).starts_with("unsupported: device: "));
}

// ---- executors ----

using Body = std::function<void(std::int64_t)>;

struct Executing {
  const char* name;
  void (*execute)(std::int64_t count, const Body& body);
  const char* expected;  ///< the start of it
};

/// Threads that an executor leaves behind, as far as they have not ended.
std::atomic<std::int64_t> left_behind{0};

void leave_behind(std::function<void()> work) {
  ++left_behind;
  std::thread([work = std::move(work)] {
    work();
    --left_behind;
  }).detach();
}

constexpr char kLost[] = "invalid_argument: Queue::cpu: executor called its body ";

const std::vector<Executing> executors = {
    {"in turn",
     [](std::int64_t count, const Body& body) {
       for (std::int64_t i = 0; i < count; ++i) body(i);
     },
     "ok"},
    {"backwards, twice, with any index",
     [](std::int64_t count, const Body& body) {
       for (std::int64_t i = 2 * count; i > 0; --i) body(i * 1000 - 5000);
     },
     "ok"},
    {"not at all", [](std::int64_t, const Body&) {}, kLost},
    {"the first only", [](std::int64_t, const Body& body) { body(0); }, kLost},
    {"all but the first",
     [](std::int64_t count, const Body& body) {
       for (std::int64_t i = 1; i < count; ++i) body(i);
     },
     kLost},
    {"later",
     [](std::int64_t count, const Body& body) {
       for (std::int64_t i = 0; i < count; ++i) {
         leave_behind([&body, i] {
           std::this_thread::sleep_for(std::chrono::milliseconds(20));
           body(i);
         });
       }
     },
     kLost},
    {"without waiting",
     [](std::int64_t count, const Body& body) {
       std::atomic<std::int64_t> begun{0};
       for (std::int64_t i = 0; i < count; ++i) {
         leave_behind([&body, &begun, i] {
           ++begun;
           body(i);
         });
       }
       while (begun < count) std::this_thread::yield();
     },
     ""},  // right or an error, as the threads come
    {"throws", [](std::int64_t, const Body&) { throw std::runtime_error("no threads today"); },
     "device_failure: no threads today"},
    {"throws a number", [](std::int64_t, const Body&) { throw 5; },
     "device_failure: an executor threw something that is no std::exception"},
};

TEST(QueueContract, ExecutorsThatLoseWork) {
  for (const Executing& executing : executors) {
    for (const std::string& way : our_ways_on_cpus()) {
      const std::string found = in_child([&] {
        const Work work;
        const Queue queue = Queue::cpu({.threads = 4, .executor = executing.execute});
        std::string outcome = outcome_of(try_attention_into({.out = work.out.view()}, work.q, work.kv, work.kv,
                                                            {.way = way, .queue = queue}));
        while (left_behind != 0) std::this_thread::yield();  // their bodies come late
        const Tensor alone =
            attention(work.q, work.kv, work.kv, {.way = way, .queue = Queue::cpu({.threads = 1})});
        if (outcome == "ok" && std::memcmp(alone.data(), work.out.data(), work.out.size_bytes()) != 0)
          outcome = "wrong";
        return outcome;
      });
      EXPECT_TRUE(found.starts_with(executing.expected)) << executing.name << ", " << way << ": " << found;
      EXPECT_EQ(found.find("wrong"), std::string::npos) << executing.name << ", " << way;
      EXPECT_EQ(found.find("killed"), std::string::npos) << executing.name << ", " << way << ": " << found;
    }
  }
}

// ---- should_stop ----

/// Asked when nothing has begun, and later, with one thread, several, or the caller's own.
TEST(QueueContract, StopsWhenAsked) {
  const auto in_turn = [](std::int64_t count, const Body& body) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
  };
  for (const std::string& way : our_ways_on_cpus()) {
    for (const int after : {0, 1, 5}) {
      for (const int threads : {1, 3}) {
        for (const Executor& executor : {Executor(), Executor(in_turn)}) {
          EXPECT_EQ(in_child([&] {
                      std::atomic<int> asked{0};
                      const auto stop = [&] { return asked++ >= after; };
                      const Queue queue =
                          Queue::cpu({.threads = threads, .executor = executor, .should_stop = stop});
                      std::string outcome = outcome_of([&] { Work().run(queue, way); });
                      asked = -1000000;  // the queue goes on to serve
                      return outcome + "; " + Work().outcome(queue, way);
                    }),
                    "cancelled: cancelled: the queue's should_stop said so; ok")
              << way << " after " << after << " on " << threads;
        }
      }
    }
  }
}

TEST(QueueContract, WhatShouldStopThrowsEndsTheCall) {
  EXPECT_EQ(in_child([] {
              const Queue queue =
                  Queue::cpu({.should_stop = []() -> bool { throw std::runtime_error("enough"); }});
              const Tensor a(DType::f32, {64, 64}), b(DType::f32, {64, 64}), c(DType::f32, {64, 64});
              return outcome_of(try_gemm(c, a, b, {.way = "panels", .queue = queue}));
            }),
            "device_failure: enough");
}

// ---- forks ----

/// What f() returns in a child of this process that was forked while four threads were in calls on `queue`.
template <class F>
std::string in_child_of_busy(const Queue& queue, const std::string& way, F&& f) {
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      const Work work;
      while (!stop) {
        work.run(queue, way);
        ++calls;
      }
    });
  }
  std::string found;
  // A fork may fall between two calls; where the queue was free, it works.
  for (int attempt = 0; attempt < 20; ++attempt) {
    for (const int before = calls; calls < before + 4;) std::this_thread::yield();
    found = in_child(f);
    if (found != "ok") break;
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  return found;
}

TEST(QueueContract, AForkedChildOfABusyQueueIsToldSo) {
  const std::string expected =
      "invalid_argument: options.queue was busy when this process was forked from its parent, and its threads "
      "are not "
      "here; make a new one with Queue::cpu() in this process";
  for (const std::string& way : our_ways_on_cpus()) {
    EXPECT_EQ(in_child([&] {
                const Queue queue = Queue::cpu({.threads = 2});
                return in_child_of_busy(queue, way, [&] { return Work().outcome(queue, way); });
              }),
              expected)
        << way;
  }
}

TEST(QueueContract, AForkedChildMayMakeQueues) {
  for (const std::string& way : our_ways_on_cpus()) {
    EXPECT_EQ(in_child([&] {
                const Queue queue = Queue::cpu({.threads = 2});
                return in_child_of_busy(queue, way, [&] {
                  return Work().outcome(Queue::cpu({.threads = 2}), way) + " with a new one";
                });
              }),
              "ok with a new one")
        << way;
  }
}

TEST(QueueContract, AForkedChildMayUseAQueueThatNobodyWasIn) {
  EXPECT_EQ(in_child([&] {
              const Queue queue = Queue::cpu({.threads = 2});
              const std::string before = Work().outcome(queue);
              return before + " " +
                     in_child([&] { return Work().outcome(queue) + " " + Work().outcome(queue); }) + " " +
                     Work().outcome(queue);
            }),
            "ok ok ok ok");
}

}  // namespace
}  // namespace flashtile::test
