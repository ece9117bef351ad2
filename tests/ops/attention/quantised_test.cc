// What codes and scales of quantised keys and values mean, worked out by hand: every code of every type.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "tests/ops/attention/codes.h"

namespace flashtile::test {
namespace {

/// The ways of this build that read quantised tensors on a CPU.
std::vector<std::string> reading_ways() { return {"flash.cpu", "tensor_ops"}; }

/// One row of a type: (1, 1, 1, elements) at bytes.
TensorView row_of(const std::vector<std::uint8_t>& bytes, DType dtype, std::int64_t elements) {
  return packed_view(bytes.data(), dtype, {1, 1, 1, elements});
}

/// The row's elements as attention sees them: with one key, out is its value.
std::vector<float> as_values(const std::string& way, const TensorView& v,
                             const std::optional<TensorView>& scales) {
  Tensor x(DType::f32, {1, 1, 1, 1});
  *x.as<float>() = 1.0f;
  AttentionOptions options{.way = way};
  options.v_scales = scales;
  const Tensor out = attention(x, x, v, options);
  return {out.as<float>(), out.as<float>() + out.size()};
}

/// And as keys: with a query that is 1 in one column and a scale of 1, lse is that element.
std::vector<float> as_keys(const std::string& way, const TensorView& k,
                           const std::optional<TensorView>& scales) {
  const std::int64_t d = k.shape[3];
  const Tensor q(DType::f32, {1, 1, d, d}), v(DType::f32, {1, 1, 1, 1}), out(DType::f32, {1, 1, d, 1}),
      lse(DType::f32, {1, 1, d});
  for (std::int64_t n = 0; n < q.size(); ++n) q.as<float>()[n] = n / d == n % d ? 1.0f : 0.0f;
  *v.as<float>() = 1.0f;
  AttentionOptions options{.scale = 1.0f, .way = way};
  options.k_scales = scales;
  attention_into({.out = out.view(), .lse = lse.view()}, q, k, v, options);
  return {lse.as<float>(), lse.as<float>() + d};
}

/// A mean of one value is off by at most its product with a weight and a reciprocal: bounds.h counts 6 roundings.
::testing::AssertionResult is_value(float found, float expected) {
  const float error = std::isfinite(expected) ? 6 * 0x1p-24f * std::fabs(expected) : 0.0f;
  if (found == expected || std::fabs(found - expected) <= error) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << found << " is not " << expected << ": ";
}

/// Checks a row read as a value and as a key; where one of its elements is no number, all its dot products are none.
void check_row(const TensorView& row, const std::vector<float>& expected,
               const std::optional<TensorView>& scales = {}) {
  bool finite = true;
  for (const float x : expected) finite = finite && std::isfinite(x);
  for (const std::string& way : reading_ways()) {
    const std::vector<float> values = as_values(way, row, scales);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (std::isnan(expected[i]))
        EXPECT_TRUE(std::isnan(values[i])) << way << ", value " << i;
      else
        EXPECT_TRUE(is_value(values[i], expected[i])) << way << ", value " << i;
    }
    if (!finite) continue;
    const std::vector<float> keys = as_keys(way, row, scales);
    for (std::size_t i = 0; i < expected.size(); ++i)  // lse is rounded a few times
      EXPECT_NEAR(keys[i], expected[i], 0x1p-20f * (1.0f + std::fabs(expected[i]))) << way << ", key " << i;
  }
}

TensorView floats(const std::vector<float>& values, const Dims& shape) {
  return packed_view(values.data(), DType::f32, shape);
}

/// All 256 bytes.
std::vector<std::uint8_t> all_bytes() {
  std::vector<std::uint8_t> bytes(256);
  for (int i = 0; i < 256; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  return bytes;
}

TEST(Quantised, EveryCodeOfI8) {
  std::vector<float> expected(256);
  for (int i = 0; i < 256; ++i)
    expected[static_cast<std::size_t>(i)] = 0.5f * static_cast<float>(i < 128 ? i : i - 256);
  const std::vector<float> half_of_it{0.5f};
  check_row(row_of(all_bytes(), DType::i8, 256), expected, floats(half_of_it, {}));
}

TEST(Quantised, EveryPairOfInt4) {
  // Byte 0xb7 is the pair 7, -5: low nibble first, two's complement.
  std::vector<float> expected(512);
  for (int i = 0; i < 512; ++i) {
    const int nibble = i % 2 == 0 ? i / 2 & 15 : i / 2 >> 4;
    expected[static_cast<std::size_t>(i)] = -0.25f * static_cast<float>(nibble < 8 ? nibble : nibble - 16);
  }
  EXPECT_EQ(expected[2 * 0xb7], -1.75f);
  EXPECT_EQ(expected[2 * 0xb7 + 1], 1.25f);
  const std::vector<float> scale{-0.25f};
  const std::vector<std::uint8_t> bytes = all_bytes();
  for (const int half : {0, 1}) {
    const std::vector<std::uint8_t> part(bytes.begin() + 128 * half, bytes.begin() + 128 * half + 128);
    check_row(row_of(part, DType::int4, 256),
              {expected.begin() + 256 * half, expected.begin() + 256 * half + 256}, floats(scale, {1}));
  }
}

/// Codes of a float type of 8 bits, from the definition: sign, exponent, fraction.
std::vector<float> f8_values(int fraction_bits, int bias) {
  std::vector<float> values;
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code & 127) >> fraction_bits, fraction = code & ((1 << fraction_bits) - 1);
    const double size = exponent == 0
                            ? std::ldexp(fraction, 1 - bias - fraction_bits)
                            : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    values.push_back(static_cast<float>(code < 128 ? size : -size));
  }
  return values;
}

