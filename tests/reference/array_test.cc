// Elements of every type, by their definitions.
#include "reference/array.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>

namespace flashtile::reference {
namespace {

TEST(Elements, EveryHalfByItsDefinition) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    const double value = element(&stored, Element::f16, 0);
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), fraction != 0);
      EXPECT_EQ(std::isinf(value), fraction == 0);
    } else {
      const double size =
          exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(value, (bits & 0x8000) != 0 ? -size : size);
    }
  }
}

TEST(Elements, BfloatsAreTheUpperHalvesOfFloats) {
  const std::uint16_t bits[] = {0x3f80, 0xc040, 0x0001, 0xff80, 0x7fc0};
  EXPECT_EQ(element(bits, Element::bf16, 0), 1);
  EXPECT_EQ(element(bits, Element::bf16, 1), -3);
  EXPECT_EQ(element(bits, Element::bf16, 2), 0x1p-133);
  EXPECT_EQ(element(bits, Element::bf16, 3), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(element(bits, Element::bf16, 4)));
}

TEST(Elements, FloatsAndIntegersAreThemselves) {
  const double doubles[] = {0.1, -1e300};
  const float floats[] = {0.1f, std::numeric_limits<float>::lowest()};
  const std::int32_t integers[] = {-5, std::numeric_limits<std::int32_t>::min()};
  const std::uint8_t bytes[] = {0x7f, 0x80};
  EXPECT_EQ(element(doubles, Element::f64, 1), -1e300);
  EXPECT_EQ(element(floats, Element::f32, 0), static_cast<double>(0.1f));
  EXPECT_EQ(element(floats, Element::f32, 1), -3.4028234663852886e38);
  EXPECT_EQ(element(integers, Element::i32, 1), -2147483648.0);
  EXPECT_EQ(element(bytes, Element::i8, 1), -128);
  EXPECT_EQ(element(bytes, Element::u8, 1), 128);
}

TEST(Elements, NibblesLieLowFirst) {
  const std::uint8_t bytes[] = {0x7f, 0x80};
  for (const auto& [index, with_sign, without] : {std::tuple{0, -1, 15}, {1, 7, 7}, {2, 0, 0}, {3, -8, 8}}) {
    EXPECT_EQ(element(bytes, Element::int4, index), with_sign);
    EXPECT_EQ(element(bytes, Element::uint4, index), without);
  }
}

TEST(Arrays, AStrideOfZeroRepeats) {
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  const Array2 rows{numbers, {3, 1}, Element::f32}, one{numbers, {0, 1}, Element::f32};
  EXPECT_EQ(rows(1, 2), 6);
  EXPECT_EQ(one(1, 2), 3);
}

}  // namespace
}  // namespace flashtile::reference
