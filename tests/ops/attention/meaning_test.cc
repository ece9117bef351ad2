// What attention means where implementations differ, line by line, with answers worked out
// by hand; for every way.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/ops/attention/cases.h"

namespace flashtile::test {
namespace {

constexpr std::int64_t kD = 8;  // head size of these calls

/// A (1, heads, length, kD) tensor of f32 whose rows hold value(head, row) in each column.
Tensor rows(std::int64_t heads, std::int64_t length,
            const std::function<float(std::int64_t, std::int64_t)>& value) {
  Tensor t(DType::f32, {1, heads, length, kD});
  for (std::int64_t n = 0; n < t.size(); ++n) t.as<float>()[n] = value(n / kD / length, n / kD % length);
  return t;
}
Tensor zeros(std::int64_t length) {
  return rows(1, length, [](auto, auto) { return 0.0f; });
}
/// V whose row j holds j + 1.
Tensor numbered(std::int64_t length) {
  return rows(1, length, [](auto, auto j) { return static_cast<float>(j + 1); });
}

class Meaning : public ::testing::TestWithParam<std::string> {
 protected:
  struct Result {
    std::vector<float> out;  ///< the first column of each row
    std::vector<float> lse;
  };

  /// Runs the call by the way under test; asks for lse only if told to, since some ways have none.
  Result run(const TensorView& q, const TensorView& k, const TensorView& v, AttentionOptions options = {},
             bool lse_wanted = false) {
    options.way = GetParam();
    const Dims shape{q.shape[0], q.shape[1], q.shape[2], v.shape[3]};
    const Tensor out(q.dtype, shape), lse(DType::f32, {shape[0], shape[1], shape[2]});
    AttentionOutputs outputs{.out = out.view()};
    if (lse_wanted) outputs.lse = lse.view();
    attention_into(outputs, q, k, v, options);
    const Tensor exact = convert(out, DType::f32);
    Result result;
    for (std::int64_t r = 0; r < lse.size(); ++r) {
      result.out.push_back(exact.as<float>()[r * shape[3]]);
      result.lse.push_back(lse.as<float>()[r]);
    }
    return result;
  }
};

/// Ways of ours that need not know pages.
bool may_decline_pages(const std::string& way, const Error& e) {
  return (way == "simdgroup" || way == "unfused") && e.refused().size() == 1 &&
         e.refused()[0].reason == "it does not know paged keys and values";
}

/// Leaves the test when the way declines the call, with the way's reason.
#define RUN_OR_SKIP(result, ...)                                                   \
  Result result;                                                                   \
  try {                                                                            \
    result = run(__VA_ARGS__);                                                     \
  } catch (const Error& e) {                                                       \
    ASSERT_EQ(e.code(), ErrorCode::unsupported);                                   \
    ASSERT_TRUE(GetParam() == "vendor.onednn" || may_decline_pages(GetParam(), e)) \
        << "unexpected refusal: " << e.what();                                     \
    GTEST_SKIP() << e.what();                                                      \
  }

AttentionOptions causal(CausalCorner corner) {
  AttentionOptions options;
  options.mask.causal = corner;
  return options;
}
AttentionOptions masked(const TensorView& boolean) {
  AttentionOptions options;
  options.mask.boolean = boolean;
  return options;
}
AttentionOptions biased(const TensorView& bias) {
  AttentionOptions options;
  options.mask.bias = bias;
  return options;
}

TEST_P(Meaning, CausalTopLeftLetsTheFirstQuerySeeTheFirstKeyOnly) {
  RUN_OR_SKIP(r, zeros(2), zeros(4), numbered(4), causal(CausalCorner::top_left));
  EXPECT_FLOAT_EQ(r.out[0], 1.0f);
  EXPECT_FLOAT_EQ(r.out[1], 1.5f);
}

TEST_P(Meaning, CausalBottomRightLetsTheLastQuerySeeEveryKey) {
  RUN_OR_SKIP(r, zeros(2), zeros(4), numbered(4), causal(CausalCorner::bottom_right));
  EXPECT_FLOAT_EQ(r.out[0], 2.0f);
  EXPECT_FLOAT_EQ(r.out[1], 2.5f);
}

TEST_P(Meaning, ANegativeOffsetLeavesTheFirstQueriesWithoutKeys) {
  RUN_OR_SKIP(r, zeros(5), zeros(3), numbered(3), causal(CausalCorner::bottom_right), true);
  EXPECT_EQ(r.out[0], 0.0f);
  EXPECT_EQ(r.out[1], 0.0f);
  EXPECT_EQ(r.lse[0], -kInfinity);
  EXPECT_EQ(r.lse[1], -kInfinity);
  EXPECT_FLOAT_EQ(r.out[2], 1.0f);
  EXPECT_FLOAT_EQ(r.out[4], 2.0f);
}

/// Two batch entries of zeros; V's row j of entry b holds 10 b + j + 1.
struct TwoEntries {
  Tensor q, k, v;
  TwoEntries(std::int64_t queries, std::int64_t keys)
      : q(DType::f32, {2, 1, queries, kD}), k(DType::f32, {2, 1, keys, kD}), v(DType::f32, {2, 1, keys, kD}) {
    for (const Tensor* t : {&q, &k}) std::fill_n(t->as<float>(), t->size(), 0.0f);
    for (std::int64_t n = 0; n < v.size(); ++n)
      v.as<float>()[n] = static_cast<float>(n / kD / keys * 10 + n / kD % keys + 1);
  }
};

TEST_P(Meaning, RowsBehindALengthAreNotThere) {
  TwoEntries t(3, 4);
  const std::int32_t queries[] = {1, 3}, keys[] = {3, 0};
  for (std::int64_t j = 3 * kD; j < 4 * kD; ++j) t.k.as<float>()[j] = t.v.as<float>()[j] = kNaN;
  for (std::int64_t i = kD; i < 3 * kD; ++i) t.q.as<float>()[i] = kNaN;
  AttentionOptions options;
  options.lengths = {.q = packed_view(queries, DType::i32, {2}), .kv = packed_view(keys, DType::i32, {2})};
  RUN_OR_SKIP(r, t.q, t.k, t.v, options, true);
  EXPECT_FLOAT_EQ(r.out[0], 2.0f);  // the mean of 1, 2 and 3
  EXPECT_FLOAT_EQ(r.lse[0], std::log(3.0f));
  for (const std::size_t row : {1, 2, 3, 4, 5}) {  // padding, and queries without keys
    EXPECT_EQ(r.out[row], 0.0f) << row;
    EXPECT_EQ(r.lse[row], -kInfinity) << row;
  }
}

TEST_P(Meaning, TheBottomRightCornerIsThatOfValidRows) {
  const TwoEntries t(3, 5);
  const std::int32_t queries[] = {2, 3}, keys[] = {4, 2};
  AttentionOptions options = causal(CausalCorner::bottom_right);
  options.lengths = {.q = packed_view(queries, DType::i32, {2}), .kv = packed_view(keys, DType::i32, {2})};
  RUN_OR_SKIP(r, t.q, t.k, t.v, options);
  EXPECT_FLOAT_EQ(r.out[0], 2.0f);  // keys 0, 1 and 2 of 4
  EXPECT_FLOAT_EQ(r.out[1], 2.5f);  // all 4
  EXPECT_EQ(r.out[2], 0.0f);        // padding
  EXPECT_EQ(r.out[3], 0.0f);        // three queries on two keys: the first sees none
  EXPECT_FLOAT_EQ(r.out[4], 11.0f);
  EXPECT_FLOAT_EQ(r.out[5], 11.5f);
}

TEST_P(Meaning, EachEntryMayHaveAnOffsetOfItsOwn) {
  const TwoEntries t(2, 4);
  const std::int64_t offsets[] = {2, -1};
  AttentionOptions options;
  options.mask.causal = packed_view(offsets, DType::i64, {2});
  RUN_OR_SKIP(r, t.q, t.k, t.v, options);
  EXPECT_FLOAT_EQ(r.out[0], 2.0f);  // keys 0 ... 2
  EXPECT_FLOAT_EQ(r.out[1], 2.5f);
  EXPECT_EQ(r.out[2], 0.0f);
  EXPECT_FLOAT_EQ(r.out[3], 11.0f);
  options.mask.causal.reset();
  options.mask.window = {.left = 0, .right = 0};
  options.query_offset = packed_view(offsets, DType::i64, {2});
  const Result own = run(t.q, t.k, t.v, options);
  EXPECT_FLOAT_EQ(own.out[0], 3.0f);
  EXPECT_EQ(own.out[2], 0.0f);
  EXPECT_FLOAT_EQ(own.out[3], 11.0f);
}

TEST_P(Meaning, ASlopeCountsTheDistanceOfAPosition) {
  const float slopes[] = {std::log(2.0f)};  // each step halves a weight
  AttentionOptions options;
  options.query_offset = std::int64_t{1};
  options.alibi_slopes = packed_view(slopes, DType::f32, {1});
  RUN_OR_SKIP(r, zeros(2), zeros(3), numbered(3), options, true);
  EXPECT_FLOAT_EQ(r.out[0], (0.5f * 1 + 2 + 0.5f * 3) / 2);  // the first query is at key 1
  EXPECT_FLOAT_EQ(r.lse[0], std::log(2.0f));
  EXPECT_FLOAT_EQ(r.out[1], (0.25f * 1 + 0.5f * 2 + 3) / 1.75f);
}

TEST_P(Meaning, ASlopeComesAfterTheSoftcap) {
  const float slopes[] = {-100.0f};
  AttentionOptions options;
  options.softcap = 1.0f;
  options.alibi_slopes = packed_view(slopes, DType::f32, {1});
  RUN_OR_SKIP(r, zeros(1), zeros(2), numbered(2), options);
  EXPECT_FLOAT_EQ(r.out[0], 2.0f);  // a capped slope would leave key 0 a quarter
}

TEST_P(Meaning, SlopesAreThoseOfHeadsOrOfEntriesToo) {
  const float slopes[] = {0.0f, 1e4f};
  const Tensor q = rows(2, 1, [](auto, auto) { return 0.0f; }), k = q,
               v = rows(2, 1, [](auto h, auto) { return static_cast<float>(h); });
  AttentionOptions options;
  options.query_offset = std::int64_t{1};
  options.alibi_slopes = packed_view(slopes, DType::f32, {1, 2});
  RUN_OR_SKIP(r, q, k, v, options, true);
  EXPECT_NEAR(r.lse[0], 0.0f, 1e-6f);
  EXPECT_FLOAT_EQ(r.lse[1], -1e4f);
}

TEST_P(Meaning, ASinkTakesItsShareOfTheWeights) {
  const float sinks[] = {std::log(2.0f)};
  AttentionOptions options;
  options.sinks = packed_view(sinks, DType::f32, {1});
  RUN_OR_SKIP(r, zeros(1), zeros(2), numbered(2), options, true);
  EXPECT_FLOAT_EQ(r.out[0], 0.75f);  // (1 + 2) / (2 keys + 2)
  EXPECT_FLOAT_EQ(r.lse[0], std::log(4.0f));
}

TEST_P(Meaning, ARowWithoutKeysIsItsSinkAndPaddingIsNot) {
  const float sinks[] = {-7.5f};
  const std::int32_t queries[] = {2};
  AttentionOptions options = causal(CausalCorner::top_left);
  options.query_offset = std::int64_t{-1};
  options.mask.causal = std::int64_t{-1};
  options.sinks = packed_view(sinks, DType::f32, {1});
  options.lengths.q = packed_view(queries, DType::i32, {1});
  RUN_OR_SKIP(r, zeros(3), zeros(3), numbered(3), options, true);
  EXPECT_EQ(r.out[0], 0.0f);
  EXPECT_EQ(r.lse[0], -7.5f);
  EXPECT_FLOAT_EQ(r.out[1], 1 / (1 + std::exp(-7.5f)));
  EXPECT_EQ(r.out[2], 0.0f);
  EXPECT_EQ(r.lse[2], -kInfinity);
}

TEST_P(Meaning, ASinkOfInfinityTakesAllAndOneOfMinusInfinityNothing) {
  const float sinks[] = {kInfinity, -kInfinity};
  const Tensor q = rows(2, 2, [](auto, auto) { return 0.0f; }), v = rows(2, 2, [](auto, auto) { return 3.0f; });
  AttentionOptions options;
  options.mask.causal = std::int64_t{-1};
  options.sinks = packed_view(sinks, DType::f32, {2});
  RUN_OR_SKIP(r, q, q, v, options, true);
  EXPECT_EQ(r.out, (std::vector<float>{0, 0, 0, 3}));
  EXPECT_EQ(std::vector(r.lse.begin(), r.lse.begin() + 3), (std::vector{kInfinity, kInfinity, -kInfinity}));
  EXPECT_NEAR(r.lse[3], 0.0f, 1e-6f);
}

TEST_P(Meaning, ResultsInFloat32AreNotRounded) {
  const Tensor q(DType::f16, {1, 1, 1, kD}), k(DType::f16, {1, 1, 2, kD}), v(DType::f16, {1, 1, 2, kD});
  for (const Tensor* t : {&q, &k}) std::fill_n(t->as<half>(), t->size(), half(0.0f));
  for (std::int64_t n = 0; n < v.size(); ++n) v.as<half>()[n] = half(n < kD ? 1.0f : 1.0f + 0x1p-10f);
  AttentionOptions options{.out_dtype = DType::f32, .way = GetParam()};
  Tensor out;
  try {
    out = attention(q, k, v, options);
  } catch (const Error& e) {
    ASSERT_EQ(GetParam(), "vendor.onednn") << e.what();
    GTEST_SKIP() << e.what();
  }
  ASSERT_EQ(out.dtype(), DType::f32);
  for (std::int64_t d = 0; d < kD; ++d) EXPECT_EQ(out.as<float>()[d], 1.0f + 0x1p-11f) << d;
}

TEST_P(Meaning, VMayBeAViewOfK) {
  const Tensor k = numbered(2);
  const Tensor q = zeros(1);
  const TensorView v = k.view().sliced(3, 4, 8);
  RUN_OR_SKIP(r, q, k, v);
  EXPECT_FLOAT_EQ(r.out[0], 1.5f);
}

TEST_P(Meaning, AQueryAttendsToKeysOfItsSegment) {
  // Ids mean nothing but themselves, in any order: the largest and the lowest too. The last query has no key.
  const std::int32_t q_ids[] = {7, -1, 7, 0}, kv_ids[] = {7, 7, -1, 2147483647, -1, -2147483648};
  AttentionOptions options;
  options.mask.segments = {.q = packed_view(q_ids, DType::i32, {1, 4}),
                           .kv = packed_view(kv_ids, DType::i32, {1, 6})};
  RUN_OR_SKIP(r, zeros(4), zeros(6), numbered(6), options);
  EXPECT_FLOAT_EQ(r.out[0], 1.5f);
  EXPECT_FLOAT_EQ(r.out[1], 4.0f);
  EXPECT_FLOAT_EQ(r.out[2], 1.5f);
  EXPECT_EQ(r.out[3], 0.0f);
}

TEST_P(Meaning, ABlockMapHidesWholeBlocks) {
  // Blocks of 2 queries and 3 keys, the last ones cut off: 0 hides, any other byte does not.
  const std::uint8_t map[] = {1, 0, 200, 0, 255, 0};
  AttentionOptions options;
  options.mask.blocks = BlockMap{packed_view(map, DType::u8, {1, 1, 2, 3}), 2, 3};
  RUN_OR_SKIP(r, zeros(3), zeros(7), numbered(7), options);
  EXPECT_FLOAT_EQ(r.out[0], (1 + 2 + 3 + 7) / 4.0f);
  EXPECT_FLOAT_EQ(r.out[1], (1 + 2 + 3 + 7) / 4.0f);
  EXPECT_FLOAT_EQ(r.out[2], 5.0f);
}

TEST_P(Meaning, ABlockTableSaysWhichPageARowIsIn) {
  // Pages of 2 rows hold 1 2, 3 4, 5 6: entry 0 has rows 5 6 1, entry 1 has 3. Other numbers are not looked at.
  const std::int32_t table[] = {2, 0, -5, 1, 99, 99}, lengths[] = {3, 1};
  const Tensor q(DType::f32, {2, 1, 1, kD}), pages(DType::f32, {3, 2, 1, kD});
  std::fill_n(q.as<float>(), q.size(), 0.0f);
  for (std::int64_t n = 0; n < pages.size(); ++n) pages.as<float>()[n] = static_cast<float>(n / kD + 1);
  AttentionOptions options;
  options.block_table = packed_view(table, DType::i32, {2, 3});
  options.lengths.kv = packed_view(lengths, DType::i32, {2});
  RUN_OR_SKIP(r, q, pages, pages, options);
  EXPECT_FLOAT_EQ(r.out[0], 4.0f);
  EXPECT_FLOAT_EQ(r.out[1], 3.0f);
}

TEST_P(Meaning, AWindowCountsNeighboursOfThePositionInclusively) {
  AttentionOptions options;
  options.mask.window = {.left = 1, .right = 2};
  RUN_OR_SKIP(r, zeros(6), zeros(6), numbered(6), options, true);
  const float means[] = {2.0f, 2.5f, 3.5f, 4.5f, 5.0f, 5.5f};  // of keys i - 1 ... i + 2 that there are
  const int counts[] = {3, 4, 4, 4, 3, 2};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_FLOAT_EQ(r.out[i], means[i]);
    EXPECT_NEAR(r.lse[i], std::log(static_cast<float>(counts[i])), 1e-6);
  }
}

TEST_P(Meaning, MinusOneOpensASideOfAWindow) {
  AttentionOptions options;
  options.mask.window = {.left = -1, .right = 0};
  RUN_OR_SKIP(r, zeros(3), zeros(4), numbered(4), options);
  EXPECT_FLOAT_EQ(r.out[0], 1.0f);
  EXPECT_FLOAT_EQ(r.out[2], 2.0f);
  options.mask.window = {.left = 0, .right = -1};
  const Result other = run(zeros(3), zeros(4), numbered(4), options);
  EXPECT_FLOAT_EQ(other.out[0], 2.5f);
  EXPECT_FLOAT_EQ(other.out[2], 3.5f);
}

TEST_P(Meaning, CausalClosesAWindowsRightAndSetsThePosition) {
  AttentionOptions options = causal(CausalCorner::bottom_right);
  options.mask.window = {.left = 1, .right = 9};
  RUN_OR_SKIP(r, zeros(2), zeros(5), numbered(5), options);
  EXPECT_FLOAT_EQ(r.out[0], 3.5f);  // position 3: keys 2 and 3
  EXPECT_FLOAT_EQ(r.out[1], 4.5f);
}

TEST_P(Meaning, TheQueryOffsetIsThePositionOfTheFirstQuery) {
  AttentionOptions options;
  options.mask.window = {.left = 0, .right = 0};
  options.query_offset = std::int64_t{-1};
  RUN_OR_SKIP(r, zeros(4), zeros(2), numbered(2), options, true);
  EXPECT_EQ(r.out[0], 0.0f) << "before the first key";
  EXPECT_EQ(r.lse[0], -kInfinity);
  EXPECT_FLOAT_EQ(r.out[1], 1.0f);
  EXPECT_FLOAT_EQ(r.out[2], 2.0f);
  EXPECT_EQ(r.out[3], 0.0f) << "behind the last";
  options.query_offset = {};
  options.mask = {};
  options.mask.causal = std::int64_t{1};
  const Result other = run(zeros(2), zeros(5), numbered(5), options);
  EXPECT_FLOAT_EQ(other.out[0], 1.5f);
  EXPECT_FLOAT_EQ(other.out[1], 2.0f);
}

TEST_P(Meaning, ASoftcapBendsTheScaledScoreBeforeBiasesAndMasks) {
  const Tensor k = rows(1, 2, [](auto, auto j) { return j == 0 ? 0.0f : 1.0f; });
  const Tensor q = rows(1, 1, [](auto, auto) { return 1.0f; });
  const Tensor bias(DType::f32, {1, 2});
  bias.as<float>()[0] = 1.5f;
  bias.as<float>()[1] = 0.0f;
  AttentionOptions options = biased(bias);
  options.scale = 0.5f;  // scores 0 and kD / 2 = 4
  options.softcap = 2.0f;
  RUN_OR_SKIP(r, q, k, numbered(2), options, true);
  const double first = std::exp(1.5), second = std::exp(2 * std::tanh(4.0 / 2));
  EXPECT_NEAR(r.out[0], (first + 2 * second) / (first + second), 1e-6);
  EXPECT_NEAR(r.lse[0], std::log(first + second), 1e-6);
  options.softcap = 0.0f;
  const Result off = run(q, k, numbered(2), options);
  EXPECT_NEAR(off.out[0], (first + 2 * std::exp(4.0)) / (first + std::exp(4.0)), 1e-6) << "0 is none";
}

TEST_P(Meaning, ASoftcapBoundsEveryScore) {
  const Tensor q = rows(1, 3, [](auto, auto) { return 1e15f; });
  const Tensor k = rows(1, 2, [](auto, auto j) { return j == 0 ? -1e15f : 1e15f; });
  AttentionOptions options;
  options.softcap = 0.5f;
  RUN_OR_SKIP(r, q, k, numbered(2), options, true);
  EXPECT_NEAR(r.lse[0], std::log(2 * std::cosh(0.5)), 1e-6);
  EXPECT_NEAR(r.out[2], (std::exp(-0.5) + 2 * std::exp(0.5)) / (2 * std::cosh(0.5)), 1e-6);
}

TEST_P(Meaning, AMaskedRowIsRightWhereItsSumOverflowsOnTheWay) {
  const Tensor attend(DType::u8, {100});
  std::fill_n(attend.as<std::uint8_t>(), 100, std::uint8_t{1});
  RUN_OR_SKIP(r, zeros(2), zeros(100), rows(1, 100, [](auto, auto) { return 3e38f; }), masked(attend), true);
  EXPECT_NEAR(r.out[1] / 3e38f, 1.0f, 1e-5f);
  EXPECT_NEAR(r.lse[1], std::log(100.0f), 1e-5f);
}

TEST_P(Meaning, SmallWeightsOfHalfAreNotLost) {
  // One key has nearly all of the weight, and no value; 1000 others have e^-15 each.
  const Tensor q = convert(rows(1, 1, [](auto, auto) { return 1.0f; }), DType::f16);
  const Tensor k = convert(rows(1, 1001, [](auto, auto j) { return j == 0 ? 1.875f : 0.0f; }), DType::f16);
  const Tensor v = convert(rows(1, 1001, [](auto, auto j) { return j == 0 ? 0.0f : 60000.0f; }), DType::f16);
  AttentionOptions options;
  options.scale = 1.0f;  // scores 15 and 0
  RUN_OR_SKIP(r, q, k, v, options);
  const double expected = 1000 * 60000.0 / (std::exp(15.0) + 1000);
  // Kernels that keep weights as half round them to multiples of 2^-24.
  EXPECT_NEAR(r.out[0], expected, expected * (GetParam() == "unfused" ? 0x1p-10 : 0x1p-5));
}

/// Rows that are all the same one, repeated by a stride of 0.
TensorView repeated(const Tensor& row, std::int64_t length) {
  TensorView view = row;
  view.shape[2] = length;
  view.strides[2] = 0;
  return view;
}

TEST_P(Meaning, SumsOfManyKeysStayExact) {
  struct Size {
    DType dtype;
    std::int64_t queries, keys;
  };
  std::vector<Size> sizes{{DType::f32, 1, 1 << 20}, {DType::f32, 20, 1 << 20}};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const std::int64_t queries : {5, 70, 150}) sizes.push_back({dtype, queries, 20'000});
  }
  for (const auto& [dtype, queries, keys] : sizes) {
    const Tensor zero = convert(zeros(1), dtype);
    const Tensor third = convert(rows(1, 1, [](auto, auto) { return 1.0f / 3.0f; }), dtype);
    const double expected = get(third, 0), count = static_cast<double>(keys);
    RUN_OR_SKIP(r, repeated(zero, queries), repeated(zero, keys), repeated(third, keys), {}, true);
    // Chains of 4096 keys, and what they add up to; a result of 16 bits is rounded once more.
    const double sums = (4096 + count / 4096 + 8) * 0x1p-24;
    const double rounding = dtype == DType::f32 ? 0.0 : format_of(dtype).unit();
    for (std::size_t i = 0; i < r.out.size(); ++i) {
      ASSERT_NEAR(r.out[i], expected, expected * (sums + rounding)) << name(dtype) << " " << queries;
      ASSERT_NEAR(r.lse[i], std::log(count), sums + 2e-6) << name(dtype) << " " << queries;
    }
  }
}

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(LongSums, AHundredMillionEqualKeysAreExactByFlashCpu) {
  const std::int64_t keys = 100'000'000;
  const Tensor zero(DType::f32, {1, 1, 1, 1}), third(DType::f32, {1, 1, 1, 1});
  zero.as<float>()[0] = 0.0f;
  third.as<float>()[0] = 1.0f / 3.0f;
  const Tensor out = attention(zero, repeated(zero, keys), repeated(third, keys), {.way = "flash.cpu"});
  EXPECT_NEAR(out.as<float>()[0], 1.0 / 3.0, 1e-5 / 3.0);
}
#endif

TEST_P(Meaning, AMeanIsRightWhereItsSumOverflowsOnTheWay) {
  // The largest number of each type, so that any error upwards is an overflow too.
  const std::pair<DType, float> largest[] = {
      {DType::f32, std::numeric_limits<float>::max()}, {DType::f16, 65504.0f}, {DType::bf16, 0x1.fep127f}};
  for (const auto& [dtype, value] : largest) {
    for (const float size : {value, value / 64}) {
      for (const std::int64_t queries : {1, 5, 20, 150}) {
        const Tensor zero = convert(zeros(1), dtype),
                     values = convert(rows(1, 1, [=](auto, auto) { return -size; }), dtype);
        const std::int64_t keys = 5000;
        RUN_OR_SKIP(r, repeated(zero, queries), repeated(zero, keys), repeated(values, keys), {}, true);
        for (std::size_t i = 0; i < r.out.size(); ++i) {
          ASSERT_NEAR(r.out[i] / size, -1.0f, 1e-3) << name(dtype) << " " << size << " " << queries;
          ASSERT_NEAR(r.lse[i], std::log(static_cast<double>(keys)), 1e-5);
        }
      }
    }
  }
}

TEST_P(Meaning, RowsWithAndWithoutKeysOverflowAndNaNDoNotMix) {
  // Query i sees key i - 3 alone: queries 0, 1, 2 none, 3 a value that overflows with its own weight, 4 NaN.
  const std::int64_t queries = 80, keys = 70;
  const Tensor v = rows(1, keys, [](auto, auto j) {
    return j == 0 ? std::numeric_limits<float>::max() : j == 1 ? kNaN : static_cast<float>(j);
  });
  AttentionOptions options;
  options.mask.window = Window{0, 0};
  options.query_offset = -3;
  RUN_OR_SKIP(r, zeros(queries), zeros(keys), v, options, true);
  for (std::size_t i = 0; i < r.out.size(); ++i) {
    const std::int64_t key = static_cast<std::int64_t>(i) - 3;
    if (key < 0 || key >= keys) {
      EXPECT_EQ(r.out[i], 0.0f) << i;
      EXPECT_EQ(r.lse[i], -kInfinity) << i;
    } else if (key == 1) {
      EXPECT_TRUE(std::isnan(r.out[i]));
    } else {
      EXPECT_FLOAT_EQ(r.out[i], v.as<float>()[key * kD]) << i;
      EXPECT_NEAR(r.lse[i], 0.0f, 1e-6) << i;
    }
  }
}

TEST_P(Meaning, BooleanAndBiasCompose) {
  Tensor attend(DType::u8, {1, 4}), bias(DType::f32, {1, 4});
  const std::uint8_t booleans[] = {0, 1, 1, 1};
  const float biases[] = {9.0f, 0.0f, -kInfinity, std::log(3.0f)};
  std::copy(booleans, booleans + 4, attend.as<std::uint8_t>());
  std::copy(biases, biases + 4, bias.as<float>());
  AttentionOptions options = masked(attend);
  options.mask.bias = bias;
  RUN_OR_SKIP(r, zeros(1), zeros(4), numbered(4), options, true);
  EXPECT_NEAR(r.out[0], (2 + 3 * 4) / 4.0, 1e-6);
  EXPECT_NEAR(r.lse[0], std::log(4.0f), 1e-6);
}

TEST_P(Meaning, CausalAndMaskComposeByAnd) {
  Tensor mask(DType::u8, {1, 4});
  const std::uint8_t attend[] = {0, 1, 1, 1};
  std::copy(attend, attend + 4, mask.as<std::uint8_t>());
  AttentionOptions options = masked(mask);
  options.mask.causal = CausalCorner::top_left;
  RUN_OR_SKIP(r, zeros(3), zeros(4), numbered(4), options);
  EXPECT_EQ(r.out[0], 0.0f);  // key 0 only, and that is masked
  EXPECT_FLOAT_EQ(r.out[1], 2.0f);
  EXPECT_FLOAT_EQ(r.out[2], 2.5f);
}

TEST_P(Meaning, TrueMeansAttendAndAnyNonzeroByteIsTrue) {
  Tensor mask(DType::u8, {1, 4});
  const std::uint8_t attend[] = {0, 1, 128, 0};
  std::copy(attend, attend + 4, mask.as<std::uint8_t>());
  RUN_OR_SKIP(r, zeros(1), zeros(4), numbered(4), masked(mask));
  EXPECT_FLOAT_EQ(r.out[0], 2.5f);
}

TEST_P(Meaning, MinusInfinityExcludesExactlyAndEverythingFiniteIsABias) {
  Tensor mask(DType::f32, {3, 3});
  const float lowest = std::numeric_limits<float>::lowest();
  const float bias[] = {-kInfinity, 0, 0, -10000, -10000, -10000, lowest, lowest, lowest};
  std::copy(bias, bias + 9, mask.as<float>());
  RUN_OR_SKIP(r, zeros(3), zeros(3), numbered(3), biased(mask));
  EXPECT_FLOAT_EQ(r.out[0], 2.5f);
  EXPECT_FLOAT_EQ(r.out[1], 2.0f) << "the same bias everywhere changes nothing";
  EXPECT_FLOAT_EQ(r.out[2], 2.0f) << "not even the lowest";
}

TEST_P(Meaning, BiasesStayDistinctDownToTheLowest) {
  Tensor bias(DType::f32, {3, 3});
  const float lowest = std::numeric_limits<float>::lowest();
  const float values[] = {lowest, lowest, lowest, -3e38f, lowest, lowest, -3.4e38f, -3e38f, -2.5e38f};
  std::copy(values, values + 9, bias.as<float>());
  for (const std::int64_t heads : {1, 7}) {  // one query to each head, and more of them than a few
    const Tensor q = rows(heads, 3, [](auto, auto) { return 0.0f; });
    RUN_OR_SKIP(r, q, zeros(3), numbered(3), biased(bias), true);
    for (std::size_t n = 0; n < r.out.size(); n += 3) {
      EXPECT_FLOAT_EQ(r.out[n], 2.0f);
      EXPECT_FLOAT_EQ(r.out[n + 1], 1.0f);
      EXPECT_FLOAT_EQ(r.out[n + 2], 3.0f);
      EXPECT_FLOAT_EQ(r.lse[n], lowest);
      EXPECT_FLOAT_EQ(r.lse[n + 1], -3e38f);
      EXPECT_FLOAT_EQ(r.lse[n + 2], -2.5e38f);
    }
  }
}

TEST_P(Meaning, AnyFiniteScaleIsLegal) {
  AttentionOptions options;
  options.scale = 3e38f;  // times log2(e) it is not finite
  const Tensor q = rows(1, 2, [](auto, auto) { return 1e-20f; });
  const Tensor k = rows(1, 3, [](auto, auto j) { return static_cast<float>(j) * 1e-20f; });
  RUN_OR_SKIP(r, q, k, numbered(3), options, true);
  double sum = 0, weighted = 0;
  for (int j = 0; j < 3; ++j) {
    const double weight = std::exp(3e38 * 1e-40 * kD * j);
    sum += weight;
    weighted += weight * (j + 1);
  }
  EXPECT_NEAR(r.out[0], weighted / sum, 1e-5);
  EXPECT_NEAR(r.lse[0], std::log(sum), 1e-5);
}

TEST_P(Meaning, ABiasIsAddedToTheScaledScoreInNaturalUnits) {
  Tensor mask(DType::f32, {1, 2});
  mask.as<float>()[0] = 0.0f;
  mask.as<float>()[1] = std::log(3.0f);  // three times the weight
  AttentionOptions options = biased(mask);
  options.scale = 0.5f;
  RUN_OR_SKIP(r, zeros(1), zeros(2), numbered(2), options, true);
  EXPECT_NEAR(r.out[0], 1.75f, 1e-6f);
  EXPECT_NEAR(r.lse[0], std::log(4.0f), 1e-6f);
}

TEST_P(Meaning, AFullyMaskedRowIsExactlyZeroWithLseMinusInfinity) {
  Tensor booleans(DType::u8, {2, 1}), biases(DType::f32, {2, 70});
  booleans.as<std::uint8_t>()[0] = 0;
  booleans.as<std::uint8_t>()[1] = 1;
  for (int j = 0; j < 140; ++j) biases.as<float>()[j] = j < 70 ? -kInfinity : 0.0f;
  for (const auto& options : {masked(booleans), biased(biases)}) {
    RUN_OR_SKIP(r, numbered(2), numbered(70), numbered(70), options, true);
    EXPECT_EQ(r.out[0], 0.0f);
    EXPECT_FALSE(std::signbit(r.out[0]));
    EXPECT_EQ(r.lse[0], -kInfinity);
    EXPECT_GT(r.out[1], 0.0f);
  }
}

TEST_P(Meaning, ARowIsFullyMaskedByItsMaskNotByItsScores) {
  // Both scores are -inf, but both keys are attended to: softmax is 0 / 0.
  const Tensor keys = rows(1, 2, [](auto, auto) { return -kInfinity; });
  const Tensor queries = rows(1, 1, [](auto, auto) { return 1.0f; });
  RUN_OR_SKIP(r, queries, keys, numbered(2));
  EXPECT_TRUE(std::isnan(r.out[0]));
}

TEST_P(Meaning, LseIsTheNaturalLogarithmOfTheSum) {
  RUN_OR_SKIP(r, zeros(1), zeros(100), numbered(100), {}, true);
  EXPECT_NEAR(r.lse[0], std::log(100.0f), 1e-6f);
}

TEST_P(Meaning, ScaleDefaultsToOneOverRootD) {
  const Tensor q = rows(1, 1, [](auto, auto) { return 0.5f; }),
               k = rows(1, 3, [](auto, auto j) { return static_cast<float>(j); });
  RUN_OR_SKIP(r, q, k, numbered(3));
  const Result explicit_scale = run(q, k, numbered(3), {.scale = 1.0f / std::sqrt(8.0f)});
  EXPECT_EQ(r.out, explicit_scale.out);
  const float e = std::exp(4.0f / std::sqrt(8.0f));  // scores 0, 4, 8 over root 8
  EXPECT_NEAR(r.out[0], (1 + 2 * e + 3 * e * e) / (1 + e + e * e), 1e-5f);
}

TEST_P(Meaning, ScaleMayBeZeroOrNegative) {
  const Tensor q = rows(1, 1, [](auto, auto) { return 1.0f; }),
               k = rows(1, 3, [](auto, auto j) { return static_cast<float>(10 * j); });
  RUN_OR_SKIP(zero, q, k, numbered(3), {.scale = 0.0f});
  EXPECT_FLOAT_EQ(zero.out[0], 2.0f);
  EXPECT_FLOAT_EQ(run(q, k, numbered(3), {.scale = 1.0f}).out[0], 3.0f);
  EXPECT_FLOAT_EQ(run(q, k, numbered(3), {.scale = -1.0f}).out[0], 1.0f) << "the lowest score wins";
}

TEST_P(Meaning, NoValueOfAMaskedPlaceReachesTheResult) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    Tensor k = zeros(70), v = numbered(70), mask(DType::u8, {70});
    for (std::int64_t j = 0; j < 70; ++j) {
      mask.as<std::uint8_t>()[j] = j < 3;
      for (std::int64_t d = 0; d < kD && j >= 3; ++d)
        k.as<float>()[j * kD + d] = v.as<float>()[j * kD + d] = bad;
    }
    RUN_OR_SKIP(r, rows(1, 1, [](auto, auto) { return 1.0f; }), k, v, masked(mask), true);
    EXPECT_FLOAT_EQ(r.out[0], 2.0f) << bad;
    EXPECT_NEAR(r.lse[0], std::log(3.0f), 1e-6f) << bad;
  }
}

