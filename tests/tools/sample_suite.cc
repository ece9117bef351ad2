// A suite with one test of each outcome, for run_suite_test.py; ctest itself never runs it.
#include <gtest/gtest.h>

#include <cstdlib>

TEST(Sample, Passes) {}
TEST(Sample, Fails) { FAIL() << "as it should"; }
TEST(Sample, SkipsAsAllowed) { GTEST_SKIP() << "this CPU has no cpu_avx512"; }
TEST(Sample, SkipsForNoGoodReason) { GTEST_SKIP() << "not today"; }
TEST(Sample, Crashes) { std::abort(); }
