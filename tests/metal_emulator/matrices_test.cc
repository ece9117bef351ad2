// simdgroup_matrix: addresses, lanes, constructors, products.
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <random>

#include "flashtile/dtype.h"
#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

Module& module() { return module_of("matrices"); }

template <class T>
struct TypeName;
template <>
struct TypeName<half> {
  static constexpr const char* value = "half";
};
template <>
struct TypeName<bfloat> {
  static constexpr const char* value = "bfloat";
};
template <>
struct TypeName<float> {
  static constexpr const char* value = "float";
};

template <class T>
std::vector<T> counted(std::size_t size) {
  std::vector<T> values;
  for (std::size_t i = 0; i < size; ++i) values.push_back(T(static_cast<float>(i % 251)));
  return values;
}

template <class T>
class Matrices : public testing::Test {};
using Types = testing::Types<half, bfloat, float>;
TYPED_TEST_SUITE(Matrices, Types);

TYPED_TEST(Matrices, LoadAndStoreAtOriginsInMemorysCoordinates) {
  // (from x, from y, to x, to y); M(r, c) is at (y + r, x + c), turned at (y + c, x + r).
  std::vector<TypeParam> in = counted<TypeParam>(24 * 24);
  for (const auto& [fx, fy, tx, ty] : {std::array{0, 0, 0, 0}, {4, 2, 3, 5}, {16, 16, 1, 0}}) {
    for (int turned = 0; turned < 4; ++turned) {
      std::vector<TypeParam> out(24 * 24, TypeParam(-1.0f));
      std::vector<std::int32_t> origins{fx, fy, tx, ty}, flags{turned & 1, turned >> 1};
      module().run(
          {.kernel = std::string("copy_") + TypeName<TypeParam>::value,
           .buffers = {{0, bytes_of(in)}, {1, bytes_of(out)}, {2, bytes_of(origins)}, {3, bytes_of(flags)}},
           .threads = {32}});
      for (int r = 0; r < 24; ++r) {
        for (int c = 0; c < 24; ++c) {
          float expected = -1;
          const int y = r - ty, x = c - tx;
          if (y >= 0 && y < 8 && x >= 0 && x < 8) {
            const bool swaps = flags[0] != flags[1];
            expected = static_cast<float>(
                in[static_cast<std::size_t>((fy + (swaps ? x : y)) * 24 + fx + (swaps ? y : x))]);
          }
          ASSERT_EQ(static_cast<float>(out[static_cast<std::size_t>(r * 24 + c)]), expected)
              << r << ", " << c << ", turned " << turned;
        }
      }
    }
  }
}

TYPED_TEST(Matrices, SpreadOverLanesInApplesMap) {
  std::vector<TypeParam> numbers = counted<TypeParam>(64), held(64), made(192);
  module().run({.kernel = std::string("lanes_") + TypeName<TypeParam>::value,
                .buffers = {{0, bytes_of(numbers)}, {1, bytes_of(held)}, {2, bytes_of(made)}},
                .threads = {32}});
  // The lane that holds columns 0-1, 2-3, 4-5, 6-7 of each row.
  const int table[8][4] = {{0, 1, 8, 9},     {2, 3, 10, 11},   {4, 5, 12, 13},   {6, 7, 14, 15},
                           {16, 17, 24, 25}, {18, 19, 26, 27}, {20, 21, 28, 29}, {22, 23, 30, 31}};
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) {
      const auto lane = static_cast<std::size_t>(table[row][column / 2]);
      const auto at = static_cast<std::size_t>(8 * row + column);
      const std::size_t turned = static_cast<std::size_t>(8 * column + row);
      ASSERT_EQ(static_cast<float>(held[2 * lane + at % 2]), static_cast<float>(numbers[at]));
      ASSERT_EQ(static_cast<float>(made[at]), row == column ? 3.0f : 0.0f);
      ASSERT_EQ(static_cast<float>(made[64 + at]), 5.0f);
      ASSERT_EQ(static_cast<float>(made[128 + turned]), column % 2 == 0 ? static_cast<float>(lane) : 7.0f);
    }
  }
}

template <class T>
std::vector<T> random_values(unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<T> values;
  for (int i = 0; i < 64; ++i) values.push_back(T(normal(engine)));
  return values;
}

/// Bit for bit: a chain of fused multiply-adds in float32, k ascending, rounded once.
template <class D, class A, class B, class C>
void expect_products(const char* name) {
  std::vector<A> a = random_values<A>(1);
  std::vector<B> b = random_values<B>(2);
  std::vector<C> c = random_values<C>(3);
  std::vector<D> d(128);
  module().run({.kernel = name,
                .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(c)}, {3, bytes_of(d)}},
                .threads = {32}});
  for (std::size_t i = 0; i < 128; ++i) {
    const std::size_t row = i % 64 / 8, column = i % 8;
    float sum = i < 64 ? static_cast<float>(c[i]) : 0.0f;
    for (std::size_t k = 0; k < 8; ++k)
      sum = std::fma(static_cast<float>(a[8 * row + k]), static_cast<float>(b[8 * k + column]), sum);
    ASSERT_EQ(static_cast<float>(d[i]), static_cast<float>(D(sum))) << name << ", " << i;
  }
}

TEST(MatrixProducts, TakeFourTypes) {
  expect_products<float, float, float, float>("multiply_float_float_float_float");
  expect_products<float, half, half, float>("multiply_float_half_half_float");
  expect_products<float, bfloat, bfloat, float>("multiply_float_bfloat_bfloat_float");
  expect_products<float, float, half, float>("multiply_float_float_half_float");
  expect_products<half, float, bfloat, half>("multiply_half_float_bfloat_half");
  expect_products<half, half, half, half>("multiply_half_half_half_half");
  expect_products<bfloat, bfloat, bfloat, bfloat>("multiply_bfloat_bfloat_bfloat_bfloat");
}

TEST(MatrixProducts, HaveAnOperatorAndAccumulateInPlace) {
  std::vector<float> a = random_values<float>(4), b = random_values<float>(5), d(64);
  module().run({.kernel = "by_operator",
                .buffers = {{0, bytes_of(a)}, {1, bytes_of(b)}, {2, bytes_of(d)}},
                .threads = {32}});
  for (std::size_t i = 0; i < 64; ++i) {
    float sum = 0;
    for (std::size_t k = 0; k < 16; ++k) sum = std::fma(a[i / 8 * 8 + k % 8], b[8 * (k % 8) + i % 8], sum);
    ASSERT_EQ(d[i], sum);
  }
}

TEST(MatrixProducts, LetLanesReduceRowsAndColumns) {
  std::vector<float> a = counted<float>(64), rows(32), columns(64);
  module().run({.kernel = "row_and_column_sums",
                .buffers = {{0, bytes_of(a)}, {1, bytes_of(rows)}, {2, bytes_of(columns)}},
                .threads = {32}});
  for (std::size_t lane = 0; lane < 32; ++lane) {
    const std::size_t row = (lane / 4 & 4) + lane / 2 % 4, column = (lane / 4 & 2) * 2 + lane % 2 * 2;
    ASSERT_EQ(rows[lane], 64 * static_cast<float>(row) + 28);
    ASSERT_EQ(columns[2 * lane], 224 + 8 * static_cast<float>(column));
    ASSERT_EQ(columns[2 * lane + 1], 224 + 8 * static_cast<float>(column + 1));
  }
}

}  // namespace
}  // namespace flashtile::metal_emulator