TEST_P(Meaning, NaNInAnAttendedPlaceReachesItsRowsAndNoOthers) {
  Tensor k = zeros(40), v = numbered(40);
  k.as<float>()[20 * kD] = kNaN;  // key 20
  RUN_OR_SKIP(r, rows(1, 40, [](auto, auto) { return 1.0f; }), k, v, causal(CausalCorner::top_left));
  for (std::int64_t i = 0; i < 40; ++i) {
    const float found = r.out[static_cast<std::size_t>(i)];
    if (i < 20)
      EXPECT_NEAR(found, 1.0f + static_cast<float>(i) / 2, 1e-5f) << i;
    else
      EXPECT_TRUE(std::isnan(found)) << i;
  }
  Tensor q = zeros(40);
  q.as<float>()[7 * kD + 3] = kNaN;  // query 7
  const Result of_query = run(q, rows(1, 40, [](auto, auto) { return 1.0f; }), v);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(of_query.out[i]), i == 7) << i;
}

TEST_P(Meaning, AnInfiniteScoreMakesItsRowNaN) {
  Tensor k = zeros(5);
  k.as<float>()[2 * kD] = kInfinity;
  RUN_OR_SKIP(r, rows(1, 1, [](auto, auto) { return 1.0f; }), k, numbered(5));
  EXPECT_TRUE(std::isnan(r.out[0]));  // inf - inf, as in every softmax
}