TEST(Quantised, EveryCodeOfF8E4M3) {
  std::vector<float> expected = f8_values(3, 7);
  EXPECT_EQ(expected[0x7e], 448.0f);
  EXPECT_EQ(expected[0x01], 0x1p-9f);
  expected[0x7f] = expected[0xff] = NAN;
  check_row(row_of(all_bytes(), DType::f8_e4m3, 256), expected);
  expected[0x7f] = expected[0xff] = 0.0f;
  std::vector<std::uint8_t> numbers = all_bytes();
  numbers[0x7f] = numbers[0xff] = 0;
  check_row(row_of(numbers, DType::f8_e4m3, 256), expected);
  for (float& x : expected) x *= 3.0f;
  const std::vector<float> three{3.0f};
  check_row(row_of(numbers, DType::f8_e4m3, 256), expected, floats(three, {1, 1, 1, 1}));
}

TEST(Quantised, EveryCodeOfF8E5M2) {
  std::vector<float> expected = f8_values(2, 15);
  EXPECT_EQ(expected[0x7b], 57344.0f);
  for (const int sign : {0, 128}) {
    for (const int nan : {0x7d, 0x7e, 0x7f}) expected[static_cast<std::size_t>(sign + nan)] = NAN;
  }
  expected[0x7c] = HUGE_VALF, expected[0xfc] = -HUGE_VALF;
  check_row(row_of(all_bytes(), DType::f8_e5m2, 256), expected);
  std::vector<std::uint8_t> numbers = all_bytes();
  for (int i = 0; i < 256; ++i) {
    const auto n = static_cast<std::size_t>(i);
    if (!std::isfinite(expected[n])) numbers[n] = 0, expected[n] = 0.0f;
  }
  check_row(row_of(numbers, DType::f8_e5m2, 256), expected);
}

