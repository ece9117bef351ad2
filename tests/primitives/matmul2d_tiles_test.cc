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

}  // namespace
}  // namespace flashtile::test
