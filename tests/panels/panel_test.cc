// Panel products against a float64 oracle: every number of rows and registers, both modes, strides, lengths
// that do not fill a step or a tile, and what packs and stages their operands.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "flashtile/primitives.h"
#include "flashtile/primitives/cpu/engine/panel_operands.h"

#if defined(FT_AMX) && !defined(FLASHTILE_EMULATE_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace flashtile::test {
namespace {

using namespace primitives;
using panel::kVectors;
using panel::kWidth;
using panel::Mode;
using panel::Operand;
using primitives::kLanes;

/// Scratch aligned to cache lines, all NaN or, as integers, far from 0.
template <class E>
std::shared_ptr<E[]> scratch(std::size_t count) {
  auto* memory = static_cast<E*>(std::aligned_alloc(64, (count * 4 + 63) / 64 * 64));
  const float nan = __builtin_nanf("");
  for (std::size_t i = 0; i < count; ++i) std::memcpy(memory + i, &nan, sizeof nan);
  return {memory, [](E* p) { std::free(p); }};
}

template <class T>
std::vector<T> random_values(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> whole(-120, 120);
  std::vector<T> values;
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<T, std::int8_t>)
      values.push_back(static_cast<T>(whole(generator)));
    else
      values.push_back(T(static_cast<float>(whole(generator)) / 64.0f));  // exact in every type
  }
  return values;
}

/// R (rows, k) as one product meets it; staged where it cannot be read in place, or turned where `across`.
template <class T>
struct Right {
  std::vector<T> values;
  std::shared_ptr<Word[]> staged;
  panel::RightRows rows;

  Right(int count, int k, bool across) : values(random_values<T>(static_cast<std::size_t>(count) * k, 1)) {
    constexpr int kPer = Operand<T>::kPerStep;
    const int stride = panel::rounded_up(across ? count : panel::steps_of<T>(k), kLanes);
    staged = scratch<Word>(static_cast<std::size_t>(stride) * (across ? panel::steps_of<T>(k) : count));
    if (across) {  // values are (k, rows)
      for (int i = 0; i < k; i += kPer) {
        panel::stage_across(staged.get() + i / kPer * stride, values.data() + i * count, count,
                            min(kPer, k - i), count);
      }
      rows = {staged.get(), 4, 4 * stride};
    } else if (panel::in_place<T>(k)) {
      rows = {values.data(), static_cast<std::ptrdiff_t>(k * sizeof(T)), 4};
    } else {
      for (int i = 0; i < count; ++i) panel::stage_line(staged.get() + i * stride, values.data() + i * k, k);
      rows = {staged.get(), 4 * stride, 4};
    }
  }
};

template <class T>
void check_product(int rows, int lanes, int k, bool across, Mode mode) {
  SCOPED_TRACE(testing::Message() << rows << " rows, " << lanes << " lanes, k " << k
                                  << (across ? ", across" : "")
                                  << (mode == Mode::accumulate ? ", accumulate" : ""));
  const int steps = panel::steps_of<T>(k), vectors = (lanes + kLanes - 1) / kLanes;
  const Right<T> right(rows, k, across);
  const std::vector<T> left = random_values<T>(static_cast<std::size_t>(lanes) * k, 2);  // (lanes, k)
  const auto packed = scratch<Word>(static_cast<std::size_t>(steps) * kWidth);
  const auto staged = scratch<Word>(static_cast<std::size_t>(kLanes) * panel::rounded_up(steps, kLanes));
  panel::pack_lines<T>(
      packed.get(), [&](int m) { return left.data() + m * k; }, lanes, vectors, k, staged.get());

  using Step = typename Operand<T>::Step;
  const panel::Session<Step> session;
  const auto sums = scratch<float>(static_cast<std::size_t>(rows + 1) * kWidth);
  const auto integer = [](float& x) -> std::int32_t& { return reinterpret_cast<std::int32_t&>(x); };
  constexpr bool kInteger = std::is_same_v<T, std::int8_t>;
  if (mode == Mode::accumulate) {
    for (int i = 0; i < rows * kWidth; ++i) {
      if (kInteger)
        integer(sums[i]) = 3;
      else
        sums[i] = 3.0f;
    }
    panel::multiply<Step, Mode::accumulate>(sums.get(), right.rows, packed.get(), rows, steps, vectors);
  } else {
    panel::multiply<Step, Mode::overwrite>(sums.get(), right.rows, packed.get(), rows, steps, vectors);
  }
  for (int n = 0; n < rows; ++n) {
    for (int m = 0; m < lanes; ++m) {
      double exact = mode == Mode::accumulate ? 3.0 : 0.0, size = exact, too_much = 0;
      for (int d = 0; d < k; ++d) {
        const double r =
            static_cast<double>(right.values[static_cast<std::size_t>(across ? d * rows + n : n * k + d)]);
        const double l = static_cast<double>(left[static_cast<std::size_t>(m * k + d)]);
        exact += r * l;
        size += std::fabs(r * l);
        too_much += 128.0 * l;  // what Int8QuadStep documents
      }
      float& found = sums[n * kWidth + m];
      if (kInteger)
        ASSERT_EQ(integer(found), exact + too_much) << "row " << n << " lane " << m;
      else
        ASSERT_NEAR(found, exact, (k + 1) * 0x1p-24 * size) << "row " << n << " lane " << m;
    }
  }
  for (int m = 0; m < kWidth; ++m)
    ASSERT_TRUE(std::isnan(sums[rows * kWidth + m])) << "wrote past the last row";
}

