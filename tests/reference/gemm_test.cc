#include "reference/gemm.h"

#include <gtest/gtest.h>

#include <vector>

namespace flashtile::reference {
namespace {

TEST(GemmOracle, AddsWhatItSays) {
  const std::vector<double> a = {1, -2, 3, 4}, b = {5, 6, 7, 8}, c = {10, 10, 10, 10};
  const Array2 a_view{a.data(), {2, 1}}, b_view{b.data(), {2, 1}}, c_view{c.data(), {2, 1}};
  const GemmElement e = gemm_element(a_view, b_view, c_view, 2, 2.0, 0.5, 0, 1);
  EXPECT_EQ(e.value, 2 * (6 - 16) + 5);
  EXPECT_EQ(e.magnitude, 2 * (6 + 16) + 5);
  EXPECT_EQ(gemm_element(a_view, b_view, {}, 2, 1.0, 0.0, 1, 0).value, 43);
  EXPECT_EQ(wrapped(4294967296.0 + 5), 5);
  EXPECT_EQ(wrapped(2147483648.0), -2147483648.0);
  EXPECT_EQ(wrapped(-1), -1);
}

}  // namespace
}  // namespace flashtile::reference
