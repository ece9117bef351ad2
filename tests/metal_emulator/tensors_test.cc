// Tensors, matmul2d and cooperative tensors, under every layout.
#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <set>

#include "flashtile/dtype.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

using testing::ElementsAre;

Module& module() { return module_of("tensors"); }
const Layout kLayouts[] = {Layout::before_m5, Layout::m5, Layout::os26_0, Layout::os26_2};

TEST(Tensors, HaveExtentsStridesSlicesAndElements) {
  std::vector<float> b(100);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i);
  std::vector<std::int64_t> out(33);
  module().run({.kernel = "tensor_members", .buffers = {{0, bytes_of(b)}, {1, bytes_of(out)}}});
  EXPECT_THAT(out, ElementsAre(3, 5, 1, 4, 5, 3, 20, /*no static extent*/ 0, /*strided*/ 4, 1, 0, 4, 3, 7, 1, 1,
                               /*[1, 2, 1]*/ 31, /*{3, 2}*/ 17,
                               /*[0, 0, 2]*/ -1, /*slice*/ 4, 2, 5, 31, /*<2, dynamic, 1>*/ 2, 3, 0,
                               /*3 + 15 + 40*/ 58, /*get*/ 0, 3,
                               /*set*/ 88, 5, 0, 0));
}

/// One operand's values and how a kernel reads them.
template <class T>
struct Operand {
  std::vector<T> stored;
  std::vector<double> values;
};

std::mt19937& engine() {
  static std::mt19937 instance(7);
  return instance;
}

template <class T>
Operand<T> operand(std::size_t size) {
  Operand<T> result;
  for (std::size_t i = 0; i < size; ++i) {
    if constexpr (std::is_same_v<T, std::int8_t> || std::is_same_v<T, std::uint8_t>) {
      result.stored.push_back(static_cast<T>(engine()()));
    } else {
      result.stored.push_back(T(std::normal_distribution<float>()(engine())));
    }
    result.values.push_back(static_cast<double>(static_cast<float>(result.stored.back())));
  }
  return result;
}

/// Numbers of `bits` bits, of which the first ones are in the low bits of a byte; value(code) says what a code means.
Operand<std::uint8_t> codes(std::size_t size, int bits, double (*value)(int code)) {
  const std::size_t in_byte = static_cast<std::size_t>(8 / bits);
  Operand<std::uint8_t> result;
  result.stored.resize((size + in_byte - 1) / in_byte);
  while (result.values.size() < size) {
    const int code = static_cast<int>(engine()() % (1u << bits));
    if (!std::isfinite(value(code))) continue;
    const std::size_t i = result.values.size();
    std::uint8_t& byte = result.stored[i / in_byte];
    byte = static_cast<std::uint8_t>(byte | code << (static_cast<int>(i % in_byte) * bits));
    result.values.push_back(value(code));
  }
  return result;
}

