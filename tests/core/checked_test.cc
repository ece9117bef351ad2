#include "src/core/checked.h"

#include <gtest/gtest.h>

namespace flashtile::inline v0_2::core {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max(),
                       kMin = std::numeric_limits<std::int64_t>::min();

template <class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    return e.what();
  }
  return "no error";
}

TEST(Checked, ProductsAndSumsThatFitAreExact) {
  EXPECT_EQ(checked_multiply(kMax, 1, "x"), kMax);
  EXPECT_EQ(checked_multiply(std::int64_t{1} << 31, std::int64_t{1} << 31, "x"), std::int64_t{1} << 62);
  EXPECT_EQ(checked_add(kMax, kMin, "x"), -1);
}

TEST(Checked, OthersNameWhatOverflowed) {
  EXPECT_EQ(message_of([] { checked_multiply(kMax, 2, "size"); }),
            "size: 9223372036854775807 x 2 does not fit 64 bits");
  EXPECT_EQ(message_of([] { checked_multiply(kMin, -1, "size"); }),
            "size: -9223372036854775808 x -1 does not fit 64 bits");
  EXPECT_EQ(message_of([] { checked_add(kMax, 1, "offset"); }),
            "offset: 9223372036854775807 + 1 does not fit 64 bits");
}

TEST(Checked, NarrowKeepsWhatFits32Bits) {
  EXPECT_EQ(narrow(2147483647, "rows"), 2147483647);
  EXPECT_EQ(narrow(-2147483648LL, "rows"), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(message_of([] { narrow(2147483648LL, "rows"); }),
            "rows is 2147483648; at most 2^31 - 1 is supported");
}

}  // namespace
}  // namespace flashtile::inline v0_2::core
