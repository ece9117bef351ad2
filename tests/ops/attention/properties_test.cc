// What must hold between calls, whatever the numbers: for every way that needs no oracle to be caught.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/ops/attention/cases.h"

namespace flashtile::test {
namespace {

constexpr std::int64_t kHeads = 2, kQueries = 37, kKeys = 90, kD = 40;

Tensor random_tensor(std::int64_t batch, std::int64_t heads, std::int64_t length, std::uint64_t seed,
                     DType dtype = DType::f32) {
  Random random(seed);
  Tensor t(DType::f32, {batch, heads, length, kD});
  for (std::int64_t n = 0; n < t.size(); ++n) t.as<float>()[n] = static_cast<float>(random.normal());
  return convert(t, dtype);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.size_bytes() == b.size_bytes() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// Twice the bound of one call's error with normal numbers: what two right answers may differ by.
double twice_the_bound() {
  Case c{.name = "",
         .query_heads = kHeads,
         .kv_heads = kHeads,
         .query_length = kQueries,
         .kv_length = kKeys,
         .head_dim = kD};
  Call call(c, DType::f32);
  double largest = 0;
  for (std::int64_t r = 0; r < call.rows(); ++r) {
    for (const double bound : call.bounds(r).out) largest = std::fmax(largest, bound);
  }
  return 2.0 * largest;
}

void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::int64_t n = 0; n < a.size(); ++n)
    ASSERT_NEAR(a.as<float>()[n], b.as<float>()[n], tolerance) << "element " << n;
}

class Properties : public ::testing::TestWithParam<std::string> {
 protected:
  Tensor run(const TensorView& queries, const TensorView& keys, const TensorView& values,
             AttentionOptions options = {}) {
    options.way = GetParam();
    return attention(queries, keys, values, options);
  }
  const Tensor q = random_tensor(1, kHeads, kQueries, 1), k = random_tensor(1, kHeads, kKeys, 2),
               v = random_tensor(1, kHeads, kKeys, 3);
};

TEST_P(Properties, TheOrderOfKeysDoesNotMatter) {
  std::vector<std::int64_t> order(kKeys);
  std::iota(order.begin(), order.end(), 0);
  Random random(4);
  for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.next() % (i + 1)]);
  const Tensor k2(DType::f32, k.shape()), v2(DType::f32, v.shape());
  for (std::int64_t h = 0; h < kHeads; ++h) {
    for (std::int64_t j = 0; j < kKeys; ++j) {
      const std::int64_t from = (h * kKeys + order[static_cast<std::size_t>(j)]) * kD,
                         to = (h * kKeys + j) * kD;
      std::copy_n(k.as<float>() + from, kD, k2.as<float>() + to);
      std::copy_n(v.as<float>() + from, kD, v2.as<float>() + to);
    }
  }
  expect_near(run(q, k, v), run(q, k2, v2), twice_the_bound());
}

TEST_P(Properties, GroupedHeadsEqualRepeatedHeads) {
  const Tensor q6 = random_tensor(1, 6, kQueries, 5);
  const Tensor k6(DType::f32, {1, 6, kKeys, kD}), v6(DType::f32, {1, 6, kKeys, kD});
  for (std::int64_t h = 0; h < 6; ++h) {
    std::copy_n(k.as<float>() + h / 3 * kKeys * kD, kKeys * kD, k6.as<float>() + h * kKeys * kD);
    std::copy_n(v.as<float>() + h / 3 * kKeys * kD, kKeys * kD, v6.as<float>() + h * kKeys * kD);
  }
  expect_near(run(q6, k, v), run(q6, k6, v6), twice_the_bound());
}

TEST_P(Properties, TheCausalFlagEqualsItsMask) {
  const Tensor mask(DType::u8, {kQueries, kKeys});
  for (const CausalCorner corner : {CausalCorner::top_left, CausalCorner::bottom_right}) {
    const std::int64_t offset = corner == CausalCorner::top_left ? 0 : kKeys - kQueries;
    for (std::int64_t n = 0; n < mask.size(); ++n) mask.as<std::uint8_t>()[n] = n % kKeys <= n / kKeys + offset;
    AttentionOptions flag, explicit_mask;
    flag.mask.causal = corner;
    explicit_mask.mask.boolean = mask;
    expect_near(run(q, k, v, flag), run(q, k, v, explicit_mask), twice_the_bound());
  }
}