double unsigned_value(int code) { return code; }
double nibble_value(int code) { return code > 7 ? code - 16 : code; }
double two_bits_value(int code) { return code > 1 ? code - 4 : code; }
double e2m1_value(int code) {
  constexpr double values[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  return code < 8 ? values[code] : -values[code - 8];
}
double e4m3_value(int code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  const double size = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return exponent == 15 && mantissa == 7 ? NAN : code < 128 ? size : -size;
}
double e5m2_value(int code) {  // the upper half of a half
  half value;
  value.bits = static_cast<std::uint16_t>(code << 8);
  return static_cast<double>(static_cast<float>(value));
}

constexpr std::size_t kM = 21, kN = 24, kK = 45;

/// Each result within one rounding of its type, and of the float32 sum before, of the exact one.
template <class D, class L, class R>
void expect_product(const std::string& name, Operand<L> a, Operand<R> b) {
  std::vector<D> c(kM * kN);
  std::vector<std::int32_t> mnk{kM, kN, kK, 0};
  module().run(
      {.kernel = "product_" + name,
       .buffers = {{0, bytes_of(a.stored)}, {1, bytes_of(b.stored)}, {2, bytes_of(c)}, {3, bytes_of(mnk)}},
       .threads = {32},
       .threadgroups = {2, 2}});
  for (std::size_t i = 0; i < kM; ++i) {
    for (std::size_t j = 0; j < kN; ++j) {
      double sum = 0, size = 0;
      for (std::size_t k = 0; k < kK; ++k) {
        sum += a.values[i * kK + k] * b.values[k * kN + j];
        size += std::fabs(a.values[i * kK + k] * b.values[k * kN + j]);
      }
      if constexpr (std::is_same_v<D, std::int32_t>) {
        ASSERT_EQ(c[i * kN + j], static_cast<std::int32_t>(sum)) << name;
      } else {
        const double unit = std::is_same_v<D, float> ? 0x1p-24 : std::is_same_v<D, half> ? 0x1p-11 : 0x1p-8;
        const double rounded = sum > 65519 && std::is_same_v<D, half> ? HUGE_VAL : sum;  // halves overflow
        if (std::fabs(sum) > 65000 && std::is_same_v<D, half>) continue;
        ASSERT_NEAR(static_cast<double>(static_cast<float>(c[i * kN + j])), rounded,
                    unit * std::fabs(sum) + 2 * kK * 0x1p-24 * size + 0x1p-24)
            << name << " " << i << " " << j;
      }
    }
  }
}

using i8 = std::int8_t;
using u8 = std::uint8_t;
using i32 = std::int32_t;

#define EXPECT_PRODUCT(L, R, D) expect_product<D>(#L "_" #R "_" #D, operand<L>(kM * kK), operand<R>(kK * kN))
#define EXPECT_BYTES(L, R, D, l, r, d) \
  expect_product<D>(l "_" r "_" d, operand<L>(kM * kK), operand<R>(kK * kN))
#define EXPECT_CODES(L, D, l, r, d, bits, value) \
  expect_product<D>(l "_" r "_" d, operand<L>(kM * kK), codes(kK * kN, bits, value))
#define EXPECT_PAIRS(D, format, d, bits, value) \
  expect_product<D>(format "_" format "_" d, codes(kM * kK, bits, value), codes(kK * kN, bits, value))

TEST(Products, TakeEveryRowOfTheTypeTable) {
  EXPECT_PRODUCT(half, half, half);
  EXPECT_PRODUCT(half, half, float);
  EXPECT_PRODUCT(half, float, float);
  EXPECT_PRODUCT(float, half, float);
  EXPECT_PRODUCT(float, float, float);
  EXPECT_PRODUCT(bfloat, bfloat, bfloat);
  EXPECT_PRODUCT(bfloat, bfloat, float);
  EXPECT_PRODUCT(bfloat, float, float);
  EXPECT_PRODUCT(float, bfloat, float);
  EXPECT_PRODUCT(bfloat, half, bfloat);
  EXPECT_PRODUCT(bfloat, half, half);
  EXPECT_PRODUCT(bfloat, half, float);
  EXPECT_PRODUCT(half, bfloat, bfloat);
  EXPECT_PRODUCT(half, bfloat, half);
  EXPECT_PRODUCT(half, bfloat, float);
}
TEST(Products, TakeBytes) {
  EXPECT_BYTES(half, i8, half, "half", "int8_t", "half");
  EXPECT_BYTES(half, i8, float, "half", "int8_t", "float");
  EXPECT_BYTES(half, u8, half, "half", "uint8_t", "half");
  EXPECT_BYTES(half, u8, float, "half", "uint8_t", "float");
  EXPECT_BYTES(i8, half, half, "int8_t", "half", "half");
  EXPECT_BYTES(i8, half, float, "int8_t", "half", "float");
  EXPECT_BYTES(u8, half, half, "uint8_t", "half", "half");
  EXPECT_BYTES(u8, half, float, "uint8_t", "half", "float");
  EXPECT_BYTES(float, i8, float, "float", "int8_t", "float");
  EXPECT_BYTES(float, u8, float, "float", "uint8_t", "float");
  EXPECT_BYTES(i8, float, float, "int8_t", "float", "float");
  EXPECT_BYTES(u8, float, float, "uint8_t", "float", "float");
  EXPECT_BYTES(i8, i8, i32, "int8_t", "int8_t", "int32_t");
  EXPECT_BYTES(u8, u8, i32, "uint8_t", "uint8_t", "int32_t");
  EXPECT_BYTES(bfloat, i8, bfloat, "bfloat", "int8_t", "bfloat");
  EXPECT_BYTES(bfloat, i8, float, "bfloat", "int8_t", "float");
  EXPECT_BYTES(bfloat, u8, bfloat, "bfloat", "uint8_t", "bfloat");
  EXPECT_BYTES(bfloat, u8, float, "bfloat", "uint8_t", "float");
  EXPECT_BYTES(i8, bfloat, bfloat, "int8_t", "bfloat", "bfloat");
  EXPECT_BYTES(i8, bfloat, float, "int8_t", "bfloat", "float");
  EXPECT_BYTES(u8, bfloat, bfloat, "uint8_t", "bfloat", "bfloat");
  EXPECT_BYTES(u8, bfloat, float, "uint8_t", "bfloat", "float");
}
TEST(Products, TakeFourBitsOnTheRight) {
  EXPECT_CODES(half, half, "half", "int4b_format", "half", 4, nibble_value);
  EXPECT_CODES(half, float, "half", "int4b_format", "float", 4, nibble_value);
  EXPECT_CODES(half, half, "half", "uint4b_format", "half", 4, unsigned_value);
  EXPECT_CODES(half, float, "half", "uint4b_format", "float", 4, unsigned_value);
  EXPECT_CODES(bfloat, bfloat, "bfloat", "int4b_format", "bfloat", 4, nibble_value);
  EXPECT_CODES(bfloat, float, "bfloat", "int4b_format", "float", 4, nibble_value);
  EXPECT_CODES(bfloat, bfloat, "bfloat", "uint4b_format", "bfloat", 4, unsigned_value);
  EXPECT_CODES(bfloat, float, "bfloat", "uint4b_format", "float", 4, unsigned_value);
  EXPECT_CODES(i8, i32, "int8_t", "int4b_format", "int32_t", 4, nibble_value);
  EXPECT_CODES(u8, i32, "uint8_t", "uint4b_format", "int32_t", 4, unsigned_value);
}
TEST(Products, TakeTwoBitsOnTheRight) {
  EXPECT_CODES(half, half, "half", "int2b_format", "half", 2, two_bits_value);
  EXPECT_CODES(half, float, "half", "int2b_format", "float", 2, two_bits_value);
  EXPECT_CODES(half, half, "half", "uint2b_format", "half", 2, unsigned_value);
  EXPECT_CODES(half, float, "half", "uint2b_format", "float", 2, unsigned_value);
  EXPECT_CODES(bfloat, bfloat, "bfloat", "int2b_format", "bfloat", 2, two_bits_value);
  EXPECT_CODES(bfloat, float, "bfloat", "int2b_format", "float", 2, two_bits_value);
  EXPECT_CODES(bfloat, bfloat, "bfloat", "uint2b_format", "bfloat", 2, unsigned_value);
  EXPECT_CODES(bfloat, float, "bfloat", "uint2b_format", "float", 2, unsigned_value);
  EXPECT_CODES(i8, i32, "int8_t", "int2b_format", "int32_t", 2, two_bits_value);
  EXPECT_CODES(u8, i32, "uint8_t", "uint2b_format", "int32_t", 2, unsigned_value);
}
TEST(Products, TakeSmallFloats) {
  EXPECT_CODES(half, half, "half", "metal_fp4_e2m1_format", "half", 4, e2m1_value);
  EXPECT_CODES(half, float, "half", "metal_fp4_e2m1_format", "float", 4, e2m1_value);
  EXPECT_PAIRS(half, "metal_fp4_e2m1_format", "half", 4, e2m1_value);
  EXPECT_PAIRS(float, "metal_fp4_e2m1_format", "float", 4, e2m1_value);
  EXPECT_CODES(half, half, "half", "metal_fp8_e4m3_format", "half", 8, e4m3_value);
  EXPECT_CODES(half, float, "half", "metal_fp8_e4m3_format", "float", 8, e4m3_value);
  EXPECT_PAIRS(half, "metal_fp8_e4m3_format", "half", 8, e4m3_value);
  EXPECT_PAIRS(float, "metal_fp8_e4m3_format", "float", 8, e4m3_value);
  EXPECT_CODES(half, half, "half", "metal_fp8_e5m2_format", "half", 8, e5m2_value);
  EXPECT_CODES(half, float, "half", "metal_fp8_e5m2_format", "float", 8, e5m2_value);
  EXPECT_PAIRS(half, "metal_fp8_e5m2_format", "half", 8, e5m2_value);
  EXPECT_PAIRS(float, "metal_fp8_e5m2_format", "float", 8, e5m2_value);
}
TEST(Tensors, AreBoundByTheHost) {
  const auto a = operand<half>(kM * kK);
  const auto b = codes(kK * kN, 4, nibble_value);
  std::vector<half> wide(kM * (kK + 3));  // rows with a gap
  for (std::size_t i = 0; i < kM * kK; ++i) wide[i / kK * (kK + 3) + i % kK] = a.stored[i];
  std::vector<std::uint8_t> right = b.stored;
  std::vector<float> c(kM * kN);
  std::vector<std::int32_t> out(1);
  Launch launch{.kernel = "handles",
                .buffers = {{0, bytes_of(wide)}, {1, bytes_of(right)}, {2, bytes_of(c)}, {3, bytes_of(out)}},
                .tensors = {{0, {{kK, kM}, {1, kK + 3}}}, {1, {{kN / 2, kK}}}, {2, {{kN, kM}}}},
                .threads = {32},
                .threadgroups = {2, 2}};
  module().run(launch);
  EXPECT_EQ(out[0], kK + 100 * kM + 10000 * (kK + 3));
  for (std::size_t i = 0; i < kM; ++i)
    for (std::size_t j = 0; j < kN; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < kK; ++k) sum += a.values[i * kK + k] * b.values[k * kN + j];
      ASSERT_NEAR(static_cast<double>(c[i * kN + j]), sum, 1e-4) << i << " " << j;
    }

  const auto message = [&] {
    try {
      module().run(launch);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  using testing::HasSubstr;
  launch.tensors[2] = {{kM, kN}};
  EXPECT_THAT(message(), HasSubstr("parameter c: extent 0 of the buffer is 21; its type says 24"));
  launch.tensors[2] = {{kN, kM + 1}};
  EXPECT_THAT(message(),
              HasSubstr("parameter c: its extents and strides reach past the 2016 bytes of the buffer"));
  launch.tensors[2] = {{kN, kM, 1}};
  EXPECT_THAT(message(), HasSubstr("parameter c is a tensor of 2 dimensions; the buffer has 3"));
  launch.tensors[2] = {{kN, kM}, {2, kN}};
  EXPECT_THAT(message(), HasSubstr("parameter c: the first stride is 2; it must be 1"));
  launch.tensors.erase(2);
  EXPECT_THAT(message(), HasSubstr("parameter c is a tensor, and buffer 2 has no extents"));
}
TEST(Tensors, ReadEveryCodeOfPackedFormats) {
  std::vector<std::uint8_t> bytes(256);
  for (std::size_t i = 0; i < 256; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  std::vector<float> out(1024);
  module().run({.kernel = "codes", .buffers = {{0, bytes_of(bytes)}, {1, bytes_of(out)}}});
  for (int i = 0; i < 256; ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    const double expected[] = {e4m3_value(i), e5m2_value(i), e2m1_value(bytes[at / 2] >> (i % 2 * 4) & 15),
                               i < 4 ? 0 : two_bits_value(bytes[at / 4] >> (i % 4 * 2) & 3)};
    for (std::size_t format = 0; format < 4; ++format) {
      const double found = static_cast<double>(out[256 * format + at]);
      if (std::isnan(expected[format]))
        EXPECT_TRUE(std::isnan(found)) << format << " " << i;
      else
        EXPECT_EQ(found, expected[format]) << format << " " << i;
    }
  }
}

/// Small integers, so that every sum is exact whatever the order.
std::vector<half> small_numbers(std::size_t size) {
  std::vector<half> values;
  for (std::size_t i = 0; i < size; ++i)
    values.push_back(half(static_cast<float>(static_cast<int>(engine()() % 7) - 3)));
  return values;
}

TEST(Products, ReadTurnedOperandsInEveryScopeAndLayout) {
  const int m = 32, n = 43, k = 37;  // n is cut off by the tensor's edge
  for (const Layout layout : kLayouts) {
    for (const auto& [left, right, simdgroups] :
         {std::array{0, 0, 1}, {0, 1, 1}, {1, 0, 1}, {1, 1, 1}, {0, 0, 4}, {1, 1, 4}, {0, 0, 3}}) {
      std::vector<half> a = small_numbers(static_cast<std::size_t>(m * k)),
                        b = small_numbers(static_cast<std::size_t>(k * n));
      std::vector<float> c(static_cast<std::size_t>(m * n));
      std::vector<std::int32_t> mnk{m, n, k, 0};
      const std::string name =
          "turned_" + std::to_string(left) + std::to_string(right) + "_" + std::to_string(simdgroups);
      module().run({.kernel = name,
                    .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(mnk)}},
                    .threads = {32 * static_cast<std::uint32_t>(simdgroups)},
                    .layout = layout});
      for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
          float sum = 0;
          for (int l = 0; l < k; ++l)
            sum += static_cast<float>(a[static_cast<std::size_t>(left != 0 ? l * m + i : i * k + l)]) *
                   static_cast<float>(b[static_cast<std::size_t>(right != 0 ? j * k + l : l * n + j)]);
          ASSERT_EQ(c[static_cast<std::size_t>(i * n + j)],
                    0.5f + 2 * sum + static_cast<float>(1000 * j + 100000 * i))
              << name << " " << i << " " << j;
        }
      }
    }
  }
}