template <class T>
class PanelProduct : public testing::Test {
 protected:
  void SetUp() override {
#if defined(FT_AMX) && !defined(FLASHTILE_EMULATE_AMX)
    if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) GTEST_SKIP() << "the operating system refuses tiles";
#endif
  }
};
#if defined(__AVX512VNNI__)
using Types = testing::Types<float, half, bfloat, std::int8_t>;
#else
using Types = testing::Types<float, half, bfloat>;
#endif
TYPED_TEST_SUITE(PanelProduct, Types);

TYPED_TEST(PanelProduct, AnyNumberOfRowsAndLanes) {
  for (int rows = 1; rows <= 35; ++rows) {
    for (int lanes : {1, kLanes, kWidth - 1, kWidth})
      check_product<TypeParam>(rows, lanes, 64, false, Mode::overwrite);
  }
  for (int vectors = 1; vectors <= kVectors; ++vectors) {
    check_product<TypeParam>(50, vectors * kLanes, 64, false, Mode::accumulate);
  }
}

TYPED_TEST(PanelProduct, AnyDepth) {
  for (int k : {1, 2, 3, 31, 32, 33, 34, 63, 65, 80, 128, 130}) {
    for (const Mode mode : {Mode::overwrite, Mode::accumulate}) {
      check_product<TypeParam>(17, kWidth, k, false, mode);
      check_product<TypeParam>(33, 5, k, true, mode);
    }
  }
}

#if defined(FT_AMX)

class TileProduct : public PanelProduct<float> {};

TEST_F(TileProduct, ThreeBfloatsHoldAnyFloat) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> exponent(-99, 39);
  std::uniform_real_distribution<float> mantissa(1.0f, 2.0f);
  for (int i = 0; i < 1000; ++i) {
    const float x = std::ldexp(i % 2 ? mantissa(random) : -mantissa(random), exponent(random));
    floats parts[3];
    panel::split_floats(floats(x), parts);
    double sum = 0;
    for (const floats& part : parts) {
      alignas(64) float lanes[kLanes];
      part.store(lanes);
      EXPECT_EQ(static_cast<float>(bfloat(lanes[0])), lanes[0]) << "a part of " << x << " is no bfloat";
      sum += static_cast<double>(lanes[0]);
    }
    EXPECT_EQ(sum, static_cast<double>(x));
  }
}

