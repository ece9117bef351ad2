// Is the order in which a GPU spreads an 8x8 matrix over its lanes the one that primitives/metal/simdgroup_matrix.h relies on? A kernel
// answers, since no document does: the way `simdgroup` is declined where it is another. The kernel for Metal, and its parameters.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::metal_tiles {

struct MatrixMapParams {
  FT_DEVICE const float* numbers;  ///< 64: element (r, c) of the matrix at 8 r + c
  FT_DEVICE uint32_t* holds;       ///< 1 where each lane holds the elements 8 r + c that are expected of it
};

#if defined(__METAL_VERSION__)
struct MatrixMap {
  using Params = MatrixMapParams;
  struct Threadgroup {};
  static constexpr constant int kSimdgroups = 1;
  static void run(constant const Params& p, threadgroup Threadgroup&, GridPosition) {
    using namespace primitives;
    simdgroup_float8x8 matrix;
    simdgroup_load(matrix, p.numbers, 8, ulong2(0), false);
    const int first = 8 * detail::matrix_row() + detail::matrix_column();
    const bool own = matrix.thread_elements()[0] == static_cast<float>(first) &&
                     matrix.thread_elements()[1] == static_cast<float>(first + 1);
    const uint32_t others = ::metal::simd_or(own ? 0u : 1u);
    simd_for_each_index(1, [&](int) { *p.holds = 1 - others; });
  }
};
#endif

}  // namespace flashtile::inline v0_2::metal_tiles