TEST(Products, RunInOneThread) {
  std::vector<float> a, b, c(3 * 32);
  for (int i = 0; i < 3 * 64; ++i) a.push_back(static_cast<float>(engine()() % 10));
  for (int i = 0; i < 128; ++i) b.push_back(static_cast<float>(engine()() % 10));
  module().run({.kernel = "one_thread",
                .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}},
                .threads = {3}});
  for (std::size_t i = 0; i < c.size(); ++i) {
    float sum = 0;
    for (std::size_t k = 0; k < 16; ++k) sum += a[i / 8 * 16 + k] * b[8 * k + i % 8];
    ASSERT_EQ(c[i], sum);
  }
}

TEST(Products, AccumulateInThreadgroupMemory) {
  std::vector<half> a = small_numbers(32 * 96), b = small_numbers(96 * 32);
  std::vector<float> c(32 * 32);
  module().run({.kernel = "accumulate_in_threadgroup",
                .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}},
                .threads = {128}});
  for (std::size_t i = 0; i < c.size(); ++i) {
    float sum = 0;
    for (std::size_t k = 0; k < 96; ++k)
      sum += static_cast<float>(a[i / 32 * 96 + k]) * static_cast<float>(b[32 * k + i % 32]);
    ASSERT_EQ(c[i], sum);
  }
}