TEST(Quantised, ABlockOfQ8) {
  // Two blocks: 0x3800 is 0.5 in f16, 0xbc00 is -1; then 32 codes each.
  std::vector<std::uint8_t> bytes{0x00, 0x38};
  std::vector<float> expected;
  for (int i = 0; i < 32; ++i) {
    const int code = 8 * i - 128;
    bytes.push_back(static_cast<std::uint8_t>(code));
    expected.push_back(0.5f * static_cast<float>(code));
  }
  bytes.insert(bytes.end(), {0x00, 0xbc});
  for (int i = 0; i < 32; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(100 + i));
    expected.push_back(-static_cast<float>(i < 28 ? 100 + i : i - 156));
  }
  ASSERT_EQ(bytes.size(), 68u);
  check_row(row_of(bytes, DType::q8_0, 64), expected);
}

TEST(Quantised, ABlockOfQ4) {
  // 0x4000 is 2 in f16. Byte i holds element i low and element i + 16 high, each 8 too large: 0x3c is 4 and -5.
  std::vector<std::uint8_t> bytes{0x00, 0x40};
  std::vector<float> expected(32);
  for (int i = 0; i < 16; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i | (15 - i) << 4));
    expected[static_cast<std::size_t>(i)] = 2.0f * static_cast<float>(i - 8);
    expected[static_cast<std::size_t>(i) + 16] = 2.0f * static_cast<float>(7 - i);
  }
  bytes[2] = 0x3c, expected[0] = 8.0f, expected[16] = -10.0f;
  ASSERT_EQ(bytes.size(), 18u);
  check_row(row_of(bytes, DType::q4_0, 32), expected);
}

TEST(Quantised, ScalesOfARowMayBeSeveral) {
  const std::vector<std::uint8_t> bytes{1, 2, 3, 4, 5, 6};
  const std::vector<float> scales{10.0f, 100.0f, 1000.0f};
  check_row(row_of(bytes, DType::i8, 6), {10, 20, 300, 400, 5000, 6000}, floats(scales, {1, 1, 1, 3}));
}

TEST(Quantised, EachRowAndHeadHasItsScale) {
  // Two KV heads of two keys; scores are 0, so that out is the mean of the head's values.
  const std::vector<std::uint8_t> codes{1, 1, 2, 2};
  const std::vector<float> scales{1.0f, 10.0f, 100.0f, 1000.0f};
  Tensor q(DType::f32, {1, 2, 1, 1}), k(DType::f32, {1, 2, 2, 1});
  std::memset(q.data(), 0, q.size_bytes());
  std::memset(k.data(), 0, k.size_bytes());
  const TensorView v = packed_view(codes.data(), DType::i8, {1, 2, 2, 1});
  for (const std::string& way : reading_ways()) {
    AttentionOptions options{.way = way};
    options.v_scales = floats(scales, {1, 2, 2, 1});
    const Tensor of_rows = attention(q, k, v, options);
    EXPECT_TRUE(is_value(of_rows.as<float>()[0], 5.5f)) << way;
    EXPECT_TRUE(is_value(of_rows.as<float>()[1], 1100.0f)) << way;
    const std::vector<float> of_heads_values{10.0f, 100.0f};
    options.v_scales = floats(of_heads_values, {2});
    const Tensor of_heads = attention(q, k, v, options);
    EXPECT_TRUE(is_value(of_heads.as<float>()[0], 10.0f)) << way;
    EXPECT_TRUE(is_value(of_heads.as<float>()[1], 200.0f)) << way;
  }
}

/// The message of the error that a call with one key of D elements ends with.
std::string message_of(const TensorView& k, const std::optional<TensorView>& k_scales = {}) {
  const Tensor q(DType::f32, {1, 1, 1, k.shape[3]}), v(DType::f32, {1, 1, 1, 1});
  AttentionOptions options;
  options.k_scales = k_scales;
  try {
    attention(q, k, v, options);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    return e.what();
  }
  return "no error";
}

