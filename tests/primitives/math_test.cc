// The arithmetic of kernel text, on single values and on whatever map_elements hands to kernel text.
#include <limits>

#include "tests/primitives/harness.h"

namespace flashtile::test {
namespace {

constexpr int kRows = 16, kColumns = 32, kSlots = kRows * kColumns;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Exp2 {
  template <class X>
  FT_FUNCTION auto operator()(X x) const {
    return exp2(x);
  }
};
struct Log2 {
  template <class X>
  FT_FUNCTION auto operator()(X x) const {
    return log2(x);
  }
};

/// found = F(values), a tile at a time and, for comparison, a single value at a time.
template <class F>
struct Apply {
  struct Params {
    const float* values;
    float* found;
    float* found_single;
  };
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params& p, Threadgroup&, GridPosition at) {
    using Product = matmul2d<matmul2d_descriptor{kRows, kColumns, 16}, execution_simdgroup>;
    using Operand = tensor<const float, dextents<int, 2>, tensor_inline>;
    auto tile = Product::template get_destination_cooperative_tensor<Operand, Operand, float>();
    const std::int64_t first = at.x * kSlots;
    tensor<const float, dextents<int, 2>, tensor_inline> in(p.values + first,
                                                            dextents<int, 2>(kColumns, kRows));
    tensor<float, dextents<int, 2>, tensor_inline> out(p.found + first, dextents<int, 2>(kColumns, kRows));
    load(tile, in);
    map_elements(tile, F());
    store(tile, out);
    simd_for_each_index(kSlots, [&](int i) { p.found_single[first + i] = F()(p.values[first + i]); });
  }
};

struct Applied {
  std::vector<float> tile, single;
};
template <class F>
Applied apply(std::vector<float> values) {
  values.resize((values.size() + kSlots - 1) / kSlots * kSlots, 1.0f);
  const Array<float> in(values), found(values.size(), -7.0f), single(values.size(), -7.0f);
  run<Apply<F>>({in.data(), found.data(), single.data()},
                {static_cast<std::int64_t>(values.size()) / kSlots, 1, 1});
  return {found.read(), single.read()};
}

TEST(Exp2, IsWithinItsBoundOverItsRange) {
  std::vector<float> x;
  for (int i = 0; i < 1 << 20; ++i) x.push_back(static_cast<float>(-125.0 + 252.9 * i / (1 << 20)));
  for (int i = -(1 << 18); i < 1 << 18; ++i)
    x.push_back(static_cast<float>(i) * 0x1p-18f);  // where softmax needs it most
  const Applied found = apply<Exp2>(x);
  double worst = 0.0, worst_single = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = std::exp2(static_cast<double>(x[i]));
    worst = std::max(worst, std::abs(static_cast<double>(found.tile[i]) - expected) / expected);
    worst_single = std::max(worst_single, std::abs(static_cast<double>(found.single[i]) - expected) / expected);
  }
  EXPECT_LE(worst, 1.5e-7);
  EXPECT_LE(worst_single, 1.5e-7);
}

TEST(Exp2, OfIntegersIsExact) {
  std::vector<float> x;
  for (int i = -124; i <= 127; ++i) x.push_back(static_cast<float>(i));
  const Applied found = apply<Exp2>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(found.tile[i], std::exp2(x[i])) << x[i];
    EXPECT_EQ(found.single[i], std::exp2(x[i])) << x[i];
  }
}

TEST(Exp2, OfTheEndsOfTheLine) {
  const Applied found = apply<Exp2>(
      {-kInfinity, -3.402823466e38f, -1e30f, -1000.0f, -151.0f, kInfinity, 3.402823466e38f, 128.0f, NAN, -NAN});
  for (const auto& f : {found.tile, found.single}) {
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(f[i], 0.0f) << i;
    for (std::size_t i = 5; i < 8; ++i) EXPECT_EQ(f[i], kInfinity) << i;
    EXPECT_TRUE(std::isnan(f[8]) && std::isnan(f[9]));
  }
}