/// NumPy's RandomState(seed).randint(-3, 4, size).
std::vector<float> numpy_integers(unsigned seed, std::size_t size) {
  std::mt19937 twister(seed);
  std::vector<float> values;
  while (values.size() < size) {
    const unsigned draw = twister() & 7u;
    if (draw <= 6) values.push_back(static_cast<float>(draw) - 3);
  }
  return values;
}

TEST(Edges, AreThoseOfTheProbeThatRanOnAnM4) {
  struct Case {
    int m, n, k, error;
  };
  for (const Layout layout : kLayouts) {
    for (const Case& probe : {Case{16, 32, 16, 67},
                              {32, 16, 16, 45},
                              {16, 16, 32, 74},
                              {32, 32, 16, 83},
                              {16, 32, 32, 70},
                              {32, 16, 32, 70},
                              {32, 32, 32, 0}}) {
      const auto size = [](int rows, int columns) { return static_cast<std::size_t>(rows * columns); };
      std::vector<float> a = numpy_integers(0, size(probe.m, probe.k)),
                         b = numpy_integers(1, size(probe.k, probe.n)), c(size(probe.m, probe.n));
      module().run({.kernel = "probe_" + std::to_string(probe.m) + "_" + std::to_string(probe.n) + "_" +
                              std::to_string(probe.k),
                    .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}},
                    .threads = {32},
                    .layout = layout});
      float error = 0;
      for (int i = 0; i < probe.m; ++i) {
        for (int j = 0; j < probe.n; ++j) {
          float sum = 0;
          for (int k = 0; k < probe.k; ++k)
            sum += a[size(i, probe.k) + static_cast<std::size_t>(k)] *
                   b[size(k, probe.n) + static_cast<std::size_t>(j)];
          error = std::max(error, std::fabs(c[size(i, probe.n) + static_cast<std::size_t>(j)] - sum));
        }
      }
      EXPECT_EQ(error, static_cast<float>(probe.error)) << probe.m << " x " << probe.n << " x " << probe.k;
    }
  }
}

