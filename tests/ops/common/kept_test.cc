// Kept: each value is made once, and stays with who holds it.
#include "src/ops/common/kept.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

namespace flashtile {
namespace {

TEST(Kept, MakesEachValueOnce) {
  ops::Kept<int, int> squares(2);
  int made = 0;
  const auto square_of = [&](int x) {
    return squares.find(x, [&] {
      ++made;
      return x * x;
    });
  };
  const std::shared_ptr<const int> nine = square_of(3);
  EXPECT_EQ(*nine, 9);
  EXPECT_EQ(square_of(3), nine);
  EXPECT_EQ(*square_of(4), 16);
  EXPECT_EQ(made, 2);
  EXPECT_EQ(*square_of(5), 25) << "the table was full";
  EXPECT_EQ(*nine, 9);
  EXPECT_EQ(*square_of(3), 9);
  EXPECT_EQ(made, 4);
}

TEST(Kept, HoldsNothingOfWhatCannotBeMade) {
  ops::Kept<int, int> values(2);
  EXPECT_THROW(values.find(1, []() -> int { throw std::runtime_error("not yet"); }), std::runtime_error);
  EXPECT_EQ(*values.find(1, [] { return 5; }), 5);
}

}  // namespace
}  // namespace flashtile
