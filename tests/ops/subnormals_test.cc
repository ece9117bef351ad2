// What bfloats below 2^-126 count as: 0 where a CPU multiplies two of them, for every instruction set; themselves
// everywhere else.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/gemm.h"

namespace flashtile::test {
namespace {

constexpr float kTiny = 0x1p-130f;  ///< a bfloat, and subnormal

Tensor filled(DType dtype, const Dims& shape, float value) {
  const Tensor t(DType::f32, shape);
  for (std::int64_t n = 0; n < t.size(); ++n) t.as<float>()[n] = value;
  return convert(t, dtype);
}

/// f(way, the sum of k = 37 products of a and b) for every way for CPUs that takes these types.
template <class F>
void multiply(DType a_type, float a, DType b_type, float b, F f) {
  int ways = 0;
  for (const WayInfo& way : gemm_ways()) {
    const Tensor c = filled(DType::f32, {70, 33}, 77.0f);
    if (!way.built || way.name == "vendor.cublas" ||
        !try_gemm(c, filled(a_type, {70, 37}, a), filled(b_type, {37, 33}, b), {.way = way.name}))
      continue;
    ++ways;
    for (std::int64_t n = 0; n < c.size(); ++n) f(way.name, c.as<float>()[n]);
  }
  EXPECT_GE(ways, 1);
}

TEST(Subnormals, OfTwoBfloatOperandsCountAsZero) {
  multiply(DType::bf16, kTiny, DType::bf16, 0x1p100f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 0.0f) << way; });
  multiply(DType::bf16, -0x1p100f, DType::bf16, kTiny,
           [](auto& way, float sum) { ASSERT_EQ(sum, 0.0f) << way; });
  multiply(DType::bf16, 0x1p-126f, DType::bf16, 0x1p100f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 37 * 0x1p-26f) << way; });
}

TEST(Subnormals, SoDoSumsOfSuchProducts) {
  multiply(DType::bf16, 0x1p-80f, DType::bf16, 0x1p-60f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 0.0f) << way; });
}

TEST(Subnormals, OfAnyOtherOperandsStay) {
  multiply(DType::bf16, kTiny, DType::f32, 0x1p100f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 37 * 0x1p-30f) << way; });
  multiply(DType::f32, kTiny, DType::f32, 0x1p100f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 37 * 0x1p-30f) << way; });
  multiply(DType::f32, 0x1p-80f, DType::f32, 0x1p-60f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 37 * 0x1p-140f) << way; });
  multiply(DType::f16, 0x1p-24f, DType::f16, 0x1p10f,
           [](auto& way, float sum) { ASSERT_EQ(sum, 37 * 0x1p-14f) << way; });
}

/// f(way, element of the result) for `queries` equal queries and keys 0 ... 7, whose first element is `key` times
/// their index and whose values are `value` of it, by every way for CPUs.
template <class Value, class F>
void attend(DType dtype, std::int64_t queries, float query, float key, float scale, Value value, F f) {
  constexpr std::int64_t kKeys = 8, kD = 16;
  Tensor q = filled(DType::f32, {1, 1, queries, kD}, 0.0f), k = filled(DType::f32, {1, 1, kKeys, kD}, 0.0f),
         v = filled(DType::f32, {1, 1, kKeys, kD}, 0.0f);
  for (std::int64_t i = 0; i < queries; ++i) q.as<float>()[i * kD] = query;
  for (std::int64_t n = 0; n < v.size(); ++n) v.as<float>()[n] = value(n / kD);
  for (std::int64_t j = 0; j < kKeys; ++j) k.as<float>()[j * kD] = key * static_cast<float>(j);
  for (const WayInfo& way : attention_ways()) {
    if (!way.built || way.name.find("cud") != std::string::npos || way.name == "flash.sm90") continue;
    const auto out = try_attention(convert(q, dtype), convert(k, dtype), convert(v, dtype),
                                   {.scale = scale, .way = way.name});
    if (!out) {
      EXPECT_EQ(way.name, "vendor.onednn");
      continue;
    }
    const Tensor exact = convert(*out, DType::f32);
    for (std::int64_t n = 0; n < exact.size(); ++n) f(way.name, exact.as<float>()[n]);
  }
}

TEST(Subnormals, OfQueriesKeysAndValuesOfBfloatCountAsZero) {
  const auto index = [](std::int64_t j) { return static_cast<float>(j); };
  for (const std::int64_t queries : {1, 5, 70, 300}) {
    // Scores would be 2 times the index of the key; they are all 0, and the mean of 0 ... 7 is 3.5.
    attend(DType::bf16, queries, kTiny, 0x1p124f, 0x1p7f, index,
           [](auto& way, float out) { ASSERT_EQ(out, 3.5f) << way; });
    attend(DType::bf16, queries, 0x1p124f, 0x1p-133f, 0x1p9f, index,
           [](auto& way, float out) { ASSERT_EQ(out, 3.5f) << way; });
    attend(
        DType::bf16, queries, 0.0f, 0.0f, 1.0f, [](auto) { return kTiny; },
        [](auto& way, float out) { ASSERT_EQ(out, 0.0f) << way; });
  }
}

TEST(Subnormals, WeightsOfFlashCpuCountAsZero) {
  // The scores are 0, -90, -180 ...; exp(-90) is subnormal, and the one value that is not 0 has that weight.
  const auto second = [](std::int64_t j) { return j == 1 ? 1.0f : 0.0f; };
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const std::int64_t queries : {1, 5, 70, 300}) {
      attend(dtype, queries, 1.0f, -90.0f, 1.0f, second, [](auto& way, float out) {
        if (way == "flash.cpu") {
          ASSERT_EQ(out, 0.0f);
        }
      });
    }
  }
}

TEST(Subnormals, OfQueriesKeysAndValuesOfFloatStay) {
  const auto index = [](std::int64_t j) { return static_cast<float>(j); };
  double sum = 0, weights = 0;
  for (int j = 0; j < 8; ++j) sum += j * std::exp(2.0 * j), weights += std::exp(2.0 * j);
  for (const std::int64_t queries : {1, 5, 70, 300}) {
    attend(DType::f32, queries, kTiny, 0x1p124f, 0x1p7f, index,
           [&](auto& way, float out) { ASSERT_NEAR(out, sum / weights, 1e-5) << way; });
    attend(
        DType::f32, queries, 0.0f, 0.0f, 1.0f, [](auto) { return kTiny; },
        [](auto& way, float out) { ASSERT_NEAR(out / kTiny, 1.0f, 0x1p-15f) << way; });
  }
}

}  // namespace
}  // namespace flashtile::test
