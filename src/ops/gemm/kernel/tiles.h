// Tile sizes of the matrix product kernels, per backend. The only header of shared kernel text with
// rows for different machines.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// One threadgroup computes Rows x Columns of C, Depth of K at a time, with Stages tiles of A and B in
/// threadgroup memory: one is multiplied, one is being released, and the others are being loaded. A single
/// stage is loaded when it is needed.
template <int Rows, int Columns, int Depth, int Simdgroups, int Stages = 1>
struct GemmTile {
  static constexpr FT_CONSTANT int kM = Rows, kN = Columns, kK = Depth, kSimdgroups = Simdgroups,
                                   kStages = Stages;
  static_assert(Stages == 1 || Stages >= 3, "GemmTile: one stage, or three and more");
};

#if defined(__METAL_VERSION__) || defined(FLASHTILE_METAL_TILES)
// One simdgroup a threadgroup; sizes that its registers hold, chosen without an Apple GPU to measure on. Two tiles of
// 32 x 32 floats are 9 KiB.
struct GemmMetalTile : GemmTile<32, 32, 32, 1> {};
template <class A, class B>
struct GemmTensorOpsTile : GemmMetalTile {};
struct GemmSimdgroupTile : GemmMetalTile {};
#elif defined(__CUDACC__)
template <class A, class B>
struct GemmTensorOpsTile : GemmTile<64, 64, 32, 4> {};
template <>
struct GemmTensorOpsTile<half, half> : GemmTile<128, 256, 64, 8, 4> {};
template <>
struct GemmTensorOpsTile<bfloat, bfloat> : GemmTile<128, 256, 64, 8, 4> {};
struct GemmSimdgroupTile : GemmTile<64, 64, 32, 4> {};
#else
// tensor_ops: packed A and B of 128 steps and the sums fill a third of an L2 cache of 1 MiB, and B is packed
// half as often as for 64 rows. More rows are a few percent faster for large products, but leave threads
// without work in small ones. simdgroup: chains of 32 keep rounding errors small, 64 and 96 columns are equally
// fast, and 16 or 32 rows half as fast as 64.
template <class A, class B>
struct GemmTensorOpsTile : GemmTile<128, 256, 128 * primitives::kElementsPerStep<A, B>, 1> {};
struct GemmSimdgroupTile : GemmTile<64, 64, 32, 1> {};
#endif

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