TEST_P(Meaning, AScoreOfMinusInfinityHasNoWeight) {
  Tensor k = zeros(5);
  k.as<float>()[2 * kD] = -kInfinity;
  RUN_OR_SKIP(r, rows(1, 1, [](auto, auto) { return 1.0f; }), k, numbered(5));
  EXPECT_FLOAT_EQ(r.out[0], 3.0f);  // the mean of 1, 2, 4, 5
}

TEST_P(Meaning, HugeScoresPickTheLargest) {
  for (const float size : {1e4f, 1e10f, 1e15f, 1e18f}) {  // scores up to 1e36
    for (const int queries : {1, 8, 40}) {
      const Tensor q = rows(1, queries, [=](auto, auto) { return size; });
      const Tensor k = rows(1, 70, [=](auto, auto j) { return j == 66 ? size : -size; });
      RUN_OR_SKIP(r, q, k, numbered(70), {.scale = 1.0f});
      for (const float out : r.out) ASSERT_FLOAT_EQ(out, 67.0f) << size << ", " << queries << " queries";
    }
  }
}

TEST_P(Meaning, AScoreFarAboveTheFirstOnesTakesAllTheWeight) {
  for (const float score : {30.0f, 300.0f}) {
    for (const float value : {1.0f, 0x1p120f}) {
      const auto late = [](float x) { return [=](auto, auto j) { return j == 150 ? x : 0.0f; }; };
      const Tensor q = convert(rows(1, 80, [](auto, auto) { return 1.0f; }), DType::bf16);
      const Tensor k = convert(rows(1, 200, late(score / kD)), DType::bf16);
      const Tensor v = convert(rows(1, 200, late(value)), DType::bf16);
      RUN_OR_SKIP(r, q, k, v, {.scale = 1.0f});
      for (const float out : r.out) ASSERT_EQ(out, value) << score;
    }
  }
}