TEST(Exp2, BelowTheNormalNumbersIsTheValueOrZero) {
  std::vector<float> x;
  for (int i = 0; i < 4096; ++i) x.push_back(-125.0f - static_cast<float>(i) / 128.0f);
  const Applied found = apply<Exp2>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_GE(found.tile[i], 0.0f);
    EXPECT_LE(found.tile[i], std::exp2(static_cast<double>(x[i])) * (1 + 1.5e-7) + 0x1p-149) << x[i];
  }
}

TEST(Log2, IsWithinItsBound) {
  std::mt19937 random(3);
  std::vector<float> x;
  for (int i = 0; i < 1 << 18; ++i) {  // any positive number, then those near 1, where the result is small
    const std::uint32_t b = random() % 0x7f800000u;
    float value;
    std::memcpy(&value, &b, sizeof value);
    x.push_back(value == 0.0f ? 1.0f : value);
  }
  for (int i = 0; i < 1 << 18; ++i) x.push_back(0.5f + static_cast<float>(i) * 0x1p-17f);
  const Applied found = apply<Log2>(x);
  double worst = 0.0, worst_single = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = std::log2(static_cast<double>(x[i])), unit = std::max(1.0, std::abs(expected));
    worst = std::max(worst, std::abs(static_cast<double>(found.tile[i]) - expected) / unit);
    worst_single = std::max(worst_single, std::abs(static_cast<double>(found.single[i]) - expected) / unit);
  }
  EXPECT_LE(worst, 2.5e-7);
  EXPECT_LE(worst_single, 2.5e-7);
}

TEST(Log2, OfTheEndsOfTheLine) {
  const Applied found = apply<Log2>({0.0f, kInfinity, -1.0f, NAN, 1.0f, 0x1p-149f, 0x1p-126f, 0x1p127f});
  for (const auto& f : {found.tile, found.single}) {
    EXPECT_EQ(f[0], -kInfinity);
    EXPECT_EQ(f[1], kInfinity);
    EXPECT_TRUE(std::isnan(f[2]) && std::isnan(f[3]));
    EXPECT_EQ(f[4], 0.0f);
    EXPECT_EQ(f[5], -149.0f);
    EXPECT_EQ(f[6], -126.0f);
    EXPECT_EQ(f[7], 127.0f);
  }
}

// ---- exp, log, sqrt, rsqrt, tanh, abs, sin, cos ----

#define FT_FUNCTION_OBJECT(Name, function)   \
  struct Name {                              \
    template <class X>                       \
    FT_FUNCTION auto operator()(X x) const { \
      return function(x);                    \
    }                                        \
  }
FT_FUNCTION_OBJECT(Exp, exp);
FT_FUNCTION_OBJECT(Log, log);
FT_FUNCTION_OBJECT(Sqrt, sqrt);
FT_FUNCTION_OBJECT(Rsqrt, rsqrt);
FT_FUNCTION_OBJECT(Tanh, tanh);
FT_FUNCTION_OBJECT(Abs, abs);
FT_FUNCTION_OBJECT(Sin, sin);
FT_FUNCTION_OBJECT(Cos, cos);
#undef FT_FUNCTION_OBJECT

/// `count` numbers from low to high, evenly spaced.
std::vector<float> between(double low, double high, int count) {
  std::vector<float> x;
  for (int i = 0; i <= count; ++i) x.push_back(static_cast<float>(low + (high - low) * i / count));
  return x;
}
/// Positive normal numbers of every size.
std::vector<float> positive_numbers(int count) {
  std::mt19937 random(5);
  std::vector<float> x;
  for (int i = 0; i < count; ++i) {
    const std::uint32_t b = 0x00800000u + random() % 0x7f000000u;
    float value;
    std::memcpy(&value, &b, sizeof value);
    x.push_back(value);
  }
  return x;
}

/// The largest error of F, of tiles and of single values, against f in double: relative to unit(f(x)).
template <class F, class Exact, class Unit>
double worst_error(const std::vector<float>& x, Exact f, Unit unit) {
  const Applied found = apply<F>(x);
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = f(static_cast<double>(x[i])), size = unit(expected);
    for (const float y : {found.tile[i], found.single[i]}) {
      const double error = std::abs(static_cast<double>(y) - expected) / size;
      worst = error <= worst ? worst : error;  // a NaN stays
    }
  }
  return worst;
}
double relative(double expected) { return std::abs(expected); }
double absolute(double) { return 1.0; }
double larger(double expected) { return std::max(1.0, std::abs(expected)); }

