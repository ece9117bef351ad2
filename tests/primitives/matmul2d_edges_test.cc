// matmul2d against the oracle: transposes, modes and scopes at the edges of a matrix.
#include "tests/primitives/matmul2d_check.h"

namespace flashtile::test {
namespace {

template <class L, class R, class D, bool TransposeLeft, bool TransposeRight, mode Mode, class Scope>
void check_edges() {
  constexpr matmul2d_descriptor kDynamic(16, 16, dynamic_length, TransposeLeft, TransposeRight, false, Mode);
  for (const int size : {1, 7, 8, 9, 17, 65}) {
    check<L, R, D, kDynamic, Scope, Where::tensors>(size, 16, 16);
    check<L, R, D, kDynamic, Scope, Where::tensors>(16, size, 9);
    check<L, R, D, kDynamic, Scope, Where::tile_destination>(size, size, size);
    check<L, R, D, kDynamic, Scope, Where::tile_destination>(9, 17, size);
  }
}
template <class L, class R, class D, class Scope>
void check_transposes() {
  check_edges<L, R, D, false, false, mode::multiply, Scope>();
  check_edges<L, R, D, false, true, mode::multiply, Scope>();
  check_edges<L, R, D, true, false, mode::multiply_accumulate, Scope>();
  check_edges<L, R, D, true, true, mode::multiply_accumulate, Scope>();
}

TEST(Matmul, TransposesAndEdgesFloat) { check_transposes<float, float, float, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesHalf) { check_transposes<half, half, half, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesBfloat) { check_transposes<bfloat, bfloat, float, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesUnsigned) { check_transposes<u8, u8, std::int32_t, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesIntegers) { check_transposes<i8, i8, std::int32_t, execution_simdgroup>(); }
TEST(Matmul, TransposesAndEdgesFourSimdgroups) {
  check_transposes<float, float, float, execution_simdgroups<4>>();
}
TEST(Matmul, TransposesAndEdgesThread) { check_transposes<float, float, float, execution_thread>(); }

}  // namespace
}  // namespace flashtile::test