TEST_P(Meaning, QueryHeadsReadKvHeadsInGroups) {
  const Tensor q = rows(6, 3, [](auto, auto) { return 0.0f; }), k = rows(2, 4, [](auto, auto) { return 0.0f; });
  const Tensor v = rows(2, 4, [](auto h, auto) { return static_cast<float>(h + 1); });
  RUN_OR_SKIP(r, q, k, v);
  for (std::size_t row = 0; row < 18; ++row) EXPECT_FLOAT_EQ(r.out[row], row / 3 < 3 ? 1.0f : 2.0f) << row;
}

TEST_P(Meaning, WithoutKeysEveryRowIsZero) {
  RUN_OR_SKIP(r, numbered(3), zeros(0), zeros(0), {}, true);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(r.out[i], 0.0f);
    EXPECT_EQ(r.lse[i], -kInfinity);
  }
}

TEST_P(Meaning, WithoutQueriesNothingHappens) {
  RUN_OR_SKIP(r, zeros(0), zeros(3), numbered(3));
  EXPECT_TRUE(r.out.empty());
}

TEST_P(Meaning, OffsetsPass2To31Elements) {
  // Rows 2^21 elements apart: key 1100 lies beyond 2^31. Only the pages that hold rows are ever touched.
  constexpr std::int64_t kStride = std::int64_t{1} << 21, kLength = 1100;
  constexpr std::size_t kBytes = static_cast<std::size_t>(kStride) * kLength * sizeof(half);
  void* memory =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "this machine gives no 4 GiB of address space";
  const TensorView far{memory, DType::f16, {1, 1, kLength, kD}, {0, 0, kStride, 1}, {}};
  for (std::int64_t j = 0; j < kLength; ++j) {
    for (std::int64_t d = 0; d < kD; ++d) set(far, j * kStride + d, j == kLength - 1 ? 8.0 : 0.0);
  }
  Tensor q(DType::f16, {1, 1, 1, kD});
  for (std::int64_t d = 0; d < kD; ++d) set(q, d, 8.0);
  const auto finish = [&] { munmap(memory, kBytes); };
  Result r;
  try {
    r = run(q, far, far);
  } catch (const Error& e) {
    finish();
    ASSERT_EQ(GetParam(), "vendor.onednn") << e.what();
    GTEST_SKIP() << e.what();
  }
  finish();
  EXPECT_FLOAT_EQ(r.out[0], 8.0f);  // the last key wins, and its value is 8
}

std::vector<std::string> built_ways() {
  std::vector<std::string> names;
  for (const WayInfo& way : attention_ways()) {
    if (way.built && way.name.find("cud") == std::string::npos && way.name.find("sm90") == std::string::npos)
      names.push_back(way.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Attention, Meaning, ::testing::ValuesIn(built_ways()), [](const auto& param_info) {
  std::string text = param_info.param;
  for (char& letter : text) {
    if (letter == '.') letter = '_';
  }
  return text;
});

}  // namespace
}  // namespace flashtile::test