/// Six products of bfloats are one of float32, the rows of R an odd number of tiles.
TEST_F(TileProduct, SumsOfBfloatsMultiplyAsFloats) {
  constexpr int kRows = 48, kWidthHere = panel::kTileLanes, kSteps = 32, kDepth = 2 * kSteps, kParts = 3;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> right(kRows * kDepth), left(kWidthHere * kDepth);
  for (float& x : right) x = normal(random);
  for (float& x : left) x = normal(random);
  const auto parts_of = [](float x, auto put) {
    floats parts[kParts];
    panel::split_floats(floats(x), parts);
    for (int i = 0; i < kParts; ++i) {
      alignas(64) float lanes[kLanes];
      parts[i].store(lanes);
      put(i, bfloat(lanes[0]));
    }
  };
  const auto r = scratch<Word>(kParts * kRows * kSteps), l = scratch<Word>(kParts * kSteps * kWidthHere);
  const auto r_pairs = reinterpret_cast<bfloat*>(r.get()), l_pairs = reinterpret_cast<bfloat*>(l.get());
  for (int n = 0; n < kRows; ++n) {
    for (int k = 0; k < kDepth; ++k)
      parts_of(right[n * kDepth + k], [&](int i, bfloat x) { r_pairs[(i * kRows + n) * kDepth + k] = x; });
  }
  for (int m = 0; m < kWidthHere; ++m) {
    for (int k = 0; k < kDepth; ++k) {
      parts_of(left[m * kDepth + k],
               [&](int i, bfloat x) { l_pairs[((i * kSteps + k / 2) * kWidthHere + m) * 2 + k % 2] = x; });
    }
  }
  const auto sums = scratch<float>(kRows * kWidthHere);
  std::fill_n(sums.get(), kRows * kWidthHere, 3.0f);
  const panel::Session<panel::AmxPairStep> session;
  int beside = 0;
  using Six = panel::Split<kParts, kParts>;
  panel::multiply_tiles<Mode::accumulate, kWidthHere, Six>(
      sums.get(), {r.get(), 4 * kSteps, 4}, l.get(), kRows, kSteps, [&] { ++beside; }, kRows * kSteps,
      kSteps * kWidthHere);
  EXPECT_EQ(beside, panel::tile_products<Six>(kRows, kSteps));
  for (int n = 0; n < kRows; ++n) {
    for (int m = 0; m < kWidthHere; ++m) {
      double exact = 3.0, size = 3.0;
      for (int k = 0; k < kDepth; ++k) {
        const double product =
            static_cast<double>(right[n * kDepth + k]) * static_cast<double>(left[m * kDepth + k]);
        exact += product;
        size += std::fabs(product);
      }
      ASSERT_NEAR(sums[n * kWidthHere + m], exact, 16 * 0x1p-24 * size) << "row " << n << " lane " << m;
    }
  }
}

/// Rows of R an odd number of tiles, its depth no whole number of them.
template <class T>
void check_byte_tiles() {
  using Step = typename Operand<T>::Step;
  constexpr int kRows = 48, kDepth = 150, kSteps = 48, kLanesHere = panel::kTileLanes, kPitch = 50 * kLanes;
  std::mt19937 random(11);
  std::uniform_int_distribution<int> any(std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
  std::vector<T> right(kRows * kDepth), left(kDepth * kLanesHere);
  for (T& x : right) x = static_cast<T>(any(random));
  for (T& x : left) x = static_cast<T>(any(random));
  const auto r = scratch<Word>(kSteps / kLanes * kPitch), l = scratch<Word>(kSteps * kLanesHere);
  for (int n = 0; n < kRows; ++n)
    panel::stage_tile_rows(r.get() + n * kLanes, kPitch, right.data() + n * kDepth, kDepth);
  std::fill_n(l.get(), kSteps * kLanesHere, Word{});
  for (int k = 0; k < kDepth; k += 4) {
    panel::stage_across(l.get() + k / 4 * kLanesHere, left.data() + k * kLanesHere, kLanesHere,
                        min(4, kDepth - k), kLanesHere);
  }
  const auto sums = scratch<float>(kRows * kLanesHere);
  auto* const found = reinterpret_cast<std::int32_t*>(sums.get());
  std::fill_n(found, kRows * kLanesHere, 3);
  const panel::Session<Step> session;
  panel::multiply_tiles<Step, Mode::accumulate, kLanesHere>(sums.get(), {r.get(), 64, kPitch / kLanes * 4},
                                                            l.get(), kRows, kSteps);
  for (int n = 0; n < kRows; ++n) {
    for (int m = 0; m < kLanesHere; ++m) {
      std::int32_t exact = 3;
      for (int k = 0; k < kDepth; ++k) exact += right[n * kDepth + k] * left[k * kLanesHere + m];
      ASSERT_EQ(found[n * kLanesHere + m], exact) << "row " << n << " lane " << m;
    }
  }
}
TEST_F(TileProduct, OfSignedBytesIsExact) { check_byte_tiles<std::int8_t>(); }
TEST_F(TileProduct, OfUnsignedBytesIsExact) { check_byte_tiles<std::uint8_t>(); }

#endif

}  // namespace
}  // namespace flashtile::test
