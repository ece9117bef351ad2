// Kernels in the idioms of public ones run as they stand, and give what they would on an Apple GPU.
#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "flashtile/dtype.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

using testing::ElementsAre;

Module& module() { return module_of("idioms"); }

TEST(Idioms, NormaliseLayersByFoursOverTwoSimdgroups) {
  struct {  // as MSL lays it out
    std::uint32_t rows = 3, columns = 128;
    float epsilon = 1e-5f;
    std::uint8_t activation = 1;
    alignas(8) float scale[2] = {0, 2};
  } shape;
  std::vector<std::byte> shape_bytes(sizeof shape);
  std::memcpy(shape_bytes.data(), &shape, sizeof shape);
  std::vector<float> x(3 * 128), y(3 * 128), gamma(128);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1009) / 100.0f;
  for (std::size_t i = 0; i < 128; ++i) gamma[i] = 1 + static_cast<float>(i) / 64;
  module().run({.kernel = "layer_norm",
                .buffers = {{0, bytes_of(x)}, {1, bytes_of(y)}, {2, shape_bytes}, {3, bytes_of(gamma)}},
                .threadgroup_bytes = {{0, 128}},
                .threads = {64},
                .threadgroups = {3}});
  for (std::size_t row = 0; row < 3; ++row) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < 128; ++i) mean += static_cast<double>(x[128 * row + i]) / 128;
    for (std::size_t i = 0; i < 128; ++i) variance += std::pow(x[128 * row + i] - mean, 2) / 128;
    for (std::size_t i = 0; i < 128; ++i) {
      double expected = (x[128 * row + i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] * 2;
      if (i % 4 == 0) expected = std::max(expected, 0.0);
      ASSERT_NEAR(y[128 * row + i], expected, 1e-4) << row << " " << i;
    }
  }
}

TEST(Idioms, FindBoundsByAtomicsOfOrderedBits) {
  std::vector<float> points(300), low(3), high(3);
  for (std::size_t i = 0; i < 300; ++i) points[i] = static_cast<float>(i * 7919 % 1009) - 500;
  std::vector<std::uint32_t> lows(3, ~0u), highs(3), n{100};
  module().run({.kernel = "bounds",
                .buffers = {{0, bytes_of(points)}, {1, bytes_of(lows)}, {2, bytes_of(highs)}, {3, bytes_of(n)}},
                .threads = {64},
                .threadgroups = {2}});
  const auto number = [](std::uint32_t bits) {
    return std::bit_cast<float>(bits ^ ((bits >> 31) != 0 ? 0x80000000u : ~0u));
  };
  for (std::size_t k = 0; k < 3; ++k) {
    float least = points[k], most = points[k];
    for (std::size_t i = k; i < 300; i += 3)
      least = std::min(least, points[i]), most = std::max(most, points[i]);
    EXPECT_EQ(number(lows[k]), least);
    EXPECT_EQ(number(highs[k]), most);
  }
}

TEST(Idioms, CountInAStructOfAtomics) {
  std::vector<std::uint8_t> pixels(4 * 64);
  std::vector<std::int32_t> counts(17), expected(17);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>(i * 7919);
    ++expected[pixels[i] / 16];
    ++expected[16];
  }
  module().run({.kernel = "histogram",
                .buffers = {{0, bytes_of(pixels)}, {1, bytes_of(counts)}},
                .threads = {4, 4},
                .threadgroups = {2, 2}});
  EXPECT_EQ(counts, expected);
}

TEST(Idioms, TakeHalvesApartAndTogether) {
  std::vector<half> a{half(1.0f), half(2.0f), half(3.0f), half(4.0f)};
  std::vector<bfloat> b{bfloat(1.0f), bfloat(2.0f), bfloat(3.0f), bfloat(4.0f)};
  std::vector<std::uint16_t> c(2);
  module().run({.kernel = "halves", .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}}});
  EXPECT_EQ(std::vector<float>(a.begin(), a.end()), (std::vector<float>{4, 3, 1, 1}));
  EXPECT_EQ(std::vector<float>(b.begin(), b.end()), (std::vector<float>{-4, -3, 2, 1}));
  EXPECT_THAT(c, ElementsAre(0x4400, 0x4200));
}

TEST(Idioms, KeepBfloatsAmongIntegers) {
  std::vector<bfloat> out(3);
  std::vector<float> wide(4);
  module().run({.kernel = "bfloats", .buffers = {{0, bytes_of(out)}, {1, bytes_of(wide)}}});
  EXPECT_EQ(out[0].bits, 0x4015);  // 2.328125
  EXPECT_EQ(out[1].bits, 0x3f33);
  EXPECT_EQ(out[2].bits, 0x4020);
  EXPECT_THAT(wide, ElementsAre(3 * 0.1f, 2.328125f, 111, std::exp(2.328125f)));
}

TEST(Idioms, InstantiateBySignatureTypeAndArguments) {
  std::vector<float> floats(128), sums(2);
  std::vector<half> halves(64), half_sum(1);
  std::vector<std::int32_t> integers(32), sum(1);
  for (std::size_t i = 0; i < 128; ++i) floats[i] = static_cast<float>(i);
  for (std::size_t i = 0; i < 64; ++i) halves[i] = half(static_cast<float>(i % 3));
  for (std::size_t i = 0; i < 32; ++i) integers[i] = static_cast<std::int32_t>(i) - 7;
  module().run({.kernel = "reduce_float",
                .buffers = {{0, bytes_of(floats)}, {1, bytes_of(sums)}},
                .threads = {64},
                .threadgroups = {2}});
  module().run(
      {.kernel = "reduce_half", .buffers = {{0, bytes_of(halves)}, {1, bytes_of(half_sum)}}, .threads = {64}});
  module().run(
      {.kernel = "reduce_32_ints", .buffers = {{0, bytes_of(integers)}, {1, bytes_of(sum)}}, .threads = {32}});
  EXPECT_THAT(sums, ElementsAre(2016, 6112));
  EXPECT_EQ(static_cast<float>(half_sum[0]), 63);
  EXPECT_EQ(sum[0], 272);
}