/// F of each x, the same for tiles and single values.
template <class F>
void expect_values(const std::vector<float>& x, const std::vector<float>& expected) {
  const Applied found = apply<F>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (const float y : {found.tile[i], found.single[i]}) {
      if (std::isnan(expected[i]))
        EXPECT_TRUE(std::isnan(y)) << x[i] << " gives " << y;
      else
        EXPECT_EQ(y, expected[i]) << x[i];
    }
  }
}

TEST(Exp, IsWithinItsBound) {
  const auto exact = [](double x) { return std::exp(x); };
  EXPECT_LE(worst_error<Exp>(between(-86.6, 88.7, 1 << 20), exact, relative), 1.5e-7);
  EXPECT_LE(worst_error<Exp>(between(-1.0, 1.0, 1 << 19), exact, relative), 1.5e-7);
}
TEST(Exp, OfTheEndsOfTheLine) {
  expect_values<Exp>({-kInfinity, -3.4e38f, -1e3f, -110.0f, 0.0f, 88.8f, 1e3f, 3.4e38f, kInfinity, NAN},
                     {0.0f, 0.0f, 0.0f, 0.0f, 1.0f, kInfinity, kInfinity, kInfinity, kInfinity, NAN});
}
TEST(Exp, BelowTheNormalNumbersIsTheValueOrZero) {
  const std::vector<float> x = between(-110.0, -86.6, 4096);
  const Applied found = apply<Exp>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_GE(found.tile[i], 0.0f);
    EXPECT_LE(found.tile[i], std::exp(static_cast<double>(x[i])) * (1 + 1.5e-7) + 0x1p-149) << x[i];
  }
}
TEST(Log, IsWithinItsBound) {
  const auto exact = [](double x) { return std::log(x); };
  EXPECT_LE(worst_error<Log>(positive_numbers(1 << 18), exact, larger), 2.5e-7);
  EXPECT_LE(worst_error<Log>(between(0.5, 2.0, 1 << 18), exact, larger), 2.5e-7);
}
TEST(Log, OfTheEndsOfTheLine) {
  expect_values<Log>({0.0f, -0.0f, kInfinity, -1.0f, -kInfinity, NAN, 1.0f},
                     {-kInfinity, -kInfinity, kInfinity, NAN, NAN, NAN, 0.0f});
  EXPECT_LE(worst_error<Log>(
                {0x1p-149f, 0x1.8p-140f, 0x1p-126f}, [](double x) { return std::log(x); }, larger),
            2.5e-7);
}
TEST(Sqrt, IsRoundedToNearest) {
  const std::vector<float> x = positive_numbers(1 << 16);
  std::vector<float> expected;
  for (const float value : x) expected.push_back(std::sqrt(value));
  expect_values<Sqrt>(x, expected);
  expect_values<Sqrt>({0.0f, 1.0f, kInfinity, -1.0f, NAN}, {0.0f, 1.0f, kInfinity, NAN, NAN});
}
TEST(Rsqrt, IsWithinItsBound) {
  const auto exact = [](double x) { return 1 / std::sqrt(x); };
  EXPECT_LE(worst_error<Rsqrt>(positive_numbers(1 << 18), exact, relative), 1.5e-7);
  expect_values<Rsqrt>({0.0f, 4.0f, kInfinity, -1.0f, NAN}, {kInfinity, 0.5f, 0.0f, NAN, NAN});
}
TEST(Tanh, IsWithinItsBound) {
  EXPECT_LE(worst_error<Tanh>(
                between(-12.0, 12.0, 1 << 19), [](double x) { return std::tanh(x); }, absolute),
            2.5e-7);
  expect_values<Tanh>({-kInfinity, -100.0f, 0.0f, 100.0f, kInfinity, NAN},
                      {-1.0f, -1.0f, 0.0f, 1.0f, 1.0f, NAN});
}
TEST(Abs, TakesTheSignAway) {
  expect_values<Abs>({-1.5f, 1.5f, -0.0f, -kInfinity, NAN, -0x1p-149f},
                     {1.5f, 1.5f, 0.0f, kInfinity, NAN, 0x1p-149f});
}