TEST_P(Properties, TwiceTheValuesGiveTwiceTheResultBitForBit) {
  const Tensor twice(DType::f32, v.shape()), expected(DType::f32, q.shape());
  for (std::int64_t n = 0; n < v.size(); ++n) twice.as<float>()[n] = 2.0f * v.as<float>()[n];
  const Tensor once = run(q, k, v);
  for (std::int64_t n = 0; n < once.size(); ++n) expected.as<float>()[n] = 2.0f * once.as<float>()[n];
  EXPECT_TRUE(same_bits(run(q, k, twice), expected));
}

TEST_P(Properties, TheResultLiesWithinTheValues) {
  const Tensor out = run(q, k, v);
  for (std::int64_t h = 0; h < kHeads; ++h) {
    for (std::int64_t d = 0; d < kD; ++d) {
      float low = kInfinity, high = -kInfinity;
      for (std::int64_t j = 0; j < kKeys; ++j) {
        low = std::min(low, v.as<float>()[(h * kKeys + j) * kD + d]);
        high = std::max(high, v.as<float>()[(h * kKeys + j) * kD + d]);
      }
      for (std::int64_t i = 0; i < kQueries; ++i) {
        const float o = out.as<float>()[(h * kQueries + i) * kD + d];
        ASSERT_TRUE(o > low - 1e-6f && o < high + 1e-6f);
      }
    }
  }
}

TEST_P(Properties, EachBatchIsComputedAsIfAlone) {
  const Tensor q3 = random_tensor(3, kHeads, kQueries, 7), k3 = random_tensor(3, kHeads, kKeys, 8),
               v3 = random_tensor(3, kHeads, kKeys, 9);
  const Tensor whole = run(q3, k3, v3);
  for (std::int64_t b = 0; b < 3; ++b) {
    const Tensor alone =
        run(q3.view().sliced(0, b, b + 1), k3.view().sliced(0, b, b + 1), v3.view().sliced(0, b, b + 1));
    EXPECT_EQ(std::memcmp(alone.data(), whole.as<float>() + b * alone.size(), alone.size_bytes()), 0) << b;
  }
}

TEST_P(Properties, TheLayoutChangesNoBit) {
  const auto as_bshd = [](const Tensor& t) { return copy_to(t.view().permuted({0, 2, 1, 3}), Device::cpu()); };
  const Tensor q2 = as_bshd(q), k2 = as_bshd(k), v2 = as_bshd(v);
  EXPECT_TRUE(same_bits(run(q, k, v), run(q2.view().permuted({0, 2, 1, 3}), k2.view().permuted({0, 2, 1, 3}),
                                          v2.view().permuted({0, 2, 1, 3}))));
}

/// Ways that can give lse and take masks.
class MaskedProperties : public Properties {
 protected:
  struct Result {
    Tensor out, lse;
  };
  /// Why the way declines a call; "" if it does not.
  static std::string refusal(const TensorView& queries, const TensorView& keys, AttentionOptions options) {
    options.way = GetParam();
    try {
      plan_attention(queries, keys, keys, options);
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported) << e.what();
      return e.what();
    }
  }
  Result run_with_lse(const TensorView& queries, const TensorView& keys, const TensorView& values,
                      AttentionOptions options = {}) {
    options.way = GetParam();
    Result r{Tensor(queries.dtype, queries.shape),
             Tensor(DType::f32, {queries.shape[0], queries.shape[1], queries.shape[2]})};
    attention_into({.out = r.out.view(), .lse = r.lse.view()}, queries, keys, values, options);
    return r;
  }
};

