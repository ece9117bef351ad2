// The oracle itself, by other routes: closed forms, and what any softmax must satisfy.
#include "reference/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "reference/bounds.h"
#include "reference/gemm.h"

namespace flashtile::reference {
namespace {

/// One head of `queries` x `keys` with D = Dv = 2.
struct Small {
  std::vector<double> q, k, v;
  AttentionCase attention;

  Small(std::vector<double> q_, std::vector<double> k_, std::vector<double> v_)
      : q(std::move(q_)), k(std::move(k_)), v(std::move(v_)) {
    attention.query_length = static_cast<std::int64_t>(q.size() / 2);
    attention.kv_length = static_cast<std::int64_t>(k.size() / 2);
    attention.head_dim = attention.value_dim = 2;
    attention.q = {q.data(), {0, 0, 2, 1}};
    attention.k = {k.data(), {0, 0, 2, 1}};
    attention.v = {v.data(), {0, 0, 2, 1}};
  }
};

TEST(AttentionOracle, TwoKeysAreALogisticFunction) {
  Small s({1, 0}, {2, 5, -1, 7}, {1, 0, 0, 1});
  s.attention.scale = 0.5;
  const AttentionRow row = attention_row(s.attention, 0, 0, 0);  // scores 1 and -0.5
  const double p = 1 / (1 + std::exp(-1.5));
  EXPECT_DOUBLE_EQ(row.out[0], p);
  EXPECT_NEAR(row.out[1], 1 - p, 1e-16);
  EXPECT_NEAR(row.lse, std::log(std::exp(1.0) + std::exp(-0.5)), 1e-15);
  ASSERT_EQ(row.keys.size(), 2u);
  EXPECT_EQ(row.keys[0].score.size, 1.0);
  EXPECT_EQ(row.keys[1].score.size, 0.5);
  EXPECT_DOUBLE_EQ(row.keys[1].weight, 1 - p);
}

TEST(AttentionOracle, LseIsTheDerivativesPotential) {
  // d lse / d score_j = p_j: with V the identity the result is the gradient of lse by a bias.
  Small s({0.3, -0.7}, {1, 2, -0.5, 0.25}, {1, 0, 0, 1});
  std::vector<double> bias = {0.1, -0.2};
  s.attention.bias = {bias.data(), {0, 0, 0, 1}};
  const AttentionRow row = attention_row(s.attention, 0, 0, 0);
  for (std::size_t j = 0; j < 2; ++j) {
    constexpr double kStep = 1e-6;
    bias[j] += kStep;
    const double up = attention_row(s.attention, 0, 0, 0).lse;
    bias[j] -= 2 * kStep;
    const double down = attention_row(s.attention, 0, 0, 0).lse;
    bias[j] += kStep;
    EXPECT_NEAR((up - down) / (2 * kStep), row.out[j], 1e-9);
  }
}

TEST(AttentionOracle, AgreesWithSumsInExtendedPrecision) {
  std::vector<double> q(2), k(200), v(200);
  for (std::size_t n = 0; n < 200; ++n) {
    k[n] = std::sin(static_cast<double>(n) * 0.7) * 5;
    v[n] = std::cos(static_cast<double>(n) * 1.3);
  }
  q = {1.5, -2.25};
  Small s(q, k, v);
  const AttentionRow row = attention_row(s.attention, 0, 0, 0);
  long double sum = 0, first = 0;
  for (std::size_t j = 0; j < 100; ++j) {
    const long double weight =
        std::exp(static_cast<long double>(q[0]) * k[2 * j] + static_cast<long double>(q[1]) * k[2 * j + 1]);
    sum += weight;
    first += weight * v[2 * j];
  }
  EXPECT_NEAR(row.out[0], static_cast<double>(first / sum), 1e-14);
  EXPECT_NEAR(row.lse, static_cast<double>(std::log(sum)), 1e-13);
}

TEST(AttentionOracle, MasksHideAndEmptyRowsAreZero) {
  Small s({0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {1, 1, 2, 2, 3, 3});
  s.attention.causal = true;
  s.attention.diagonal = -1;
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).out[0], 0.0);
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).lse, -HUGE_VAL);
  EXPECT_EQ(attention_row(s.attention, 0, 0, 1).out[0], 1.0);
  s.attention.diagonal = 1;
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).out[0], 1.5);
  const std::vector<double> attend = {0, 1, 1};
  s.attention.attend = {attend.data(), {0, 0, 0, 1}};
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).out[0], 2.0);
  s.v[0] = s.k[0] = std::nan("");
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).out[0], 2.0) << "what is hidden is not touched";
}

TEST(AttentionOracle, BooleanMaskAndBiasBothHold) {
  Small s({0, 0}, {0, 0, 0, 0, 0, 0}, {1, 1, 2, 2, 3, 3});
  const std::vector<double> attend = {1, 1, 0}, bias = {0, std::log(3.0), 5};
  s.attention.attend = {attend.data(), {0, 0, 0, 1}};
  s.attention.bias = {bias.data(), {0, 0, 0, 1}};
  EXPECT_DOUBLE_EQ(attention_row(s.attention, 0, 0, 0).out[0], 0.25 * 1 + 0.75 * 2);
}

TEST(AttentionOracle, AnInfinityThatIsAttendedToStaysOne) {
  Small s({1, 0}, {0, 0, -1e6, 0}, {1, 2, HUGE_VAL, 3});  // its weight is no double
  s.attention.scale = 1;
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).out[0], HUGE_VAL);
  EXPECT_EQ(attention_row(s.attention, 0, 0, 0).out[1], 2);
  s.v[0] = -HUGE_VAL;
  EXPECT_TRUE(std::isnan(attention_row(s.attention, 0, 0, 0).out[0]));
  s.k[0] = std::nan("");
  EXPECT_TRUE(std::isnan(attention_row(s.attention, 0, 0, 0).out[1]));
  EXPECT_TRUE(std::isnan(attention_row(s.attention, 0, 0, 0).lse));
}

}  // namespace
}  // namespace flashtile::reference