/// What one M5 chunk of 16 products adds, written out from its published description.
float chunk_of_16(const std::vector<float>& a, const std::vector<float>& b, float sum) {
  float p[8], q[4];
  for (std::size_t i = 0; i < 8; ++i)
    p[i] =
        static_cast<float>(double{a[2 * i]} * double{b[2 * i]} + double{a[2 * i + 1]} * double{b[2 * i + 1]});
  for (std::size_t j = 0; j < 4; ++j) q[j] = p[j] + p[j + 4];
  return sum + q[0] + q[1] + q[2] + q[3];
}

TEST(Numerics, AreThoseOfTheChosenGeneration) {
  std::vector<half> a, b;
  for (int i = 0; i < 32 * 37; ++i) a.push_back(half(std::normal_distribution<float>()(engine())));
  for (int i = 0; i < 37 * 48; ++i) b.push_back(half(std::normal_distribution<float>()(engine())));
  std::vector<float> sequential(32 * 48), tree(32 * 48);
  std::vector<std::int32_t> mnk{32, 48, 37, 0};
  for (const Numerics numerics : {Numerics::sequential, Numerics::tree}) {
    std::vector<float>& c = numerics == Numerics::tree ? tree : sequential;
    module().run({.kernel = "turned_00_1",
                  .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(mnk)}},
                  .threads = {32},
                  .numerics = numerics});
  }
  for (std::size_t i = 0; i < 32; ++i) {
    for (std::size_t j = 0; j < 48; ++j) {
      float chained = 0.5f;  // both products start at what is there
      for (std::size_t k = 0; k < 74; ++k)
        chained =
            std::fma(static_cast<float>(a[37 * i + k % 37]), static_cast<float>(b[48 * (k % 37) + j]), chained);
      float chunked = 0;
      for (std::size_t first = 0; first < 37; first += 16) {
        std::vector<float> left(16), right(16);
        for (std::size_t k = 0; k < 16 && first + k < 37; ++k)
          left[k] = static_cast<float>(a[37 * i + first + k]),
          right[k] = static_cast<float>(b[48 * (first + k) + j]);
        chunked = chunk_of_16(left, right, chunked);
      }
      const float epilogue = static_cast<float>(1000 * j + 100000 * i);
      ASSERT_EQ(sequential[48 * i + j], chained + epilogue);
      ASSERT_EQ(tree[48 * i + j], chunked + (chunked + 0.5f) + epilogue);  // the old value comes last
    }
  }
  EXPECT_NE(sequential, tree);
}

