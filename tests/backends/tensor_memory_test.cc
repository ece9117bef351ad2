// Tensors that own memory; copies and conversions between element types and layouts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/tensor.h"

namespace flashtile {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor doubles(const std::vector<double>& values) {
  Tensor t(DType::f64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<double>());
  return t;
}
std::vector<double> through(DType dtype, const std::vector<double>& values) {
  const Tensor back = convert(convert(doubles(values), dtype), DType::f64);
  return {back.as<double>(), back.as<double>() + back.size()};
}

TEST(Tensor, IsAlignedTo64BytesAndKnowsItsSize) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::u8, DType::int4}) {
    const Tensor t(dtype, {3, 5});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data()) % 64, 0u);
    EXPECT_EQ(t.size(), 15);
    EXPECT_EQ(t.size_bytes(), static_cast<std::size_t>((15 * bits(dtype) + 7) / 8));
    EXPECT_EQ(t.view().strides, (Dims{5, 1}));
  }
}

TEST(Tensor, WithoutArgumentsHasNoElements) {
  const Tensor t;
  EXPECT_EQ(t.data(), nullptr);
  EXPECT_EQ(t.shape(), (Dims{0}));
  EXPECT_EQ(t.size(), 0);
  EXPECT_EQ(t.size_bytes(), 0u);
  EXPECT_EQ(copy_to(t, Device::cpu()).size(), 0);
}

TEST(Tensor, EmptyOnesAreLegal) {
  const Tensor t(DType::f32, {0, 5});
  EXPECT_EQ(t.size(), 0);
  EXPECT_EQ(copy_to(t, Device::cpu()).shape(), (Dims{0, 5}));
  EXPECT_EQ(convert(t, DType::f16).shape(), (Dims{0, 5}));
}

TEST(Tensor, OneThatWasMovedFromHasNoElements) {
  Tensor t(DType::u8, {4});
  const void* memory = t.data();
  const Tensor moved = std::move(t);
  EXPECT_EQ(moved.data(), memory);
  EXPECT_EQ(t.data(), nullptr);  // NOLINT(bugprone-use-after-move): what it holds then is promised
  EXPECT_EQ(t.shape(), (Dims{0}));
  Tensor shared = moved;
  EXPECT_EQ(shared.data(), memory) << "copies share";
  t = std::move(shared);
  EXPECT_EQ(t.data(), memory);
  EXPECT_EQ(shared.size(), 0);  // NOLINT(bugprone-use-after-move)
}

TEST(Tensor, ANumberThatIsNoTypeIsRefused) {
  const auto message_of = [](auto&& call) {
    try {
      call();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const Tensor t = doubles({1});
  EXPECT_EQ(message_of([] { Tensor(DType(99), {2}); }),
            "tensor: dtype is DType(99); expected an enumerator of DType");
  EXPECT_EQ(message_of([&] { convert(t, DType(99)); }),
            "tensor: dtype is DType(99); expected an enumerator of DType");
  TensorView view = t;
  view.dtype = DType(99);
  EXPECT_EQ(message_of([&] { copy_to(view, Device::cpu()); }),
            "copy_to: source has dtype DType(99); expected an enumerator of DType");
}

TEST(Tensor, SizesThatDoNotFitAreRefused) {
  EXPECT_THROW(Tensor(DType::f32, {-1}), Error);
  EXPECT_THROW(Tensor(DType::f32, {std::int64_t{1} << 62}), Error);  // in bits
  EXPECT_THROW(Tensor(DType::f32, {std::int64_t{1} << 32, std::int64_t{1} << 32}), Error);
}

TEST(Tensor, MemoryThatIsNotThereIsOutOfMemory) {
  try {
    const Tensor t(DType::u8, {std::int64_t{1} << 58});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::out_of_memory);
    EXPECT_STREQ(e.what(), "cpu: no 288230376151711744 bytes of memory");
  }
}

TEST(CopyTo, PacksAnyStrides) {
  const Tensor t(DType::f32, {2, 3, 4});
  for (std::int64_t n = 0; n < 24; ++n) t.as<float>()[n] = static_cast<float>(n);
  const Tensor turned = copy_to(t.view().permuted({2, 0, 1}), Device::cpu());
  EXPECT_EQ(turned.shape(), (Dims{4, 2, 3}));
  for (std::int64_t a = 0; a < 4; ++a) {
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t c = 0; c < 3; ++c)
        EXPECT_EQ(turned.as<float>()[(a * 2 + b) * 3 + c], static_cast<float>(b * 12 + c * 4 + a));
    }
  }
  TensorView repeated = t.view().sliced(0, 1, 2);
  repeated.shape[0] = 3;
  repeated.strides[0] = 0;
  const Tensor three = copy_to(repeated, Device::cpu());
  for (std::int64_t n = 0; n < 36; ++n) EXPECT_EQ(three.as<float>()[n], static_cast<float>(12 + n % 12));
  TensorView reversed = packed_view(t.as<float>() + 23, DType::f32, {24});
  reversed.strides[0] = -1;
  EXPECT_EQ(copy_to(reversed, Device::cpu()).as<float>()[0], 23.0f);
}

