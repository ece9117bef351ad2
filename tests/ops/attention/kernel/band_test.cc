#include "src/ops/attention/kernel/band.h"

#include <gtest/gtest.h>

#include <vector>

namespace flashtile::inline v0_2::kernels {
namespace {

/// Bands with every pair of limits, open ones too.
std::vector<Band> bands() {
  std::vector<Band> all;
  for (std::int64_t low = -10; low <= 9; ++low) {
    for (std::int64_t high = -9; high <= 10; ++high)
      all.emplace_back(low == -10 ? -Band::kOpen : low, high == 10 ? Band::kOpen : high);
  }
  return all;
}

TEST(Band, RangesAgreeWithEachPair) {
  for (const Band& band : bands()) {
    for (std::int32_t length = 0; length <= 8; ++length) {
      for (std::int64_t first = 0; first < 8; ++first) {
        for (std::int64_t last = first; last < 8; ++last) {
          const KeyRange keys = band.keys(first, last, length);
          ASSERT_LE(0, keys.begin);
          ASSERT_LE(keys.begin, keys.end);
          ASSERT_LE(keys.end, length);
          for (std::int32_t j = 0; j < length; ++j) {
            bool anyone = false, everyone = true;
            for (std::int64_t i = first; i <= last; ++i) {
              anyone |= band.visible(i, j);
              everyone &= band.visible(i, j);
            }
            ASSERT_TRUE(!anyone || (keys.begin <= j && j < keys.end));
            ASSERT_EQ(everyone, keys.all_see(j, 1));
          }
        }
      }
    }
  }
}

TEST(Band, ATileSeesWhatTheBandSees) {
  for (const Band& band : bands()) {
    for (const std::int64_t row : {0, 3, 7}) {
      for (const std::int64_t column : {0, 5}) {
        const TileBand tile = band.tile(row, column, 8);
        for (int r = 0; r < 4; ++r) {
          for (int c = 0; c < 6; ++c) {
            const bool expected = column + c < 8 && band.visible(row + r, column + c);
            ASSERT_EQ(tile.visible(r, c), expected);
          }
        }
      }
    }
  }
}

TEST(Band, KnowsWhetherItHidesAPair) {
  for (const Band& band : bands()) {
    for (std::int32_t lq = 0; lq <= 4; ++lq) {
      for (std::int32_t lkv = 0; lkv <= 4; ++lkv) {
        bool hidden = false;
        for (std::int64_t i = 0; i < lq; ++i) {
          for (std::int64_t j = 0; j < lkv; ++j) hidden |= !band.visible(i, j);
        }
        ASSERT_EQ(band.hides_some(lq, lkv), hidden) << lq << " " << lkv;
      }
    }
  }
}

TEST(Band, OpenHidesNothingAtAnyLength) {
  const Band open;
  EXPECT_TRUE(open.visible(0, (std::int64_t{1} << 30) - 1));
  EXPECT_TRUE(open.visible((std::int64_t{1} << 30) - 1, 0));
  EXPECT_FALSE(open.hides_some(1 << 30, 1 << 30));
  EXPECT_EQ(open.keys(0, 0, 1 << 30).end, 1 << 30);
  EXPECT_TRUE(open.keys(0, (1 << 30) - 1, 1 << 30).all_see(0, 1 << 30));
  EXPECT_TRUE(open.tile((1 << 30) - 1, 0, 1 << 30).visible(255, 0));
}

}  // namespace
}  // namespace flashtile::inline v0_2::kernels