std::vector<int> places(Layout layout) {
  std::vector<int> out(4096);
  module().run({.kernel = "places", .buffers = {{0, bytes_of(out)}}, .threads = {32}, .layout = layout});
  return out;
}

TEST(CooperativeTensors, HoldEachElementOnceUnderEveryLayout) {
  std::set<std::vector<int>> different;
  for (const Layout layout : kLayouts) {
    const std::vector<int> out = places(layout);
    for (std::size_t tile = 0; tile < 2; ++tile) {
      std::set<int> found;
      for (std::size_t i = 0; i < 2048; ++i) {
        if (out[2048 * tile + i] != 0) {
          EXPECT_TRUE(found.insert(out[2048 * tile + i]).second);
        }
      }
      EXPECT_EQ(found.size(), 1024u);
      EXPECT_EQ(*found.rbegin(), 10000 + 3131);
    }
    different.insert(out);
  }
  EXPECT_EQ(different.size(), 4u);
}

TEST(CooperativeTensors, HaveTheMeasuredLayouts) {
  const std::vector<int> before_m5 = places(Layout::before_m5), m5 = places(Layout::m5);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 32; ++i) {
      const auto at = static_cast<std::size_t>(64 * lane + i);
      const int q = lane / 4;
      const int row = 8 * (i / 8) + (q & 4) + lane / 2 % 4,
                column = 8 * (i % 8 / 2) + (q & 2) * 2 + lane % 2 * 2 + i % 2;
      EXPECT_EQ(before_m5[at], 10000 + 100 * row + column);
      const int row16 = 16 * (i / 16) + ((q & 4) | (lane / 2 & 3)) + 8 * (i % 8 >> 2),
                column16 = 16 * (i / 8 % 2) + ((q & 2) | (lane & 1)) * 4 + i % 4;
      EXPECT_EQ(m5[at], 10000 + 100 * row16 + column16);
    }
  }
}