TEST(CopyTo, KeepsEveryElementWidth) {
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i32,
                            DType::int4, DType::uint4, DType::i64}) {
    const Tensor t = convert(doubles({1, 2, 3, 4, 5, 6}), dtype);
    TensorView two_by_three = t;
    two_by_three.shape = {3, 2};
    two_by_three.strides = {1, 3};  // the transpose of 2 x 3
    const Tensor back = convert(copy_to(two_by_three, Device::cpu()), DType::f64);
    EXPECT_EQ((std::vector<double>{back.as<double>(), back.as<double>() + 6}),
              (std::vector<double>{1, 4, 2, 5, 3, 6}))
        << name(dtype);
  }
}

TEST(CopyTo, AScalarHasRankZero) {
  const double value = 5;
  const Tensor t = copy_to(packed_view(&value, DType::f64, Dims{}), Device::cpu());
  EXPECT_EQ(t.size(), 1);
  EXPECT_EQ(*t.as<double>(), 5.0);
}

TEST(Convert, RoundsToNearestEvenOnce) {
  EXPECT_EQ(through(DType::f16, {2049, 2051, 65519, 65520, -65520, 0x1p-25, 0x1.8p-25, 0x1p-24}),
            (std::vector<double>{2048, 2052, 65504, kInfinity, -kInfinity, 0, 0x1p-24, 0x1p-24}));
  EXPECT_EQ(through(DType::bf16, {257, 259, 0x1.01p0, 0x1.03p0}), (std::vector<double>{256, 260, 1, 0x1.04p0}));
  // Just above a tie: rounding to float first would fall back on the tie and then to the even neighbour below.
  const double above = 1.0 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(through(DType::f16, {above, -above}), (std::vector<double>{1.0 + 0x1p-10, -1.0 - 0x1p-10}));
  const double above_bfloat = 1.0 + 0x1p-8 + 0x1p-40;
  EXPECT_EQ(through(DType::bf16, {above_bfloat}), (std::vector<double>{1.0 + 0x1p-7}));
  EXPECT_TRUE(std::isnan(through(DType::f16, {kNaN})[0]));
  EXPECT_TRUE(std::isnan(through(DType::bf16, {kNaN})[0]));
  EXPECT_TRUE(std::signbit(through(DType::f16, {-0.0})[0]));
}

TEST(Convert, EveryHalfAndBfloatSurvivesATripThroughDouble) {
  const Tensor halves(DType::f16, {1 << 16}), bfloats(DType::bf16, {1 << 16});
  for (int b = 0; b < 1 << 16; ++b) {
    halves.as<half>()[b] = half::from_bits(static_cast<std::uint16_t>(b));
    bfloats.as<bfloat>()[b] = bfloat::from_bits(static_cast<std::uint16_t>(b));
  }
  const Tensor halves_back = convert(convert(halves, DType::f64), DType::f16),
               bfloats_back = convert(convert(bfloats, DType::f64), DType::bf16);
  for (int b = 0; b < 1 << 16; ++b) {
    const float h = halves.as<half>()[b], f = bfloats.as<bfloat>()[b];
    if (h == h) {
      EXPECT_EQ(halves_back.as<half>()[b].bits, b);
    }
    if (f == f) {
      EXPECT_EQ(bfloats_back.as<bfloat>()[b].bits, b);
    }
  }
}

