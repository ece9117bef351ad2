#include "src/ops/attention/kernel/mask.h"

#include <gtest/gtest.h>

namespace flashtile::kernels {
namespace {

TEST(BandMask, RangesAgreeWithEachPair) {
  for (std::int64_t offset = -9; offset <= 9; ++offset) {
    const BandMask band{offset};
    for (std::int32_t length = 0; length <= 8; ++length) {
      for (std::int64_t first = 0; first < 8; ++first) {
        for (std::int64_t last = first; last < 8; ++last) {
          const KeyRange keys = band.keys(first, last, length);
          for (std::int64_t j = 0; j < length; ++j) {
            bool anyone = false, everyone = true;
            for (std::int64_t i = first; i <= last; ++i) {
              anyone |= band.visible(i, j);
              everyone &= band.visible(i, j);
            }
            EXPECT_EQ(anyone, keys.begin <= j && j < keys.end);
            EXPECT_EQ(everyone, keys.whole_begin <= j && j < keys.whole_end);
          }
        }
      }
    }
  }
}

TEST(BandMask, KnowsWhetherItHidesAPair) {
  for (std::int64_t offset = -4; offset <= 4; ++offset) {
    for (std::int32_t lq = 0; lq <= 4; ++lq) {
      for (std::int32_t lkv = 0; lkv <= 4; ++lkv) {
        bool hidden = false;
        for (std::int64_t i = 0; i < lq; ++i) {
          for (std::int64_t j = 0; j < lkv; ++j) hidden |= !BandMask{offset}.visible(i, j);
        }
        EXPECT_EQ(BandMask{offset}.hides_some(lq, lkv), hidden) << offset << " " << lq << " " << lkv;
      }
    }
  }
}

TEST(BandMask, OpenHidesNothingAtAnyLength) {
  const BandMask open{BandMask::kOpen};
  EXPECT_TRUE(open.visible(0, (std::int64_t{1} << 30) - 1));
  EXPECT_FALSE(open.hides_some(1 << 30, 1 << 30));
  EXPECT_EQ(open.keys(0, 0, 1 << 30).end, 1 << 30);
}

}  // namespace
}  // namespace flashtile::kernels