/// Leaves the test where a way of ours may decline a call with these options, with the way's reason.
#define SKIP_IF_UNKNOWN(q, k, options)                                                          \
  if (const std::string why = refusal(q, k, options); !why.empty()) {                           \
    const std::string pages = "it does not know paged keys and values";                         \
    ASSERT_TRUE(why.ends_with(pages) && (GetParam() == "simdgroup" || GetParam() == "unfused")) \
        << "unexpected refusal: " << why;                                                       \
    GTEST_SKIP() << why;                                                                        \
  }

TEST_P(MaskedProperties, AConstantBiasLeavesTheResultAndShiftsLse) {
  const Tensor bias(DType::f32, {1, 1});
  bias.as<float>()[0] = 2.5f;
  AttentionOptions options;
  options.mask.bias = bias;
  const Result without = run_with_lse(q, k, v), with = run_with_lse(q, k, v, options);
  expect_near(without.out, with.out, twice_the_bound());
  for (std::int64_t n = 0; n < without.lse.size(); ++n)
    EXPECT_NEAR(with.lse.as<float>()[n], without.lse.as<float>()[n] + 2.5f, 1e-5f);
}

TEST_P(MaskedProperties, MaskedPaddingChangesNothing) {
  const Tensor mask(DType::u8, {kKeys});
  for (std::int64_t j = 0; j < kKeys; ++j) mask.as<std::uint8_t>()[j] = j < 61;
  AttentionOptions options;
  options.mask.boolean = mask;
  const Result padded = run_with_lse(q, k, v, options);
  const Result cut = run_with_lse(q, k.view().sliced(2, 0, 61), v.view().sliced(2, 0, 61));
  expect_near(padded.out, cut.out, twice_the_bound());
  expect_near(padded.lse, cut.lse, 1e-5);
}

TEST_P(MaskedProperties, PartsMergedByTheirLseAreTheWhole) {
  const Result whole = run_with_lse(q, k, v);
  const Result left = run_with_lse(q, k.view().sliced(2, 0, 50), v.view().sliced(2, 0, 50));
  const Result right = run_with_lse(q, k.view().sliced(2, 50, kKeys), v.view().sliced(2, 50, kKeys));
  for (std::int64_t r = 0; r < whole.lse.size(); ++r) {
    const double a =
        std::exp(static_cast<double>(left.lse.as<float>()[r]) - static_cast<double>(whole.lse.as<float>()[r]));
    const double b =
        std::exp(static_cast<double>(right.lse.as<float>()[r]) - static_cast<double>(whole.lse.as<float>()[r]));
    EXPECT_NEAR(a + b, 1.0, 1e-5);
    for (std::int64_t d = 0; d < kD; ++d) {
      const std::int64_t n = r * kD + d;
      EXPECT_NEAR(
          a * static_cast<double>(left.out.as<float>()[n]) + b * static_cast<double>(right.out.as<float>()[n]),
          whole.out.as<float>()[n], 1e-5);
    }
  }
}

TEST_P(MaskedProperties, WantingLseChangesNoBitOfTheResult) {
  EXPECT_TRUE(same_bits(run_with_lse(q, k, v).out, run(q, k, v)));
  const Tensor queries = random_tensor(1, kHeads, 150, 4, DType::bf16);
  const Tensor keys = random_tensor(1, kHeads, 200, 5, DType::bf16);
  EXPECT_TRUE(same_bits(run_with_lse(queries, keys, keys).out, run(queries, keys, keys))) << "bf16";
}

TEST_P(MaskedProperties, SegmentsAreABlockDiagonal) {
  const Tensor q_ids(DType::i32, {1, kQueries}), kv_ids(DType::i32, {1, kKeys});
  for (std::int64_t i = 0; i < kQueries; ++i) q_ids.as<std::int32_t>()[i] = i < 20 ? 3 : 4;
  for (std::int64_t j = 0; j < kKeys; ++j) kv_ids.as<std::int32_t>()[j] = j < 70 ? 3 : 4;
  AttentionOptions options;
  options.mask.segments = {.q = q_ids, .kv = kv_ids};
  SKIP_IF_UNKNOWN(q, k, options);
  const Result both = run_with_lse(q, k, v, options);
  for (const auto& [q0, q1, k0, k1] :
       {std::array{0, 20, 0, 70}, std::array{20, int{kQueries}, 70, int{kKeys}}}) {
    const Result alone =
        run_with_lse(q.view().sliced(2, q0, q1), k.view().sliced(2, k0, k1), v.view().sliced(2, k0, k1));
    const Tensor part = copy_to(both.out.view().sliced(2, q0, q1), Device::cpu()),
                 part_lse = copy_to(both.lse.view().sliced(2, q0, q1), Device::cpu());
    expect_near(part, alone.out, twice_the_bound());
    expect_near(part_lse, alone.lse, 1e-5);
  }
}