TEST(Idioms, MultiplyTransposedMatrices) {
  constexpr std::size_t m = 16, n = 32, depth = 24;
  std::vector<float> a(depth * m), c(m * n);
  std::vector<half> b(n * depth);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i * 13 % 17) - 8;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = half(static_cast<float>(i * 11 % 13) - 6);
  std::vector<std::uint32_t> sizes{m, n, depth, 0};
  module().run({.kernel = "transposed",
                .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(sizes)}},
                .threads = {32},
                .threadgroups = {2, 2}});
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      float sum = 0;
      for (std::size_t k = 0; k < depth; ++k) sum += a[k * m + i] * static_cast<float>(b[j * depth + k]);
      ASSERT_EQ(c[i * n + j], sum);
    }
}

TEST(Idioms, TakeConstantsTablesAndInitialisers) {
  std::vector<float> out(5);
  Launch launch{.kernel = "constants",
                .buffers = {{0, bytes_of(out)}},
                .constants = {{0, "5"}, {3, "1,2,3"}},
                .threads = {4}};
  module().run(launch);
  EXPECT_THAT(out, ElementsAre(33112.25f, 33117.25f, 33127.25f, 33147.25f, 34));
  launch.constants = {{3, "1"}};
  const LaunchReport report = module().run(launch);
  EXPECT_THAT(out, ElementsAre(30108.25f, 30109.25f, 30111.25f, 30115.25f, 34));
  EXPECT_THAT(report.notes,
              ElementsAre("function constant 0 (bits) has no value and counts as 0",
                          "function constant 3 (block), component 1, has no value and counts as 0",
                          "function constant 3 (block), component 2, has no value and counts as 0"));
}

TEST(Idioms, MultiplyMatricesOfColumns) {
  std::vector<float> out(24), m(16);
  for (std::size_t i = 0; i < 16; ++i) m[i] = static_cast<float>(i);
  std::vector<std::int8_t> raw{-3, -2, -1, 0, 1, 2, 3, 4};
  module().run({.kernel = "matrices", .buffers = {{0, bytes_of(out)}, {1, bytes_of(m)}, {2, bytes_of(raw)}}});
  EXPECT_THAT(out, ElementsAre(24, 27, 30, 33, 20, 60, 100, 140, 248, 276, 304, 332, 41, 52, 73, 24, 1, 1, 2, 3,
                               -3, 4, 9, 0));
}

TEST(Idioms, WriteToTheLog) {
  std::vector<float> x{1, -2, 3, -4};
  std::vector<std::string> lines;
  Launch launch{.kernel = "logs", .buffers = {{0, bytes_of(x)}}, .threads = {4}};
  module().run(launch);  // nobody listens
  launch.log = [&](const std::string& line) { lines.push_back(line); };
  module().run(launch);
  EXPECT_THAT(lines, ElementsAre("thread (1, 0, 0) of threadgroup (0, 0, 0): x[1] is -2.0, 2",
                                 "thread (3, 0, 0) of threadgroup (0, 0, 0): x[3] is -4.0, 2"));
}

TEST(Idioms, OverloadMetalsOwnNames) {
  std::vector<bfloat> out(32);
  std::vector<float> f(32);
  module().run({.kernel = "own_overloads", .buffers = {{0, bytes_of(out)}, {1, bytes_of(f)}}, .threads = {32}});
  for (std::size_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(static_cast<float>(out[lane]), lane == 0 ? 5.4375f : 2.0f);
    EXPECT_EQ(f[lane], lane < 16 ? 20.0f : 3.0f);
  }
}

TEST(Functions, OfFloatsGiveTheirValues) {
  std::vector<float> out(45);
  module_of("functions").run({.kernel = "floats", .buffers = {{0, bytes_of(out)}}});
  const float sine = std::sin(0.5f), cosine = std::cos(0.5f);
  const std::vector<float> expected{
      sine,  cosine, -0.75f, -2, 0.625f, 6,    40, 1.5f,         5,  sine,        cosine, sine, 1, 1, 0, 0,
      -0.5f, 1,      5,      1,  3,      3.5f, 2,  1 + 0x1p-23f, -2, 1.5f,        2.5f,   0.5f, 1, 2, 2, 1,
      7,     9,      1,      1,  1,      -1,   -1, 12,           1,  0.70703125f, 1};
  ASSERT_EQ(expected.size(), 43u);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(out[i], expected[i], i == 9 || i == 10 ? 0x1p-11 : 3e-7) << i;
}

TEST(Functions, OfIntegersGiveTheirValues) {
  std::vector<std::int64_t> out(26);
  module_of("functions").run({.kernel = "integers", .buffers = {{0, bytes_of(out)}}});
  EXPECT_THAT(out,
              ElementsAre(-4, 2147483647, -15, 22, 3, 3, 255, -32768, 2147483647, 2, 3, 188, -4, 61455, 128, 32,
                          64, 9, 2, 4, 9223372036854775807, 65535, 4294934528, 1073774593, 20, -100));
}

}  // namespace
}  // namespace flashtile::metal_emulator
