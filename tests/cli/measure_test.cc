#include "cli/measure.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace flashtile::cli {
namespace {

TEST(Timing, QuantilesAreInterpolated) {
  const Timing timing = summarize({5, 1, 3, 2, 4, 6});
  EXPECT_DOUBLE_EQ(timing.median, 3.5);
  EXPECT_DOUBLE_EQ(timing.minimum, 1);
  EXPECT_DOUBLE_EQ(timing.low, 2);
  EXPECT_DOUBLE_EQ(timing.high, 5);
  EXPECT_EQ(timing.samples, 6);
  EXPECT_DOUBLE_EQ(timing.spread(), 3 / 3.5);
  EXPECT_EQ(summarize({2}).median, 2);
  EXPECT_EQ(summarize({}).samples, 0);
}

TEST(Measure, TakesFunctionsInTurns) {
  std::string calls;
  const auto slow = [&](char name) {
    return [&calls, name] {
      calls += name;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    };
  };
  int samples = 0, reports = 0;
  const bench::Stopwatch stopwatch = [&, clock = bench::stopwatch_of(Queue::cpu())](const auto& work) {
    ++samples;
    return clock(work);
  };
  const std::vector<Timing> timings =
      measure({slow('a'), slow('b')}, 0.02, stopwatch, 1e4, [&](const std::string&) { ++reports; });
  ASSERT_EQ(timings.size(), 2u);
  EXPECT_EQ(calls.substr(0, 12),
            "aabbaabbaabb");  // warm-up and a first sample of each, then turns: one untimed
  for (const Timing& timing : timings) {
    EXPECT_GE(timing.minimum, 2e-3);
    EXPECT_GE(timing.median, timing.minimum);
    EXPECT_GE(timing.samples, 3);
  }
  EXPECT_EQ(samples, static_cast<int>(calls.size()) - 2 * timings[0].samples);
  EXPECT_EQ(reports, timings[0].samples);
}

TEST(Measure, ShortFunctionsAreCalledManyTimesASample) {
  int calls = 0;
  const std::vector<Timing> timings =
      measure({[&] { ++calls; }}, 0, bench::stopwatch_of(Queue::cpu()), 1e4, [](const std::string&) {});
  EXPECT_EQ(timings[0].samples, 3);
  EXPECT_GT(calls, 100);
  EXPECT_LT(timings[0].median, 1e-4);
}

TEST(Measure, ASampleIsAtMostAsManyCallsAsAllowed) {
  int calls = 0;
  measure({[&] { ++calls; }}, 0, bench::stopwatch_of(Queue::cpu(), bench::Cache::cold), 1,
          [](const std::string&) {});
  EXPECT_EQ(calls, 5);  // two before the three samples
}

TEST(Measure, NothingToMeasure) {
  EXPECT_TRUE(measure({}, 1, bench::stopwatch_of(Queue::cpu()), 1e4, [](const std::string&) {}).empty());
}

}  // namespace
}  // namespace flashtile::cli
