// The bounds: as tight as was promised, as wide as the errors that they are derived from, and never infinite.
#include "reference/bounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "reference/plain_attention.h"
#include "tests/reference/problem.h"

namespace flashtile::reference {
namespace {

constexpr double kLowest = -3.4028234663852886e38;

/// The largest bounds of any element.
struct Largest {
  double out = 0, lse = 0;
};
Largest largest_bounds(const Problem& p) {
  Largest largest;
  for (std::int64_t n = 0; n < p.rows(); ++n) {
    const AttentionBounds bounds = p.bounds(n);
    for (const double bound : bounds.out) largest.out = std::max(largest.out, bound);
    largest.lse = std::max(largest.lse, bounds.lse);
  }
  return largest;
}

/// A causal mask as frameworks write it: 0 and a low number.
std::vector<double> lower_triangle(std::int64_t length, double low) {
  std::vector<double> bias;
  for (std::int64_t n = 0; n < length * length; ++n) bias.push_back(n % length <= n / length ? 0 : low);
  return bias;
}

TEST(Bounds, LowNumbersInMasksDoNotWidenThem) {
  for (const std::int64_t length : {16, 64}) {
    for (const double low : {-1e4, -65504.0, -1e6, -1e9, kLowest}) {
      Problem p(length, length, 64, kFloat32);
      for (double& v : p.v) v = std::clamp(v, -4.0, 4.0);
      p.bias = lower_triangle(length, low);
      EXPECT_LE(largest_bounds(p).out, 1e-4) << low;
      EXPECT_LE(largest_bounds(p).lse, 1e-4) << low;
      EXPECT_GE(largest_bounds(p).out, 1e-6) << low;
    }
  }
}

/// float32 numbers of 10^5 lie 2^-7 apart: that much a score is off in any case, and not many times more.
TEST(Bounds, LargeScoresGetWhatTheyDeserve) {
  for (const auto& [score, unit] : {std::pair{1e5, 0x1p-7}, {-1e5, 0x1p-7}, {1e9, 64.0}}) {
    Problem p(1, 2, 2, kFloat32);
    p.v = {1, 1, -1, -1};
    p.bias = {score, score};
    const AttentionRow row = p.row(0);
    const double by_one_unit = 2 * row.keys[0].weight * row.keys[1].weight * std::expm1(unit);
    const AttentionBounds bounds = p.bounds(0);
    EXPECT_GE(bounds.out[0], std::min(1.0, by_one_unit));
    EXPECT_LE(bounds.out[0], std::min(2.0, 10 * by_one_unit));
    EXPECT_GE(bounds.lse, unit / 2);
    EXPECT_LE(bounds.lse, 20 * unit);
  }
}

TEST(Bounds, AreNeverMoreThanTheSpreadOfWhatIsAttended) {
  for (const double score : {1e6, 1e12, 1e30, 3e38}) {
    Problem p(1, 5, 8, kFloat32);
    p.bias.assign(5, score);
    for (std::size_t n = 32; n < p.v.size(); ++n) p.v[n] *= 1e20;  // of a key that nobody sees
    p.attend = {1, 1, 1, 1, 0};
    const AttentionRow row = p.row(0);
    for (std::size_t d = 0; d < 8; ++d) {
      double spread = 0;
      for (std::size_t j = 0; j < 4; ++j) spread = std::max(spread, std::fabs(p.v[8 * j + d] - row.out[d]));
      EXPECT_LE(p.bounds(0).out[d], 1.00001 * spread);
    }
    EXPECT_TRUE(std::isfinite(p.bounds(0).lse));
  }
}

/// Every combination of scores that are off by all that score_error() grants them.
TEST(Bounds, CoverWhateverScoresAreOffBy) {
  for (const double low : {0.0, -30.0, -3e4, -1e9}) {
    Problem p(1, 6, 8, kFloat32, Masks::none, 5);
    p.bias = {low, 0, 1, low, 2e5, 2e5};
    const AttentionRow exact = p.row(0);
    const AttentionBounds bounds = p.bounds(0);
    const RowErrors errors(p.of(), exact, p.type);
    for (unsigned signs = 0; signs < 64; ++signs) {
      Problem off = p;
      for (std::size_t j = 0; j < 6; ++j) {
        const double error = score_error(p.of(), exact, errors, exact.keys[j]);
        off.bias[j] += (signs >> j & 1) != 0 ? error : -error;
      }
      const AttentionRow moved = off.row(0);
      for (std::size_t d = 0; d < 8; ++d) EXPECT_LE(std::fabs(moved.out[d] - exact.out[d]), bounds.out[d]);
      EXPECT_LE(std::fabs(moved.lse - exact.lse), bounds.lse);
    }
  }
}

TEST(Bounds, HoldForAPlainFloat32Program) {
  std::vector<Problem> problems;
  for (const Masks masks : {Masks::none, Masks::top_left, Masks::bottom_right, Masks::boolean, Masks::bias,
                            Masks::boolean_and_bias}) {
    problems.emplace_back(9, 13, 16, kFloat32, masks);
  }
  problems.emplace_back(2, 3000, 64, kFloat32);
  problems.emplace_back(4, 20, 8, kFloat32);
  for (double& v : problems.back().v) v = kFloat32.round(v * 0x1p-142);  // subnormal
  problems.emplace_back(4, 20, 8, kFloat32);
  for (double& q : problems.back().q) q *= 128;
  for (const Problem& p : problems) {
    for (std::int64_t n = 0; n < p.rows(); ++n) {
      const std::vector<double> found = plain_attention_row(p.of(), 0, n / p.queries, n % p.queries, kFloat32);
      const AttentionRow row = p.row(n);
      const AttentionBounds bounds = p.bounds(n);
      for (std::size_t d = 0; d < found.size(); ++d)
        EXPECT_TRUE(agrees(found[d], row.out[d], bounds.out[d]))
            << found[d] << " " << row.out[d] << " " << bounds.out[d];
    }
  }
}

TEST(Bounds, OneKeyLeavesLittleMoreThanTheRoundingOfTheResult) {
  for (const Format& type : {kFloat32, kFloat16, kBfloat16}) {
    const Problem p(1, 1, 64, type);
    const AttentionRow row = p.row(0);
    for (std::size_t d = 0; d < 64; ++d)
      EXPECT_LE(
          p.bounds(0).out[d],
          (type.digits == kFloat32.digits ? 6.1 : 2.1) * type.unit() * std::fabs(row.out[d]) + 2 * type.tiny());
  }
}

TEST(Bounds, GrowWithTheLogarithmOfLongSums) {
  EXPECT_EQ(longest_chain(1000), 1000);
  EXPECT_EQ(longest_chain(0x1p16), 0x1p16);
  EXPECT_EQ(longest_chain(0x1p26), 0x1p16 + 20);
}

TEST(Bounds, RowsWithoutKeysAreExact) {
  Problem p(1, 3, 4, kFloat16);
  p.attend = {0, 0, 0};
  EXPECT_EQ(p.bounds(0).out, std::vector<double>(4, 0.0));
  EXPECT_EQ(p.bounds(0).lse, 0.0);
  EXPECT_TRUE(agrees(0, p.row(0).out[0], p.bounds(0).out[0]));
  EXPECT_FALSE(agrees(1e-30, p.row(0).out[0], p.bounds(0).out[0]));
  EXPECT_TRUE(agrees(-HUGE_VAL, p.row(0).lse, p.bounds(0).lse));
}

/// What is infinite or NaN must be that; the other columns keep their bounds.
TEST(Bounds, OfAttendedInfinitiesAndNaN) {
  Problem p(1, 3, 3, kFloat32);
  p.v[0] = HUGE_VAL;
  p.v[1] = std::nan("");
  const AttentionRow row = p.row(0);
  const AttentionBounds bounds = p.bounds(0);
  EXPECT_EQ(row.out[0], HUGE_VAL);
  EXPECT_TRUE(agrees(HUGE_VAL, row.out[0], bounds.out[0]));
  EXPECT_FALSE(agrees(std::nan(""), row.out[0], bounds.out[0]));
  EXPECT_FALSE(agrees(-HUGE_VAL, row.out[0], bounds.out[0]));
  EXPECT_FALSE(agrees(1e38, row.out[0], bounds.out[0]));
  EXPECT_TRUE(agrees(std::nan(""), row.out[1], bounds.out[1]));
  EXPECT_FALSE(agrees(HUGE_VAL, row.out[1], bounds.out[1]));
  EXPECT_GT(bounds.out[2], 0);
  EXPECT_LT(bounds.out[2], 1e-4);
  EXPECT_LT(bounds.lse, 1e-4);
}

/// An infinite score is nothing but that in any order of adding; a cap makes a number of it.
TEST(Bounds, OfInfiniteScores) {
  Problem p(1, 3, 1, kFloat32);
  p.q = {1, 1};
  p.k = {0.5, -HUGE_VAL, 0.25};
  for (const double softcap : {0.0, 5.0}) {
    AttentionCase a = p.of();
    a.softcap = softcap;
    const AttentionRow row = attention_row(a, 0, 0, 0);
    const AttentionBounds bounds = attention_bounds(a, row, kFloat32);
    EXPECT_TRUE(std::isfinite(row.lse));
    EXPECT_LE(bounds.lse, 1e-5) << softcap;
    EXPECT_LE(bounds.out[0], 1e-5) << softcap;
    EXPECT_GE(bounds.lse, 1e-7) << softcap;
  }
}

/// float32 makes 0 of such a weight, and 0 times infinity is NaN.
TEST(Bounds, OfAnInfinityWhoseWeightMayVanish) {
  Problem p(1, 3, 2, kFloat32);
  p.v[0] = -HUGE_VAL;
  p.bias = {-200, 0, 0};
  const double exact = p.row(0).out[0], bound = p.bounds(0).out[0];
  EXPECT_EQ(exact, -HUGE_VAL);
  EXPECT_TRUE(agrees(-HUGE_VAL, exact, bound));
  EXPECT_TRUE(agrees(std::nan(""), exact, bound));
  EXPECT_FALSE(agrees(0, exact, bound));
}

TEST(Bounds, OfTenProblemsAreWhatTheyWere) {
  std::vector<std::tuple<Problem, double, double>> problems;
  const auto add = [&](double out, double lse, std::int64_t queries, std::int64_t keys, std::int64_t dim,
                       const Format& type, Masks masks = Masks::none) -> Problem& {
    problems.emplace_back(Problem(queries, keys, dim, type, masks), out, lse);
    return std::get<Problem>(problems.back());
  };
  add(3.272e-05, 2.8045e-05, 4, 16, 64, kFloat32);
  add(1.5249e-03, 2.6622e-05, 4, 16, 64, kFloat16, Masks::boolean);
  add(1.406e-02, 5.3078e-05, 4, 16, 64, kBfloat16, Masks::bias);
  add(4.104e-06, 6.0958e-06, 9, 13, 8, kFloat32, Masks::top_left);
  add(1.2307e-03, 6.6070e-06, 9, 13, 8, kFloat16, Masks::bottom_right);
  add(1.7754e-04, 2.0545e-04, 1, 2000, 128, kFloat32);
  add(4.5938e-03, 1.7006e-04, 1, 2000, 128, kBfloat16, Masks::boolean_and_bias);
  for (double& q : add(5.9681e-06, 1.7246e-02, 4, 50, 32, kFloat32).q) q *= 1000;
  for (double& v : add(3.8230e-44, 2.0156e-05, 4, 50, 32, kFloat32).v) v = kFloat32.round(v * 0x1p-145);
  add(4.4866e-05, 3.0982e-05, 8, 8, 64, kFloat32).bias = lower_triangle(8, -1e5);
  for (std::size_t n = 0; n < problems.size(); ++n) {
    const auto& [problem, out, lse] = problems[n];
    const Largest found = largest_bounds(problem);
    EXPECT_NEAR(found.out / out, 1, 0.01) << "problem " << n << ": out " << found.out;
    EXPECT_NEAR(found.lse / lse, 1, 0.01) << "problem " << n << ": lse " << found.lse;
  }
}

TEST(Distance, IsZeroForTheSameAndInfiniteForWhatIsNoNumber) {
  const double nan = std::nan("");
  EXPECT_EQ(distance(1, 3), 2);
  EXPECT_EQ(distance(nan, nan), 0);
  EXPECT_EQ(distance(-HUGE_VAL, -HUGE_VAL), 0);
  EXPECT_EQ(distance(HUGE_VAL, -HUGE_VAL), HUGE_VAL);
  EXPECT_EQ(distance(nan, 1), HUGE_VAL);
  EXPECT_EQ(distance(1, HUGE_VAL), HUGE_VAL);
}

TEST(BoundUsed, IsTheShareOfTheBound) {
  EXPECT_EQ(bound_used(1.5, 1, 2), 0.25);
  EXPECT_EQ(bound_used(3, 3, 0), 0);
  EXPECT_EQ(bound_used(3, 4, 0), HUGE_VAL) << "a bound of 0 allows nothing";
  EXPECT_EQ(bound_used(3, 4, HUGE_VAL), HUGE_VAL) << "and one that is no number neither";
}

TEST(GemmBound, GrowsWithTheDepth) {
  EXPECT_GT(gemm_bound(1000, 0, 1, kFloat32), gemm_bound(10, 0, 1, kFloat32));
}

}  // namespace
}  // namespace flashtile::reference
