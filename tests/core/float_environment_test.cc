// The library's floating-point environment: its own inside, the caller's again outside.
#include "src/core/float_environment.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <limits>

namespace flashtile {
namespace {

// Out of the compiler's sight, which would compute them in advance.
volatile float one = 1.0f, three = 3.0f, zero = 0.0f, smallest = std::numeric_limits<float>::denorm_min();

class FloatEnvironmentOfThread : public ::testing::Test {
 protected:
  void SetUp() override { std::fegetenv(&before); }
  void TearDown() override { std::fesetenv(&before); }
  std::fenv_t before;
};

TEST_F(FloatEnvironmentOfThread, RoundsToNearestAndGivesTheRoundingBack) {
  const float nearest = one / three;
  std::fesetround(FE_UPWARD);
  const float upward = one / three;
  {
    const core::FloatEnvironment environment;
    EXPECT_EQ(one / three, nearest);
  }
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  EXPECT_EQ(one / three, upward);
}

TEST_F(FloatEnvironmentOfThread, LeavesNoFlags) {
  std::feclearexcept(FE_ALL_EXCEPT);
  std::feraiseexcept(FE_OVERFLOW);
  {
    const core::FloatEnvironment environment;
    volatile const float nothing = zero / zero;
    static_cast<void>(nothing);
  }
  EXPECT_EQ(std::fetestexcept(FE_INVALID), 0);
  EXPECT_NE(std::fetestexcept(FE_OVERFLOW), 0);
}

#if defined(__GLIBC__) && defined(__x86_64__)

TEST_F(FloatEnvironmentOfThread, TrapsNothing) {
  feenableexcept(FE_ALL_EXCEPT);
  {
    const core::FloatEnvironment environment;
    volatile const float nothing = zero / zero;
    EXPECT_NE(nothing, nothing);
  }
  EXPECT_EQ(fegetexcept(), FE_ALL_EXCEPT);
  fedisableexcept(FE_ALL_EXCEPT);
}

TEST_F(FloatEnvironmentOfThread, KeepsDenormals) {
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | kFlushToZero | kDenormalsAreZero);
  {
    const core::FloatEnvironment environment;
    EXPECT_EQ(smallest * three, 3 * std::numeric_limits<float>::denorm_min());
  }
  const volatile float flushed = smallest * three;
  EXPECT_EQ(__builtin_ia32_stmxcsr() & (kFlushToZero | kDenormalsAreZero), kFlushToZero | kDenormalsAreZero);
  __builtin_ia32_ldmxcsr(0x1f80);
  EXPECT_EQ(flushed, 0.0f);
}

TEST_F(FloatEnvironmentOfThread, TakesSubnormalsForZeroWhereItIsTold) {
  EXPECT_EQ(core::FloatEnvironment::subnormals(), core::Subnormals::themselves);
  {
    const core::FloatEnvironment environment(core::Subnormals::zero);
    EXPECT_EQ(core::FloatEnvironment::subnormals(), core::Subnormals::zero);
    EXPECT_EQ(smallest * three, 0.0f);
    {
      const core::FloatEnvironment inner;
      EXPECT_EQ(core::FloatEnvironment::subnormals(), core::Subnormals::themselves);
      EXPECT_EQ(smallest * three, 3 * std::numeric_limits<float>::denorm_min());
    }
    EXPECT_EQ(core::FloatEnvironment::subnormals(), core::Subnormals::zero);
    EXPECT_EQ(smallest * three, 0.0f);
  }
  EXPECT_EQ(core::FloatEnvironment::subnormals(), core::Subnormals::themselves);
  EXPECT_EQ(smallest * three, 3 * std::numeric_limits<float>::denorm_min());
}

#endif

}  // namespace
}  // namespace flashtile
