// matmul2d against the oracle: tiles that fill the registers of a scope. They take a compiler long.
#include "tests/primitives/matmul2d_check.h"

namespace flashtile::test {
namespace {

TEST(Matmul, LargeTiles) {
  constexpr matmul2d_descriptor kLarge(256, 192, dynamic_length, false, false, false,
                                       mode::multiply_accumulate),
      kWide(16, 256, 256);
  check<half, half, float, kLarge, execution_simdgroups<4>, Where::tile_destination>(300, 200, 300);
  check<float, float, float, kWide, execution_simdgroup, Where::tile_left>(20, 300, 256);
  check<bfloat, bfloat, float, kLarge, execution_simdgroup, Where::tile_destination>(300, 200, 599);
  check<i8, i8, std::int32_t, kLarge, execution_simdgroups<2>, Where::tile_destination>(300, 200, 1027);
}

}  // namespace
}  // namespace flashtile::test