TEST(Quantised, ARowWhoseScaleIsInfiniteIsNoNumberWhereAnyCodeIs0) {
  constexpr std::int64_t kKeys = 40, kRow = 33, kD = 64;
  std::vector<std::uint8_t> codes(kKeys * kD, 1);
  codes[kRow * kD] = 0;
  std::vector<float> scales(kKeys, 1.0f);
  scales[kRow] = -HUGE_VALF;  // without that 0 the score would be -inf, and the key have no weight
  const Tensor q(DType::f32, {1, 1, 1, kD}), v(DType::f32, {1, 1, kKeys, 1});
  std::fill_n(q.as<float>(), kD, 1.0f);
  std::fill_n(v.as<float>(), kKeys, 1.0f);
  for (const std::string& way : reading_ways()) {
    for (const std::int32_t length : {std::int32_t{kRow}, std::int32_t{kKeys}}) {
      AttentionOptions options{.lengths = {.kv = packed_view(&length, DType::i32, {1})}, .way = way};
      options.k_scales = floats(scales, {1, 1, kKeys, 1});
      const float out =
          *attention(q, packed_view(codes.data(), DType::i8, {1, 1, kKeys, kD}), v, options).as<float>();
      EXPECT_EQ(std::isnan(out), length == kKeys) << way << ": " << out;
    }
  }
}

TEST(Quantised, WrongScalesAreRefused) {
  const std::vector<std::uint8_t> bytes(34);
  const std::vector<float> scales(64, 1.0f);
  EXPECT_EQ(message_of(row_of(bytes, DType::i8, 6)),
            "attention: k has dtype i8 and no k_scales; give them: f32 or f16");
  EXPECT_EQ(message_of(row_of(bytes, DType::i8, 6), floats(scales, {1, 1, 1, 4})),
            "attention: k_scales has shape (1, 1, 1, 4); expected (), (Hkv) = (1,), or the dimensions of k, "
            "each 1 or "
            "as long, and the last one a number that divides its 6 elements");
  EXPECT_EQ(message_of(row_of(bytes, DType::i8, 6), floats(scales, {2})),
            "attention: k_scales has shape (2,); expected (), (Hkv) = (1,), or the dimensions of k, each 1 or "
            "as long, and the last one a number that divides its 6 elements");
  EXPECT_EQ(message_of(row_of(bytes, DType::i8, 6), packed_view(scales.data(), DType::bf16, {1})),
            "attention: k_scales has dtype bf16; expected f32 or f16");
  EXPECT_EQ(message_of(row_of(bytes, DType::q8_0, 32), floats(scales, {1})),
            "attention: k_scales is given, but k has dtype q8_0, which holds its scales itself; leave it out");
  EXPECT_EQ(message_of(packed_view(scales.data(), DType::f32, {1, 1, 1, 6}), floats(scales, {1})),
            "attention: k_scales is given, but k has dtype f32, which takes none; leave it out");
  EXPECT_EQ(message_of(row_of(bytes, DType::i8, 6), floats(scales, {1})), "no error");
}

TEST(Quantised, RowsThatEndInsideABlockAreRefused) {
  const std::vector<std::uint8_t> bytes(200);
  EXPECT_EQ(
      message_of(row_of(bytes, DType::q8_0, 48)),
      "attention: k has dtype q8_0, shape (1, 1, 1, 48) and strides (48, 48, 48, 1); expected rows of whole "
      "blocks: a last dimension of stride 1 and a multiple of 32, like all other strides");
  TensorView k = packed_view(bytes.data(), DType::int4, {1, 1, 2, 6});
  k.strides[2] = 7;
  const Tensor q(DType::f32, {1, 1, 1, 6}), v(DType::f32, {1, 1, 2, 1});
  AttentionOptions options;
  const std::vector<float> one{1.0f};
  options.k_scales = floats(one, {});
  try {
    attention(q, k, v, options);
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "attention: k has dtype int4 and strides (12, 12, 7, 1); expected even ones, as rows begin at "
                 "whole bytes");
  }
}

}  // namespace
}  // namespace flashtile::test
