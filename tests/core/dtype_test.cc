// Element types, and the rounding of the 16-bit floats against the definition of rounding.
#include "flashtile/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "flashtile/error.h"
#include "reference/format.h"

namespace flashtile {
namespace {

TEST(DType, HasANameAndAWidth) {
  // In the order of their numbers, which never change.
  const DType all[] = {DType::f64,     DType::f32,     DType::f16,  DType::bf16,  DType::i8,
                       DType::u8,      DType::i32,     DType::int4, DType::uint4, DType::i64,
                       DType::f8_e4m3, DType::f8_e5m2, DType::q8_0, DType::q4_0};
  const int widths[] = {64, 32, 16, 16, 8, 8, 32, 4, 4, 64, 8, 8, 8, 4};
  std::set<std::string> names;
  for (int i = 0; i < 14; ++i) {
    EXPECT_EQ(static_cast<int>(all[i]), i);
    EXPECT_EQ(bits(all[i]), widths[i]);
    const Block block = block_of(all[i]);
    const int scale = block.elements == 32 ? 16 : 0;
    EXPECT_EQ(8 * block.bytes, block.elements * widths[i] + scale) << name(all[i]);
    names.insert(name(all[i]));
  }
  EXPECT_EQ(names.size(), 14u);
  EXPECT_EQ(block_of(DType::q8_0).bytes, 34);
  EXPECT_EQ(block_of(DType::q4_0).bytes, 18);
  EXPECT_EQ(block_of(DType(77)).bytes, 0);
  EXPECT_EQ(dtype_of<bfloat>, DType::bf16);
  EXPECT_EQ(dtype_of<int4b_format>, DType::int4);
}

TEST(ErrorCode, HasAName) {
  EXPECT_STREQ(name(ErrorCode::invalid_argument), "invalid_argument");
  EXPECT_STREQ(name(ErrorCode::unsupported), "unsupported");
  EXPECT_STREQ(name(ErrorCode::out_of_memory), "out_of_memory");
  EXPECT_STREQ(name(ErrorCode::device_failure), "device_failure");
  EXPECT_STREQ(name(ErrorCode::bad_file), "bad_file");
  EXPECT_STREQ(name(ErrorCode::internal), "internal");
}

/// The float halfway between two neighbours of a 16-bit type, and its own two neighbours.
template <class T>
void check_rounding(const reference::Format& format) {
  for (int b = 0; b < 1 << 16; ++b) {
    const float value = T::from_bits(static_cast<std::uint16_t>(b));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(T(value)))) << b;
      continue;
    }
    EXPECT_EQ(T(value).bits, b);
    const float next = T::from_bits(static_cast<std::uint16_t>(b + 1));
    if (!std::isfinite(value) || !std::isfinite(next)) continue;
    const float middle = static_cast<float>((static_cast<double>(value) + static_cast<double>(next)) / 2);
    for (const float f : {middle, std::nextafterf(middle, HUGE_VALF), std::nextafterf(middle, -HUGE_VALF)}) {
      const auto expected = static_cast<float>(format.round(static_cast<double>(f)));
      ASSERT_EQ(static_cast<float>(T(f)), expected) << f;
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  check_rounding<half>(reference::kFloat16);
  EXPECT_EQ(half(65519.0f).bits, 0x7bff);
  EXPECT_EQ(half(65520.0f).bits, 0x7c00);
  EXPECT_EQ(half(-1e30f).bits, 0xfc00);
  EXPECT_EQ(half(-0.0f).bits, 0x8000);
}

/// Every code, and what lies between two neighbours, against the definition of rounding.
template <class T>
void check_rounding_of_bytes(const reference::Format& format, int largest_code) {
  for (int b = 0; b <= largest_code; ++b) {
    const float value = T::from_bits(static_cast<std::uint8_t>(b));
    EXPECT_EQ(T(value).bits, b);
    EXPECT_EQ(T(-value).bits, b | 128);
    if (b == largest_code) continue;
    const float middle = (value + static_cast<float>(T::from_bits(static_cast<std::uint8_t>(b + 1)))) / 2;
    for (const float f : {middle, std::nextafterf(middle, HUGE_VALF), std::nextafterf(middle, 0.0f)}) {
      EXPECT_EQ(static_cast<float>(T(f)), static_cast<float>(format.round(static_cast<double>(f)))) << f;
    }
  }
  EXPECT_TRUE(std::isnan(static_cast<float>(T(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(F8, RoundsToNearestEven) {
  check_rounding_of_bytes<f8_e4m3>({4, -6, 448}, 0x7e);
  EXPECT_EQ(f8_e4m3(465.0f).bits, 0x7e);  // saturates
  EXPECT_EQ(f8_e4m3(-HUGE_VALF).bits, 0xfe);
  check_rounding_of_bytes<f8_e5m2>({3, -14, 57344}, 0x7b);
  EXPECT_EQ(f8_e5m2(61439.0f).bits, 0x7b);
  EXPECT_EQ(f8_e5m2(61440.0f).bits, 0x7c);
  EXPECT_EQ(f8_e5m2(-HUGE_VALF).bits, 0xfc);
}

TEST(Bfloat, RoundsToNearestEven) {
  check_rounding<bfloat>(reference::kBfloat16);
  EXPECT_EQ(bfloat(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(bfloat(-0.0f).bits, 0x8000);
}

}  // namespace
}  // namespace flashtile
