#include "src/ops/attention/key_parts.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace flashtile::inline v0_2::ops {
namespace {

constexpr int kBlock = 64;
constexpr std::int64_t kGpu = 264;  // two threadgroups on each of 132 units

TEST(KeyPartsOf, FewTilesFillTheGpu) {
  for (const std::int64_t tiles : {1, 2, 8, 100}) {
    const std::int64_t groups = tiles * best_parts(tiles, 32768, kBlock, kGpu);
    EXPECT_GE(groups, kGpu * 3 / 4) << tiles;
    EXPECT_LE(groups, 2 * kGpu) << tiles;
  }
}

TEST(KeyPartsOf, ManyTilesStayWhole) {
  for (const std::int64_t tiles : {kGpu, 2 * kGpu, 20 * kGpu + 1})
    EXPECT_EQ(best_parts(tiles, 4096, kBlock, kGpu), 1) << tiles;
}

TEST(KeyPartsOf, FewKeysStayTogether) {
  for (const std::int64_t keys : {0, 1, 64, 65, 256}) EXPECT_EQ(best_parts(1, keys, kBlock, kGpu), 1) << keys;
  EXPECT_LE(best_parts(1, 5000, kBlock, kGpu), (5000 + kBlock - 1) / kBlock);
}

TEST(KeyPartsOf, NoPartIsTooLongForItsSums) {
  constexpr std::int64_t kLongest = 65536, kTiles = 1 << 20;
  EXPECT_EQ(best_parts(kTiles, kLongest - 1, kBlock, kGpu), 1);
  EXPECT_EQ(best_parts(kTiles, kLongest, kBlock, kGpu), 1);
  EXPECT_EQ(best_parts(kTiles, kLongest + 1, kBlock, kGpu), 2);
  EXPECT_EQ(best_parts(kTiles, 2 * kLongest + 1, kBlock, kGpu), 3);
  EXPECT_GE(best_parts(1, std::int64_t{1} << 30, kBlock, 1), 1 << 14);
}

TEST(KeyPartsOf, WhatIsEmptyIsOnePart) {
  EXPECT_EQ(best_parts(0, 0, kBlock, kGpu), 1);
  EXPECT_EQ(best_parts(0, 1 << 20, kBlock, 1), 16);
}

TEST(EvenSharesOf, HoldAllBlocksAndNoLongChain) {
  for (const std::int64_t tiles : {1, 8, 128, 512, 100000}) {
    for (const std::int64_t blocks : {1, 2, 3, 17, 512, 1024, 1025, 100000}) {
      const EvenShares shares = even_shares(tiles, blocks, kBlock, kGpu);
      EXPECT_GE(shares.blocks * shares.count, tiles * blocks);
      EXPECT_LT(shares.blocks * (shares.count - 1), tiles * blocks);
      EXPECT_LE(shares.blocks * kBlock, std::int64_t{1} << 16);
      EXPECT_TRUE(shares.count <= kGpu || shares.blocks * kBlock == std::int64_t{1} << 16)
          << tiles << " " << blocks;
      // However a tile lies, it begins at most that late in a share.
      EXPECT_EQ(shares.most_parts, (shares.blocks - 1 + blocks + shares.blocks - 1) / shares.blocks);
      EXPECT_GE(shares.numbers(tiles), tiles + shares.count - 1);
    }
  }
  EXPECT_EQ(even_shares(0, 1, kBlock, kGpu).count, 0);
}

}  // namespace
}  // namespace flashtile::inline v0_2::ops
