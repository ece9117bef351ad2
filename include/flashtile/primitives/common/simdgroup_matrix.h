// The part of simdgroup_matrix that is the same text on every backend. Included by each
// backend's simdgroup_matrix.h.
#pragma once

#include <cstdint>

#include "flashtile/dtype.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

template <class T, int Columns, int Rows = Columns>
class simdgroup_matrix;

using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;

/// Where a load or store starts in memory: x elements along its contiguous direction and y
/// rows, whether transposed or not.
struct matrix_origin {
  std::int64_t x = 0, y = 0;
};

/// a b.
template <class T>
FT_FUNCTION simdgroup_matrix<T, 8, 8> operator*(const simdgroup_matrix<T, 8, 8>& a,
                                                const simdgroup_matrix<T, 8, 8>& b) {
  simdgroup_matrix<T, 8, 8> d;
  simdgroup_multiply(d, a, b);
  return d;
}
/// a b + c.
template <class A, class B, class C>
FT_FUNCTION simdgroup_matrix<C, 8, 8> muladd(const simdgroup_matrix<A, 8, 8>& a,
                                             const simdgroup_matrix<B, 8, 8>& b,
                                             const simdgroup_matrix<C, 8, 8>& c) {
  simdgroup_matrix<C, 8, 8> d;
  simdgroup_multiply_accumulate(d, a, b, c);
  return d;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