TEST(CooperativeTensors, MayHavePaddingSlots) {
  const int expected[4][2] = {
      {12, 8}, {24, 8}, {12, 16}, {12, 8}};  // capacities of an 8 x 48 result and a 16 x 16 input
  for (const Layout layout : kLayouts) {
    std::vector<int> out(4);
    module().run({.kernel = "capacities", .buffers = {{0, bytes_of(out)}}, .threads = {32}, .layout = layout});
    const int* capacities = expected[static_cast<int>(layout)];
    EXPECT_THAT(out, ElementsAre(capacities[0], 8 * 48, capacities[1], 2)) << static_cast<int>(layout);
  }
}

TEST(CooperativeTensors, ReduceRowsAndColumnsAndMapBack) {
  std::vector<float> a;
  for (int i = 0; i < 32 * 48; ++i) a.push_back(static_cast<float>(static_cast<int>(engine()() % 101) - 50));
  for (const Layout layout : kLayouts) {
    std::vector<float> rows(96), columns(48), spread(32 * 48);
    module().run(
        {.kernel = "reductions",
         .buffers = {{0, bytes_of(a)}, {1, bytes_of(rows)}, {2, bytes_of(columns)}, {3, bytes_of(spread)}},
         .threads = {32},
         .layout = layout});
    std::vector<float> most(48, -100), row_most(32, -100);
    for (std::size_t i = 0; i < 32; ++i) {
      float sum = 0, least = 100;
      for (std::size_t j = 0; j < 48; ++j) {
        sum += a[48 * i + j];
        least = std::min(least, a[48 * i + j]);
        row_most[i] = std::max(row_most[i], a[48 * i + j]);
        most[j] = std::max(most[j], a[48 * i + j]);
      }
      ASSERT_EQ(rows[i], sum);
      ASSERT_EQ(rows[32 + i], least);
      ASSERT_EQ(rows[64 + i], row_most[i]);
    }
    ASSERT_EQ(columns, most);
    for (std::size_t i = 0; i < spread.size(); ++i)
      ASSERT_EQ(spread[i], 1000 * row_most[i / 48] + most[i % 48]);
  }
}

TEST(CooperativeTensors, BecomeInputsWhereTheLayoutAllowsIt) {
  std::vector<half> a = small_numbers(1024), b = small_numbers(1024);
  for (const Layout layout : kLayouts) {
    std::vector<float> c(1024);
    std::vector<int> in_registers(1);
    module().run(
        {.kernel = "chained",
         .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(in_registers)}},
         .threads = {32},
         .layout = layout});
    EXPECT_EQ(in_registers[0], layout == Layout::os26_2 ? 0 : 1);
    const auto at = [](const std::vector<half>& x, std::size_t i, std::size_t j) {
      return static_cast<float>(x[32 * i + j]);
    };
    for (std::size_t i = 0; i < 32; ++i) {
      for (std::size_t j = 0; j < 32; ++j) {
        float sum = 0;
        for (std::size_t l = 0; l < 32; ++l) {
          float product = 0;
          for (std::size_t k = 0; k < 32; ++k) product += at(a, i, k) * at(b, k, l);
          sum += product * at(b, l, j);
        }
        ASSERT_EQ(c[32 * i + j], sum);
      }
    }
  }
}

TEST(CooperativeTensors, RepeatVectorsAndSingleColumns) {
  std::vector<float> a(16), c(512);
  for (std::size_t i = 0; i < 16; ++i) a[i] = static_cast<float>(i + 1);
  module().run({.kernel = "load_repeats", .buffers = {{0, bytes_of(a)}, {1, bytes_of(c)}}, .threads = {32}});
  for (std::size_t i = 0; i < 256; ++i) {
    ASSERT_EQ(c[i], a[i % 16]);
    ASSERT_EQ(c[256 + i], i / 16 < 12 ? a[i / 16] : 0.0f);
  }
}

TEST(CooperativeTensors, AreZeroWhereTheLaunchWantsThemSo) {
  std::vector<float> buffer(256, 1.0f);
  Launch launch{.kernel = "uninitialised_sum", .buffers = {{0, bytes_of(buffer)}}, .threads = {32}};
  EXPECT_EQ(violated(module_of("violations"), launch), "cooperative.uninitialised");
  launch.fresh_tensors = FreshTensors::zero;
  EXPECT_EQ(violated(module_of("violations"), launch), "none");
  EXPECT_THAT(buffer, testing::Each(16.0f));
}

}  // namespace
}  // namespace flashtile::metal_emulator
