// The exponentials of flash.cpu: their errors are what the bounds of results are made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/ops/attention/kernel/flash_cpu/weights.h"

namespace flashtile::test {
namespace {

using namespace flashtile::kernels::flash_cpu;
using flashtile::kernels::kMinusInfinity;

/// The largest error of f(z), relative to 2^z, over z in [-20, 20).
template <class F>
double worst_error(F f) {
  double worst = 0;
  for (double first = -20; first < 20; first += 0x1p-12 * kLanes) {
    float z[kLanes], result[kLanes];
    for (int i = 0; i < kLanes; ++i) z[i] = static_cast<float>(first + i * 0x1p-12);
    f(floats::load(z)).store(result);
    for (int i = 0; i < kLanes; ++i)
      worst =
          std::max(worst, std::abs(static_cast<double>(result[i]) / std::exp2(static_cast<double>(z[i])) - 1));
  }
  return worst;
}

TEST(Exponential, OfFloatsIsExactToFourUnitsInTheLastPlace) {
  EXPECT_LT(worst_error([](floats z) { return exp2_weight(z); }), 0x1p-22);
}

TEST(Exponential, OfWhatIsMaskedIsZero) {
  float result[kLanes];
  exp2_weight(kMinusInfinity).store(result);
  for (const float x : result) EXPECT_EQ(x, 0.0f);
}

#if defined(FT_AMX)
floats cut_exponential(floats z) { return panel::cut_to_bfloat(exp2_to_cut(z)); }

TEST(Exponential, CutToABfloatIsOffByLessThanRoundingMayBe) {
  const double worst = worst_error(cut_exponential);
  EXPECT_LT(worst, 0x1p-8);
  EXPECT_GT(worst, 0x1p-9);  // else it is no bfloat
}

TEST(Exponential, CutToABfloatKeepsZerosPowersOfTwoAndNoNumbers) {
  float z[kLanes], result[kLanes];
  for (int i = 0; i < kLanes; ++i) z[i] = static_cast<float>(3 * i - 20);
  z[0] = kMinusInfinity;
  z[1] = std::numeric_limits<float>::quiet_NaN();
  cut_exponential(floats::load(z)).store(result);
  EXPECT_EQ(result[0], 0.0f);
  EXPECT_TRUE(std::isnan(result[1]));
  for (int i = 2; i < kLanes; ++i) EXPECT_EQ(result[i], std::exp2(z[i])) << z[i];
}
#endif

}  // namespace
}  // namespace flashtile::test
