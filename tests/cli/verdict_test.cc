#include "cli/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace flashtile::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Verdict of(double result, double oracle, double bound) {
  Verdict verdict;
  verdict.compare(result, oracle, bound, [] { return "x"; });
  return verdict;
}

TEST(Verdict, EachElementHasItsOwnBound) {
  Verdict verdict;
  verdict.compare(1.5, 1.0, 1.0, [] { return "a"; });   // half of its bound
  verdict.compare(1.1, 1.0, 0.01, [] { return "b"; });  // ten times its bound
  verdict.compare(1.0, 1.0, 0.01, [] { return "c"; });
  EXPECT_FALSE(verdict.right());
  EXPECT_EQ(verdict.worst, "b");
  EXPECT_NEAR(verdict.bound_used, 10, 1e-9);
  EXPECT_EQ(verdict.max_error, 0.5);
  EXPECT_EQ(verdict.error_bound, 1.0);
  EXPECT_EQ(verdict.elements, 3);
}

TEST(Verdict, SpecialValuesMustMeetTheirLike) {
  EXPECT_TRUE(of(kNaN, kNaN, kNaN).right());
  EXPECT_TRUE(of(-kInfinity, -kInfinity, kNaN).right());
  EXPECT_FALSE(of(kNaN, 1, 1).right());
  EXPECT_FALSE(of(1, kNaN, kNaN).right());
  EXPECT_FALSE(of(kInfinity, -kInfinity, 1).right());
  EXPECT_FALSE(of(1, kInfinity, kInfinity).right());
  EXPECT_EQ(of(kNaN, 1, 1).max_error, kInfinity);
}

TEST(Verdict, ABoundOfZeroAllowsNothing) {
  EXPECT_TRUE(of(3, 3, 0).right());
  EXPECT_FALSE(of(3, 4, 0).right());
  EXPECT_FALSE(of(3, 4, kNaN).right());
}

TEST(Verdict, JoinsWhatOthersSaw) {
  Verdict all;
  all.join(of(1, 1, 0.5));
  EXPECT_EQ(all.worst, "x");
  all.join(of(2, 1, 0.5));
  all.join(Verdict());
  EXPECT_EQ(all.elements, 2);
  EXPECT_EQ(all.max_error, 1);
  EXPECT_EQ(all.bound_used, 2);
  EXPECT_EQ(all.error_bound, 0.5);
}

TEST(Rows, OneFromEachPart) {
  const std::vector<std::int64_t> rows = choose_rows(1000, 10, 3);
  ASSERT_EQ(rows.size(), 10u);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i] / 100, static_cast<std::int64_t>(i));
  EXPECT_NE(rows, choose_rows(1000, 10, 4));
  EXPECT_EQ(rows, choose_rows(1000, 10, 3));
}

TEST(Rows, AllWhenThereAreNoMore) {
  const std::vector<std::int64_t> all{0, 1, 2, 3};
  EXPECT_EQ(choose_rows(4, 4, 0), all);
  EXPECT_EQ(choose_rows(4, 100, 0), all);
  EXPECT_EQ(choose_rows(4, -1, 0), all);
  EXPECT_TRUE(choose_rows(0, 5, 0).empty());
}

TEST(Rows, AreJudgedOnce) {
  const std::vector<std::int64_t> rows = choose_rows(1000, 100, 0);
  const Verdict verdict = judge_rows(rows, 1000, [](std::int64_t row, Verdict& own) {
    own.compare(static_cast<double>(row), 0, 2000, [row] { return std::to_string(row); });
  });
  EXPECT_EQ(verdict.elements, 100);
  EXPECT_EQ(verdict.rows, 100);
  EXPECT_EQ(verdict.total_rows, 1000);
  EXPECT_EQ(verdict.max_error, static_cast<double>(rows.back()));
  EXPECT_EQ(verdict.worst, std::to_string(rows.back()));
}

}  // namespace
}  // namespace flashtile::cli
