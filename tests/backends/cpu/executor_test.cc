// A caller's own threads: what becomes of a call when they lose some of its work, do it twice, or do it late.
#include "src/backends/cpu/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "flashtile/error.h"

namespace flashtile {
namespace {

using Body = std::function<void(std::int64_t)>;

/// What a call with 4 bodies ends with.
std::string outcome_of(const Executor& executor) {
  const backend::ExecutorCalls calls(executor);
  try {
    calls.run(4, [](std::int64_t) {});
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    return e.what();
  }
  return "no error";
}

std::string lost(int called) {
  return "Queue::cpu: executor called its body " + std::to_string(called) +
         " times and returned; expected 4 calls, all of them ended";
}

TEST(ExecutorCalls, LostBodiesAreAnError) {
  EXPECT_EQ(outcome_of([](std::int64_t, const Body&) {}), lost(0));
  EXPECT_EQ(outcome_of([](std::int64_t, const Body& body) { body(0); }), lost(1));
  EXPECT_EQ(outcome_of([](std::int64_t count, const Body& body) {
              for (std::int64_t i = 1; i < count; ++i) body(i);
            }),
            lost(3));
  EXPECT_EQ(outcome_of([](std::int64_t count, const Body& body) {
              for (std::int64_t i = 0; i < 2 * count; ++i) body(i % count);
            }),
            "no error");
}

TEST(ExecutorCalls, BodiesThatStillRunAreWaitedFor) {
  std::vector<std::thread> threads;
  const backend::ExecutorCalls calls([&](std::int64_t count, const Body& body) {
    std::atomic<int> begun{0};
    for (std::int64_t i = 0; i < count; ++i) {
      threads.emplace_back([&body, &begun, i] {
        ++begun;
        body(i);
      });
    }
    while (begun < count) std::this_thread::yield();
  });
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::atomic<int> ended{0};
    try {
      calls.run(3, [&](std::int64_t) {
        std::this_thread::yield();
        ++ended;
      });
      EXPECT_EQ(ended, 3);
    } catch (const Error&) {  // a thread had not called its body yet
    }
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }
}

TEST(ExecutorCalls, ABodyThatComesTooLateDoesNothing) {
  const Body* kept = nullptr;
  const backend::ExecutorCalls calls([&](std::int64_t, const Body& body) { kept = &body; });
  int done = 0;
  EXPECT_THROW(calls.run(2, [&](std::int64_t) { ++done; }), Error);
  (*kept)(0);
  EXPECT_THROW(calls.run(2, [&](std::int64_t) { ++done; }), Error);
  (*kept)(1);
  EXPECT_EQ(done, 0);
}

TEST(ExecutorCalls, ItsExceptionsPass) {
  bool throws = true;
  const backend::ExecutorCalls calls([&](std::int64_t count, const Body& body) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    if (throws) throw std::runtime_error("theirs");
  });
  int done = 0;
  EXPECT_THROW(calls.run(2, [&](std::int64_t) { ++done; }), std::runtime_error);
  throws = false;
  calls.run(2, [&](std::int64_t) { ++done; });
  EXPECT_EQ(done, 4) << "and the next call works";
}

}  // namespace
}  // namespace flashtile