TEST(Convert, IntegersRoundToEvenAndSaturate) {
  EXPECT_EQ(through(DType::i8, {-1000, -128.5, -0.5, 0.5, 1.5, 126.6, 127.5, kInfinity, kNaN}),
            (std::vector<double>{-128, -128, 0, 0, 2, 127, 127, 127, 0}));
  EXPECT_EQ(through(DType::u8, {-1, 2.5, 255.4, 300}), (std::vector<double>{0, 2, 255, 255}));
  EXPECT_EQ(through(DType::i32, {-3e9, 3e9, 2147483646.0}),
            (std::vector<double>{-2147483648.0, 2147483647.0, 2147483646.0}));
  EXPECT_EQ(through(DType::i64, {-1e19, 1e19, 0x1p53, -0.5, kNaN}),
            (std::vector<double>{-0x1p63, 0x1p63, 0x1p53, 0, 0}));
  EXPECT_EQ(through(DType::int4, {-9, -8, -1, 7, 8}), (std::vector<double>{-8, -8, -1, 7, 7}));
  EXPECT_EQ(through(DType::uint4, {-1, 0, 15, 16}), (std::vector<double>{0, 0, 15, 15}));
}

TEST(Convert, PairsHoldTheLowNibbleFirst) {
  const Tensor t = convert(doubles({1, 2, 3}), DType::uint4);
  EXPECT_EQ(t.as<std::uint8_t>()[0], 0x21);
  EXPECT_EQ(t.as<std::uint8_t>()[1] & 0xf, 3);
}

TEST(Convert, MakesBlocksAsGgmlDoes) {
  // The largest of a block, -254, becomes code -127 of q8_0, and code 0 (-8) of q4_0.
  std::vector<double> values(32, 0.0);
  values[0] = 9.0, values[3] = -254.0, values[16] = 127.0, values[31] = 253.0;
  const Tensor q8 = convert(doubles(values), DType::q8_0);
  ASSERT_EQ(q8.size_bytes(), 34u);
  const auto* bytes = q8.as<std::uint8_t>();
  EXPECT_EQ(half::from_bits(static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8)), 2.0f);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2]), 5);  // 4.5 rounds away from 0
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2 + 3]), -127);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2 + 16]), 64);   // 63.5 rounds away from 0
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2 + 31]), 127);  // 126.5 too
  const Tensor q4 = convert(doubles(values), DType::q4_0);
  ASSERT_EQ(q4.size_bytes(), 18u);
  bytes = q4.as<std::uint8_t>();
  EXPECT_EQ(half::from_bits(static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8)), 31.75f);
  EXPECT_EQ(bytes[2], 8 | 12 << 4);       // elements 0 and 16
  EXPECT_EQ(bytes[2 + 3], 0 | 8 << 4);    // 3 and 19
  EXPECT_EQ(bytes[2 + 15], 8 | 15 << 4);  // 15 and 31: 16 is no nibble
  EXPECT_EQ(convert(doubles(std::vector<double>(64, 0.0)), DType::q4_0).size_bytes(), 36u);
}

TEST(Convert, BlocksAndBytesOfFloatsComeBack) {
  EXPECT_EQ(through(DType::f8_e4m3, {0.0, 1.0625, -448.0, 500.0, 0x1p-9}),
            (std::vector<double>{0.0, 1.0, -448.0, 448.0, 0x1p-9}));
  EXPECT_EQ(through(DType::f8_e5m2, {1.0, 1.125, -57344.0, 1e9}),
            (std::vector<double>{1.0, 1.0, -57344.0, kInfinity}));
  std::vector<double> values(64);
  for (int i = 0; i < 64; ++i) values[static_cast<std::size_t>(i)] = i == 40 ? -8.0 : i % 16 - 8;
  EXPECT_EQ(through(DType::q4_0, values), values);  // the scale is 1
  values[0] = values[32] = 127;
  EXPECT_EQ(through(DType::q8_0, values), values);
}

TEST(CopyTo, KeepsBlocksWhole) {
  const Tensor blocks(DType::q8_0, {3, 64});
  for (std::size_t i = 0; i < blocks.size_bytes(); ++i)
    blocks.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
  const TensorView last_half = blocks.view().sliced(1, 32, 64);
  const Tensor copy = copy_to(last_half, Device::cpu());
  ASSERT_EQ(copy.size_bytes(), 3u * 34);
  for (int row = 0; row < 3; ++row) EXPECT_EQ(copy.as<std::uint8_t>()[34 * row], 68 * row + 34);
  EXPECT_THROW(blocks.view().sliced(1, 16, 48), Error);
  EXPECT_THROW(Tensor(DType::q4_0, {2, 48}), Error);
}

TEST(Convert, TakesHostMemoryOnly) {
  const Tensor t = doubles({1});
  TensorView elsewhere = t;
  elsewhere.device = Device::cuda(1);
  try {
    convert(elsewhere, DType::f32);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "convert: source is on cuda:1; expected cpu (copy_to brings it there)");
  }
}

}  // namespace
}  // namespace flashtile
