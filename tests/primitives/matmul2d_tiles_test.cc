// matmul2d against the oracle: operands in cooperative tensors and in stages.
#include "tests/primitives/matmul2d_check.h"

namespace flashtile::test {
namespace {

template <class L, class R, class D, class Scope, Where Kind>
void check_tiles() {
  constexpr matmul2d_descriptor kPlain(64, 48, 40), kRight(64, 48, 40, false, true);
  constexpr matmul2d_descriptor kLeft(64, 48, 40, true, false, false, mode::multiply_accumulate);
  constexpr matmul2d_descriptor kBoth(64, 48, 40, true, true, false, mode::multiply_accumulate);
  check<L, R, D, kPlain, Scope, Kind>(64, 48, 40);
  check<L, R, D, kPlain, Scope, Kind>(71, 50, 40);
  check<L, R, D, kRight, Scope, Kind>(65, 95, 40);
  check<L, R, D, kLeft, Scope, Kind>(1, 49, 40);
  check<L, R, D, kBoth, Scope, Kind>(130, 7, 40);
}

TEST(Matmul, LeftTile) { check_tiles<float, float, float, execution_simdgroup, Where::tile_left>(); }
TEST(Matmul, LeftTileOfFourSimdgroups) {
  check_tiles<half, half, float, execution_simdgroups<4>, Where::tile_left>();
}
TEST(Matmul, BothTiles) { check_tiles<bfloat, bfloat, bfloat, execution_simdgroup, Where::tile_both>(); }
TEST(Matmul, BothTilesOfThreeSimdgroups) {
  check_tiles<float, float, float, execution_simdgroups<3>, Where::tile_both>();
}
TEST(Matmul, StagedRightFloat) { check_tiles<float, float, float, execution_simdgroup, Where::staged_right>(); }
TEST(Matmul, StagedRightHalf) {
  check_tiles<half, half, float, execution_simdgroups<4>, Where::staged_right>();
}
TEST(Matmul, StagedRightIntegers) {
  check_tiles<i8, i8, std::int32_t, execution_simdgroup, Where::staged_right>();
}
TEST(Matmul, StagedRightMixed) {
  check_tiles<float, u8, float, execution_simdgroups<2>, Where::staged_right>();
}

#if !defined(__CUDACC__)  // the CPU's pairs of bfloats and fours of bytes; nvcc takes minutes for these
TEST(Matmul, LeftTileBfloat) { check_tiles<bfloat, bfloat, float, execution_simdgroup, Where::tile_left>(); }
TEST(Matmul, BothTilesUnsigned) {
  check_tiles<u8, u8, std::int32_t, execution_simdgroups<2>, Where::tile_both>();
}
TEST(Matmul, StagedRightBfloat) {
  check_tiles<bfloat, bfloat, float, execution_simdgroups<2>, Where::staged_right>();
}

/// Stages deeper than K, of more rows than a vector or a panel, and rows that lie 4 KiB apart.
template <class L, class R, class D, class Scope>
void check_stages() {
  constexpr matmul2d_descriptor kPlain(128, 48, 48), kRight(128, 48, 48, false, true);
  constexpr matmul2d_descriptor kLeft(128, 48, 48, true, false, false, mode::multiply_accumulate);
  constexpr matmul2d_descriptor kBoth(128, 48, 48, true, true, false, mode::multiply_accumulate);
  for (const int k : {1, 7, 33, 48}) {
    check<L, R, D, kPlain, Scope, Where::staged_both>(160, 48, k);
    check<L, R, D, kRight, Scope, Where::staged_both>(161, 50, k);
    check<L, R, D, kLeft, Scope, Where::staged_both>(33, 17, k);
    check<L, R, D, kBoth, Scope, Where::staged_both>(95, 40, k);
  }
  constexpr int kApart = 4096 / static_cast<int>(sizeof(R)) - 48;
  check<L, R, D, kPlain, Scope, Where::staged_both>(70, 48, 48, kApart);
  check<L, R, D, kRight, Scope, Where::staged_both>(70, 48, 48, kApart);
}
TEST(Matmul, BothStagedFloat) { check_stages<float, float, float, execution_simdgroup>(); }
TEST(Matmul, BothStagedHalf) { check_stages<half, half, half, execution_simdgroups<2>>(); }
TEST(Matmul, BothStagedBfloat) { check_stages<bfloat, bfloat, bfloat, execution_simdgroup>(); }
TEST(Matmul, BothStagedBfloatOfFourSimdgroups) {
  check_stages<bfloat, bfloat, float, execution_simdgroups<4>>();
}
TEST(Matmul, BothStagedIntegers) { check_stages<i8, i8, std::int32_t, execution_simdgroup>(); }
TEST(Matmul, BothStagedUnsigned) { check_stages<u8, u8, std::int32_t, execution_simdgroups<4>>(); }
#endif

}  // namespace
}  // namespace flashtile::test
