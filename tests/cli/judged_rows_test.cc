#include <gmock/gmock.h>

#include "cli/commands.h"
#include "tests/cli/fake_job.h"

namespace flashtile::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JudgedRows, EveryWayIsJudgedAndOnlyRightOnesAreTimed) {
  FakeJob job;
  const Options options = options_for({"all"});
  Report report(options);
  std::vector<std::function<void()>> functions;
  std::vector<Row> rows = judged_rows(job, options, report, functions);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[0].judged && rows[0].timed && rows[0].verdict.right());
  EXPECT_EQ(rows[0].kernel, "kernel of right");
  EXPECT_EQ(rows[0].verdict.rows, 5);
  EXPECT_TRUE(rows[1].judged && !rows[1].timed && !rows[1].verdict.right());
  EXPECT_TRUE(!rows[2].judged && !rows[2].timed);
  EXPECT_EQ(rows[2].refusal, "it is not there");
  EXPECT_EQ(functions.size(), 1u);

  time_rows(job, rows, functions, {}, 0, report);
  EXPECT_GE(rows[0].timing.samples, 3);
  EXPECT_EQ(rows[1].timing.samples, 0);

  testing::internal::CaptureStderr();
  EXPECT_EQ(exit_code_of(job, options, rows, report), kCheckFailed);
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "wrong is wrong at c[0,0]; repeat with: flashtile check --op gemm --shape 1,2,3 --seed 0 --way wrong\n");

  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const bench::Peaks peaks{2e9, "test units", 1e9};
  report.rows(job, rows, &peaks);
  const std::string table = testing::internal::GetCapturedStdout();
  EXPECT_THAT(table, HasSubstr("ok\n"));
  EXPECT_THAT(table, HasSubstr("wrong\n"));
  EXPECT_THAT(table, HasSubstr("not in this build: absent (flashtile info)\n"));
  EXPECT_THAT(table, HasSubstr("of peak: share of 2.0 GFLOP/s (test units)"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");  // title, rows and footnotes stay in their order
}

TEST(JudgedRows, AWrongResultIsWrittenTooAndCalledWrong) {
  for (const auto& [way, code, said] :
       {std::tuple{"right", kDone, ""},
        std::tuple{
            "wrong", kCheckFailed,
            "wrong is wrong at c[0,0]; repeat with: flashtile check --op gemm --shape 1,2,3 --seed 0 --way "
            "wrong\nc.npy holds the wrong result all the same\n"}}) {
    FakeJob job;
    Options options = options_for({way});
    options.out = "c.npy";
    Report report(options);
    std::vector<std::function<void()>> functions;
    const std::vector<Row> rows = judged_rows(job, options, report, functions);
    testing::internal::CaptureStderr();
    EXPECT_EQ(write_and_judge(job, options, rows, report), code);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), said);
    EXPECT_EQ(job.calls_, std::string(way) + " write ");
  }
}

TEST(JudgedRows, JsonSaysHowToRepeatAWrongResult) {
  FakeJob job;
  Options options = options_for({"wrong", "right"});
  options.json = true;
  Report report(options);
  std::vector<std::function<void()>> functions;
  const std::vector<Row> rows = judged_rows(job, options, report, functions);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  report.rows(job, rows, nullptr);
  EXPECT_EQ(exit_code_of(job, options, rows, report), kCheckFailed);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  const std::string lines = testing::internal::GetCapturedStdout();
  const Json first = Json::parse(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(first["verdict"], "wrong");
  EXPECT_EQ(first["max_error"], 1.0);
  EXPECT_EQ(first["error_bound"], 0.5);
  EXPECT_EQ(first["repeat"], "flashtile check --op gemm --shape 1,2,3 --seed 0 --way wrong");
  EXPECT_FALSE(first.contains("peak_share"));
}

TEST(JudgedRows, AWayAskedForByNameThrowsItsReason) {
  FakeJob job;
  std::vector<std::function<void()>> functions;
  for (const auto& [way, code] :
       {std::pair{"absent", ErrorCode::unsupported}, {"broken", ErrorCode::internal}}) {
    const Options options = options_for({way});
    Report report(options);
    try {
      judged_rows(job, options, report, functions);
      ADD_FAILURE() << way;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
    }
  }
}

TEST(WayNames, WhatWayStandsFor) {
  FakeJob job;
  EXPECT_THAT(way_names(job, {"auto"}), ElementsAre("right"));
  EXPECT_THAT(way_names(job, {"all"}), ElementsAre("right", "wrong", "absent"));
  EXPECT_THAT(way_names(job, {"b", "a"}), ElementsAre("b", "a"));
}

TEST(JudgedRows, NoWayAtAllIsNotSupported) {
  FakeJob job;
  Options options = options_for({"all"});
  Report report(options);
  Row refused;
  refused.way = "absent";
  refused.refusal = "it is not there";
  EXPECT_EQ(exit_code_of(job, options, {refused}, report), kUnsupported);
}

TEST(Peaks, AreMeasuredOnlyBesideSomethingTimed) {
  FakeJob job;
  const Options options = options_for({"wrong"});
  Report report(options);
  std::vector<std::function<void()>> functions;
  judged_rows(job, options, report, functions);
  EXPECT_FALSE(peaks_for(job, functions, report).has_value());
}

}  // namespace
}  // namespace flashtile::cli