TEST_P(MaskedProperties, SegmentsOfOneIdAndMapsOfOpenBlocksChangeNoBit) {
  const Tensor queries = random_tensor(1, kHeads, 150, 4), keys = random_tensor(1, kHeads, 200, 5);
  const Result plain = run_with_lse(queries, keys, keys);
  const Tensor ids(DType::i32, {1, 200}), open(DType::u8, {1, 1, 10, 20});
  std::fill_n(ids.as<std::int32_t>(), ids.size(), 8);
  std::fill_n(open.as<std::uint8_t>(), open.size(), std::uint8_t{1});
  AttentionOptions segments, blocks;
  segments.mask.segments = {.q = ids.view().sliced(1, 0, 150), .kv = ids};
  blocks.mask.blocks = BlockMap{open, 15, 10};
  for (const AttentionOptions& options : {segments, blocks}) {
    SKIP_IF_UNKNOWN(queries, keys, options);
    const Result with = run_with_lse(queries, keys, keys, options);
    EXPECT_TRUE(same_bits(with.out, plain.out));
    EXPECT_TRUE(same_bits(with.lse, plain.lse));
  }
}

TEST_P(MaskedProperties, PagesChangeNoBit) {
  for (const std::int64_t query_length : {1, 3, 150}) {
    for (const std::int64_t page : {1, 16, 24, 40, 120}) {
      constexpr std::int64_t kRows = 240;
      const std::int64_t most = kRows / page;
      const Tensor queries = random_tensor(1, kHeads, query_length, 4),
                   keys = random_tensor(1, kHeads, kRows, 5);
      const Tensor pool(DType::f32, {most, page, kHeads, kD}), table(DType::i32, {1, most}),
          length(DType::i32, {1});
      length.as<std::int32_t>()[0] = 233;
      for (std::int64_t i = 0; i < most; ++i)
        table.as<std::int32_t>()[i] = static_cast<std::int32_t>(most - 1 - i);
      for (std::int64_t h = 0; h < kHeads; ++h) {
        for (std::int64_t j = 0; j < kRows; ++j)
          std::copy_n(keys.as<float>() + (h * kRows + j) * kD, kD,
                      pool.as<float>() + (((most - 1 - j / page) * page + j % page) * kHeads + h) * kD);
      }
      AttentionOptions options;
      options.lengths.kv = length;
      const Result plain = run_with_lse(queries, keys, keys, options);
      options.block_table = table;
      SKIP_IF_UNKNOWN(queries, pool, options);
      const Result paged = run_with_lse(queries, pool, pool, options);
      EXPECT_TRUE(same_bits(paged.out, plain.out)) << query_length << " queries, pages of " << page;
      EXPECT_TRUE(same_bits(paged.lse, plain.lse)) << query_length << " queries, pages of " << page;
    }
  }
}

std::vector<std::string> ways_without(const std::string& other) {
  std::vector<std::string> names;
  for (const WayInfo& way : attention_ways()) {
    if (way.built && way.name != other && way.name.find("cud") == std::string::npos &&
        way.name.find("sm90") == std::string::npos)
      names.push_back(way.name);
  }
  return names;
}
std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string text = info.param;
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}
INSTANTIATE_TEST_SUITE_P(Attention, Properties, ::testing::ValuesIn(ways_without("vendor.onednn")), test_name);
INSTANTIATE_TEST_SUITE_P(Attention, MaskedProperties, ::testing::ValuesIn(ways_without("vendor.onednn")),
                         test_name);

}  // namespace
}  // namespace flashtile::test
