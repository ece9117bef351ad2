#include "cli/inputs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/random.h"

namespace flashtile::cli {
namespace {

TEST(Random, KnownBits) {
  // From an implementation of splitmix64 in Python that gives the generator's published first number,
  // e220a8397b1dcdaf.
  EXPECT_EQ(random_bits(0, 0), 0xa706dd2f4d197e6fu);
  EXPECT_EQ(random_bits(7, 1000), 0xd861609b295beffcu);
}

TEST(Random, NormalNumbersHaveTheRightMoments) {
  const Tensor tensor = random_tensor(DType::f32, {100'000}, 1, 2);
  double sum = 0, squares = 0, fourths = 0;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double x = tensor.as<float>()[i];
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
  }
  EXPECT_NEAR(sum / 1e5, 0, 0.02);
  EXPECT_NEAR(squares / 1e5, 1, 0.03);
  EXPECT_NEAR(fourths / 1e5, 3, 0.3);
}

TEST(Random, StreamsAndSeedsDiffer) {
  const Tensor a = random_tensor(DType::f32, {4}, 1, 0), b = random_tensor(DType::f32, {4}, 1, 1),
               c = random_tensor(DType::f32, {4}, 2, 0);
  EXPECT_NE(*a.as<float>(), *b.as<float>());
  EXPECT_NE(*a.as<float>(), *c.as<float>());
  EXPECT_EQ(*a.as<float>(), *random_tensor(DType::f32, {4}, 1, 0).as<float>());
  EXPECT_EQ(half(*a.as<float>()).bits, random_tensor(DType::f16, {4}, 1, 0).as<half>()->bits);
}

TEST(Random, IntegersCoverTheirRange) {
  const Tensor tensor = random_tensor(DType::i8, {10'000}, 0, 0);
  bool seen[256] = {};
  for (std::int64_t i = 0; i < tensor.size(); ++i) seen[tensor.as<std::uint8_t>()[i]] = true;
  for (const bool value : seen) EXPECT_TRUE(value);
}

TEST(Random, MasksExcludeAboutAnEighth) {
  const Tensor boolean = random_mask(DType::u8, {100, 100}, 0, 3);
  const Tensor additive = random_mask(DType::bf16, {100, 100}, 0, 3);
  EXPECT_EQ(boolean.dtype(), DType::u8);
  EXPECT_EQ(additive.dtype(), DType::bf16);
  int attended = 0;
  for (std::int64_t i = 0; i < 10'000; ++i) {
    attended += boolean.as<std::uint8_t>()[i];
    EXPECT_EQ(boolean.as<std::uint8_t>()[i] == 0, std::isinf(static_cast<float>(additive.as<bfloat>()[i])));
  }
  EXPECT_NEAR(attended, 8750, 150);
}

TEST(Inputs, MemoryForAResultStartsAsNaN) {
  const Tensor tensor = not_written(DType::bf16, {3}, Device::cpu());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(static_cast<float>(tensor.as<bfloat>()[i])));
}

}  // namespace
}  // namespace flashtile::cli