/// Angles as a rotary embedding has them, position times frequency for positions up to a million, and all others.
std::vector<float> angles() {
  std::vector<float> x = between(-10.0, 10.0, 1 << 18);
  std::mt19937 random(7);
  for (int i = 0; i < 1 << 17; ++i) {
    const double frequency = std::pow(10000.0, -static_cast<double>(random() % 64) / 64.0);
    x.push_back(static_cast<float>(static_cast<double>(random() % (1 << 20)) * frequency));
  }
  for (int i = 1; i < 1 << 14; ++i) x.push_back(static_cast<float>(i * 1.5707963267948966));  // near the zeros
  for (const float value : positive_numbers(1 << 14)) x.push_back(value);
  for (const float value : {0x1p27f, 134217736.0f, -0x1p27f, -1e9f, 1e20f, 3.4e38f}) x.push_back(value);
  return x;
}
TEST(Sin, IsWithinItsBoundForAnyAngle) {
  EXPECT_LE(worst_error<Sin>(angles(), [](double x) { return std::sin(x); }, absolute), 1.5e-7);
  expect_values<Sin>({0.0f, kInfinity, -kInfinity, NAN}, {0.0f, NAN, NAN, NAN});
}
TEST(Cos, IsWithinItsBoundForAnyAngle) {
  EXPECT_LE(worst_error<Cos>(angles(), [](double x) { return std::cos(x); }, absolute), 1.5e-7);
  expect_values<Cos>({0.0f, kInfinity, -kInfinity, NAN}, {1.0f, NAN, NAN, NAN});
}

/// Conditions and assignments as C++ spells them.
struct Spelling {
  template <class X>
  FT_FUNCTION auto operator()(X x) const {
    auto y = x;
    y += 1.0f;
    y *= 2.0f;
    y -= 0.5f;
    y /= 4.0f;
    return select(y, 100.0f, (x > -1.0f && x < 1.0f) || x == 3.0f);
  }
};
TEST(Words, MayUseLogicalOperatorsAndCompoundAssignment) {
  std::vector<float> x, expected;
  for (int i = -64; i <= 64; ++i) {
    x.push_back(static_cast<float>(i) / 16.0f);
    expected.push_back((x.back() > -1.0f && x.back() < 1.0f) || x.back() == 3.0f
                           ? 100.0f
                           : ((x.back() + 1.0f) * 2.0f - 0.5f) / 4.0f);
  }
  expect_values<Spelling>(x, expected);
}

/// Everything else that a map's lambda may write: vectors with vectors and with single values, masks.
struct Words {
  template <class X>
  FT_FUNCTION auto operator()(X x) const {
    const auto larger = max(x, 0.5f);
    const auto smaller = min(larger, 2.0f);
    const auto line = fma(smaller, 2.0f, -x) / 4.0f + 1.0f - x * 0.25f;
    const auto odd = (x != x) | ((x > -1.0f) & (x <= 0.25f)) | (x == 3.0f);
    return select(select(line, -line, x < -2.0f), 100.0f, odd);
  }
};

TEST(Words, MeanTheSameOnVectorsAsOnSingleValues) {
  std::vector<float> x;
  for (int i = -64; i < 64; ++i) x.push_back(static_cast<float>(i) / 16.0f);
  x.push_back(NAN);
  const Applied found = apply<Words>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float smaller = std::min(std::max(x[i], 0.5f), 2.0f);
    const float line = std::fma(smaller, 2.0f, -x[i]) / 4.0f + 1.0f - x[i] * 0.25f;
    const bool odd = std::isnan(x[i]) || (x[i] > -1.0f && x[i] <= 0.25f) || x[i] == 3.0f;
    const float expected = odd ? 100.0f : x[i] < -2.0f ? -line : line;
    EXPECT_EQ(found.tile[i], expected) << x[i];
    EXPECT_EQ(found.single[i], expected) << x[i];
  }
}

}  // namespace
}  // namespace flashtile::test
