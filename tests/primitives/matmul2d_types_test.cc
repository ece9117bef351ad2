// matmul2d against the oracle: every row of the type table. Apart from the other tests of matmul2d, since it
// takes a compiler as long as all of them.
#include "tests/primitives/matmul2d_check.h"

namespace flashtile::test {
namespace {

template <class L, class R, class D>
struct Row {
  using Left = L;
  using Right = R;
  using Destination = D;
};

template <class R>
class MatmulTypes : public testing::Test {};
using Table = testing::Types<
    Row<half, half, half>, Row<half, half, float>, Row<half, i8, half>, Row<half, i8, float>,
    Row<half, u8, half>, Row<half, u8, float>, Row<i8, half, half>, Row<i8, half, float>, Row<u8, half, half>,
    Row<u8, half, float>, Row<half, float, float>, Row<float, half, float>, Row<float, float, float>,
    Row<float, i8, float>, Row<float, u8, float>, Row<i8, float, float>, Row<u8, float, float>,
    Row<i8, i8, std::int32_t>, Row<u8, u8, std::int32_t>, Row<bfloat, bfloat, bfloat>,
    Row<bfloat, bfloat, float>, Row<bfloat, float, float>, Row<float, bfloat, float>, Row<bfloat, i8, bfloat>,
    Row<bfloat, i8, float>, Row<bfloat, u8, bfloat>, Row<bfloat, u8, float>, Row<i8, bfloat, bfloat>,
    Row<i8, bfloat, float>, Row<u8, bfloat, bfloat>, Row<u8, bfloat, float>, Row<bfloat, half, bfloat>,
    Row<bfloat, half, half>, Row<bfloat, half, float>, Row<half, bfloat, bfloat>, Row<half, bfloat, half>,
    Row<half, bfloat, float>, Row<half, i4, half>, Row<half, i4, float>, Row<half, u4, half>,
    Row<half, u4, float>, Row<bfloat, i4, bfloat>, Row<bfloat, i4, float>, Row<bfloat, u4, bfloat>,
    Row<bfloat, u4, float>, Row<i8, i4, std::int32_t>, Row<u8, u4, std::int32_t>>;
TYPED_TEST_SUITE(MatmulTypes, Table);

// Two products a row: transposed operands added to D, ragged on all sides, and a fresh D of whole tiles. What does not depend on
// the row is for the other tests: the other transposes, edges and kinds of tiles.
TYPED_TEST(MatmulTypes, AgreeWithTheOracleOnTensors) {
  constexpr matmul2d_descriptor kTurned(16, 32, dynamic_length, true, true, false, mode::multiply_accumulate);
  check<typename TypeParam::Left, typename TypeParam::Right, typename TypeParam::Destination, kTurned,
        execution_simdgroup, Where::tensors>(21, 45, 150);
}

TYPED_TEST(MatmulTypes, AgreeWithTheOracleOnTiles) {
  constexpr matmul2d_descriptor kWhole(16, 32, 32);
  check<typename TypeParam::Left, typename TypeParam::Right, typename TypeParam::Destination, kWhole,
        execution_simdgroup, Where::tile_both>(30, 40, 32);
}

}  // namespace
}  // namespace flashtile::test
