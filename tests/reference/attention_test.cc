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
  EXPECT_EQ(row.score_size, 1.0);
  EXPECT_EQ(row.keys, 2);
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

TEST(Format, RoundsByTheDefinition) {
  EXPECT_EQ(kFloat32.round(1.0 + 0x1p-25), 1.0);
  EXPECT_EQ(kFloat32.round(0.1), static_cast<double>(0.1f));
  EXPECT_EQ(kFloat16.round(2049), 2048);
  EXPECT_EQ(kFloat16.round(0x1p-25), 0.0);
  EXPECT_EQ(kFloat16.round(70000), HUGE_VAL);
  EXPECT_EQ(kBfloat16.round(-257), -256);
  EXPECT_EQ(kFloat32.unit(), 0x1p-24);
}

TEST(Bounds, GrowWithWhatTheyAreMadeOf) {
  AttentionCase a;
  AttentionRow row;
  row.out = row.magnitude = {1.0};
  row.spread = {1.0};
  row.keys = 100;
  row.score_size = 10;
  const double f32 = out_bound(a, row, kFloat32, 0), bf16 = out_bound(a, row, kBfloat16, 0);
  EXPECT_GT(bf16, 0x1p-8);
  EXPECT_LT(bf16, 0x1p-5);
  EXPECT_GT(f32, 0x1p-24);
  EXPECT_LT(f32, 1e-3);
  row.score_size = 1000;
  EXPECT_GT(out_bound(a, row, kFloat32, 0), f32);
  row.magnitude = {2.0};
  EXPECT_GT(out_bound(a, row, kBfloat16, 0), bf16);
  EXPECT_GT(gemm_bound(1000, 0, 1, kFloat32), gemm_bound(10, 0, 1, kFloat32));
}

/// A wrong answer must not pass: one key left out, one too many, the wrong scale, and a 16-bit sum.
TEST(Bounds, AreTighterThanTheMistakesTheyAreFor) {
  std::vector<double> q(64), k(64 * 100), v(64 * 100);
  const auto noise = [](std::size_t n) { return std::sin(static_cast<double>(n * n % 9973)); };
  for (std::size_t n = 0; n < q.size(); ++n) q[n] = noise(n + 3);
  for (std::size_t n = 0; n < k.size(); ++n) {
    k[n] = noise(n + 11);
    v[n] = noise(n + 29);
  }
  AttentionCase a;
  a.kv_length = 100;
  a.head_dim = a.value_dim = 64;
  a.scale = 0.125;
  a.q = {q.data(), {0, 0, 64, 1}};
  a.k = {k.data(), {0, 0, 64, 1}};
  a.v = {v.data(), {0, 0, 64, 1}};
  const AttentionRow right = attention_row(a, 0, 0, 0);
  const auto caught = [&](const AttentionCase& wrong, const Format& type) {
    const AttentionRow row = attention_row(wrong, 0, 0, 0);
    for (std::int64_t d = 0; d < 64; ++d) {
      if (std::fabs(row.out[static_cast<std::size_t>(d)] - right.out[static_cast<std::size_t>(d)]) >
          out_bound(a, right, type, d))
        return true;
    }
    return false;
  };
  AttentionCase wrong = a;
  wrong.kv_length = 99;
  EXPECT_TRUE(caught(wrong, kFloat32));
  EXPECT_TRUE(caught(wrong, kFloat16));
  EXPECT_TRUE(caught(wrong, kBfloat16));
  wrong = a;
  wrong.scale = 0.13;
  EXPECT_TRUE(caught(wrong, kFloat32));
  EXPECT_FALSE(caught(a, kFloat32));
}

TEST(GemmOracle, AddsWhatItSays) {
  const std::vector<double> a = {1, -2, 3, 4}, b = {5, 6, 7, 8}, c = {10, 10, 10, 10};
  const Array2 a_view{a.data(), {2, 1}}, b_view{b.data(), {2, 1}}, c_view{c.data(), {2, 1}};
  const GemmElement e = gemm_element(a_view, b_view, c_view, 2, 2.0, 0.5, 0, 1);
  EXPECT_EQ(e.value, 2 * (6 - 16) + 5);
  EXPECT_EQ(e.magnitude, 2 * (6 + 16) + 5);
  EXPECT_EQ(gemm_element(a_view, b_view, {}, 2, 1.0, 0.0, 1, 0).value, 43);
  EXPECT_EQ(wrapped(4294967296.0 + 5), 5);
  EXPECT_EQ(wrapped(2147483648.0), -2147483648.0);
  EXPECT_EQ(wrapped(-1), -1);
}

}  // namespace
}  // namespace flashtile::reference
