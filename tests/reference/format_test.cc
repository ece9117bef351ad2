#include "reference/format.h"

#include <gtest/gtest.h>

namespace flashtile::reference {
namespace {

TEST(Format, RoundsByTheDefinition) {
  EXPECT_EQ(kFloat32.round(1.0 + 0x1p-25), 1.0);
  EXPECT_EQ(kFloat32.round(0.1), static_cast<double>(0.1f));
  EXPECT_EQ(kFloat16.round(2049), 2048);
  EXPECT_EQ(kFloat16.round(0x1p-25), 0.0);
  EXPECT_EQ(kFloat16.round(70000), HUGE_VAL);
  EXPECT_EQ(kBfloat16.round(-257), -256);
  EXPECT_EQ(kFloat32.unit(), 0x1p-24);
}

TEST(Format, SpacingIsThatOfTheTypesNumbers) {
  EXPECT_EQ(kFloat32.spacing(1), 0x1p-23);
  EXPECT_EQ(kFloat32.spacing(-3), 0x1p-22);
  EXPECT_EQ(kFloat32.spacing(0), 0x1p-149);
  EXPECT_EQ(kFloat16.spacing(65504), 32);
  EXPECT_EQ(kFloat16.spacing(0x1p-20), 0x1p-24);
  EXPECT_EQ(kBfloat16.spacing(1), 0x1p-7);
}

}  // namespace
}  // namespace flashtile::reference
