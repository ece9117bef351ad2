// Tile sizes of the shared attention kernels, per backend, text, element type and head size. The only place in
// kernel code that knows which machine it is for; each row says what chose it.
#pragma once

#include "flashtile/primitives.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

/// Shape of one threadgroup's work: Queries rows of Q against Keys rows of K and V at a time; rows of at most
/// HeadDim.
template <int Queries, int Keys, int HeadDim, int Simdgroups, int Stages>
struct AttentionTile {
  static constexpr int kQ = Queries, kK = Keys, kD = HeadDim, kSimdgroups = Simdgroups, kStages = Stages;
};

#if defined(__CUDACC__)
template <class T, int HeadDim>
struct TensorOpsTile : AttentionTile<64, 64, HeadDim, 4, 2> {};
template <class T, int HeadDim>
struct SimdgroupTile : AttentionTile<64, 32, HeadDim, 4, 2> {};
#else
// 64 queries are four AVX-512 vectors, enough accumulators to hide the latency of FMA; 64 keys keep S, P and O
// near L1. simdgroup with 16 x 32 was at 0.6 of its speed with 64 x 64 (f32, S=512, D=64, AVX-512).
template <class T, int HeadDim>
struct TensorOpsTile : AttentionTile<64, 64, HeadDim, 1, 1> {};
template <class T, int HeadDim>
struct SimdgroupTile : AttentionTile<64, 64, HeadDim, 1, 1> {};
#endif

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
