// Tile sizes of the matrix product kernels, per backend. The only place in kernel code that knows which machine
// it is for.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

/// One threadgroup computes Rows x Columns of C, Depth of K at a time, with Stages tiles of A and B in
/// threadgroup memory: one is multiplied, one is let go of, and the others are on their way. One stage is
/// loaded when it is needed.
template <int Rows, int Columns, int Depth, int Simdgroups, int Stages = 1>
struct GemmTile {
  static constexpr int kM = Rows, kN = Columns, kK = Depth, kSimdgroups = Simdgroups, kStages = Stages;
  static_assert(Stages == 1 || Stages >= 3, "GemmTile: one stage, or three and more");
};

#if defined(__CUDACC__)
template <class A, class B>
struct GemmTensorOpsTile : GemmTile<64, 64, 32, 4> {};
template <>
struct GemmTensorOpsTile<half, half> : GemmTile<128, 256, 64, 8, 4> {};
template <>
struct GemmTensorOpsTile<bfloat, bfloat> : GemmTile<128, 256, 64, 8, 4> {};
struct GemmSimdgroupTile : GemmTile<64, 64, 32, 4> {};
#else
// 64 rows are four AVX-512 vectors, and chains of 32 float products keep rounding errors small (tensor_ops.h).
// Of the widths 64, 96 and 128, 128 was the fastest for tensor_ops on AVX-512; for simdgroup 64 and 96 are
// alike, and 16 or 32 rows half as fast as 64. Dot products of bytes are exact and those of bfloats are for
// speed: packed A and B of 128 steps, the sums and a part of them fill half of a second-level cache of 1 MiB,
// and B is packed half as often as for 64 rows.
template <class A, class B, bool Dots = primitives::detail::product_of<A, B>::kDots>
struct GemmTensorOpsTile : GemmTile<64, 128, 32, 1> {};
template <class A, class B>
struct GemmTensorOpsTile<A, B, true>
    : GemmTile<128, 256, 128 * primitives::detail::product_of<A, B>::kPerStep, 1> {};
struct GemmSimdgroupTile : GemmTile<64, 64, 32, 1> {};
#endif

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
