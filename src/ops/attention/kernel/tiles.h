// Tile sizes of the shared attention kernels, per backend, text, element type and head size. The only header of
// shared kernel text with rows for different machines; each row says what it was chosen by.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/head_group.h"
#include "src/ops/attention/kernel/numbers.h"
#if !defined(__CUDACC__) && !defined(__METAL_VERSION__) && !defined(FLASHTILE_METAL_TILES)
#include "src/ops/attention/kernel/settle_rows_cpu.h"
#endif

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// How the two products of a tile of keys follow each other: one by one, or with the next scores computed while
/// the last weights are multiplied with V, which takes two stages.
enum class AttentionSchedule : int { in_turn, overlapped };

/// Shape of one threadgroup's work: Queries rows of Q against Keys rows of K and V at a time; rows of at most
/// HeadDim. PerUnit threadgroups should fit one compute unit side by side, so that one multiplies while another
/// does its softmax.
template <int Queries, int Keys, int HeadDim, int Simdgroups, int Stages,
          AttentionSchedule Schedule = AttentionSchedule::in_turn, int PerUnit = 1>
struct AttentionTile {
  static constexpr FT_CONSTANT int kQ = Queries, kK = Keys, kD = HeadDim, kSimdgroups = Simdgroups,
                                   kStages = Stages;
  static constexpr FT_CONSTANT int kStep = Keys < 16 ? 8 : 16;  ///< depth of a product of simdgroup matrices
  static constexpr FT_CONSTANT AttentionSchedule kSchedule = Schedule;
  static constexpr FT_CONSTANT int kThreadgroupsPerUnit = PerUnit;
  static_assert(Schedule == AttentionSchedule::in_turn || Stages == 2,
                "AttentionTile: overlapping takes two stages");

  /// May keys be dealt out to several threadgroups, as key_parts.h says?
  static constexpr FT_CONSTANT bool kParts = false;
  /// Do its simdgroups note whether what they store is finite, where a call wants that?
  static constexpr FT_CONSTANT bool kNotes = false;
  /// Can keys and values lie in pages?
  static constexpr FT_CONSTANT bool kPages = false;
  /// Are its rows those of one head, or of a group of heads, whose keys are always dealt out?
  static constexpr FT_CONSTANT bool kGroupsHeads = false;
  template <class T>
  using Rows = Head<T>;
  /// More keys than so many are summed in chains of so many; 0: all of them in one.
  static constexpr FT_CONSTANT int kChain = 0;
  /// Called for the rows of a head that have been stored, with their sums of weights.
  template <class Place, class Sums>
  static FT_FUNCTION void settle(FT_THREAD const Place&, int64_t, int, FT_THREAD Sums&) {}
};

#if defined(__METAL_VERSION__) || defined(FLASHTILE_METAL_TILES)
// One simdgroup a threadgroup, chosen without an Apple GPU to measure on. tensor_ops: S and O stay near 100 registers a
// lane. simdgroup: tiles of K and V are at most 8 KiB each.
template <class T, int HeadDim>
struct TensorOpsTile : AttentionTile<HeadDim <= 64 ? 32 : 16, 32, HeadDim, 1, 1> {};
template <class T, int HeadDim>
struct SimdgroupTile : AttentionTile<8, HeadDim <= 256 / static_cast<int>(sizeof(T)) ? 16 : 8, HeadDim, 1, 1> {
};
#elif defined(__CUDACC__)
template <int Queries, int Keys, int HeadDim, int Simdgroups, int Stages,
          AttentionSchedule Schedule = AttentionSchedule::in_turn, int PerUnit = 1>
struct CudaTile : AttentionTile<Queries, Keys, HeadDim, Simdgroups, Stages, Schedule, PerUnit> {
  static constexpr FT_CONSTANT bool kParts = true, kNotes = true, kPages = true;
};
// float32 products are six of bfloat16 each; small tiles keep their parts in registers.
template <class T, int HeadDim>
struct TensorOpsTile : CudaTile<64, 32, HeadDim, 4, HeadDim <= 128 ? 2 : 1> {};
template <class T, int HeadDim>
struct SimdgroupTile : CudaTile<64, 32, HeadDim, 4, HeadDim <= 128 ? 2 : 1> {};
// 16-bit types: one warpgroup, so that two or three threadgroups fit a unit, and one multiplies while others load, weigh
// and store. TFLOP/s on an H100, 8192 keys: full, causal, window of 511 keys; 128 queries and 1 a unit before:
//   HeadDim 64    64 keys, 3 a unit: 356, 331, 209    96, 2: 380, 353, 188    128 x 128, 1: 320, 290, 148
//   HeadDim 128   64 keys, 2 a unit: 497, 457, 276    80, 2: 502, 462, 236    128 x 96, 1: 416, 386, 184
//   HeadDim 256   128 x 64, 1 a unit: 570, 499, 264   64 x 32, 2: 460, 414, 263
template <int HeadDim>
struct TensorOpsTile16 : CudaTile<64, 64, HeadDim, 4, 2, AttentionSchedule::overlapped, HeadDim <= 64 ? 3 : 2> {
};
template <>
struct TensorOpsTile16<256> : CudaTile<128, 64, 256, 8, 2, AttentionSchedule::overlapped> {};
template <int HeadDim>
struct TensorOpsTile<half, HeadDim> : TensorOpsTile16<HeadDim> {};
template <int HeadDim>
struct TensorOpsTile<bfloat, HeadDim> : TensorOpsTile16<HeadDim> {};
template <int HeadDim>
struct SimdgroupTile16 : CudaTile<128, 64, HeadDim, 8, 2> {};
template <>
struct SimdgroupTile16<256> : CudaTile<64, 32, 256, 4, 1> {};
template <int HeadDim>
struct SimdgroupTile<half, HeadDim> : SimdgroupTile16<HeadDim> {};
template <int HeadDim>
struct SimdgroupTile<bfloat, HeadDim> : SimdgroupTile16<HeadDim> {};
// Few queries: what takes time is that keys and values arrive, so that two threadgroups or more of a unit wait for them
// in turn. The products of 16-bit types are over before.
template <class T, int HeadDim>
struct GroupTile
    : CudaTile<64, 32, HeadDim, 4, HeadDim <= 128 ? 2 : 1, AttentionSchedule::in_turn, HeadDim <= 128 ? 2 : 1> {
};
template <int HeadDim>
struct GroupTile16
    : CudaTile<64, HeadDim <= 128 ? 64 : 32, HeadDim, 4, 2, AttentionSchedule::in_turn, HeadDim <= 64 ? 3 : 2> {
};
template <int HeadDim>
struct GroupTile<half, HeadDim> : GroupTile16<HeadDim> {};
template <int HeadDim>
struct GroupTile<bfloat, HeadDim> : GroupTile16<HeadDim> {};
template <class T, int HeadDim>
struct TensorOpsGroupTile : GroupTile<T, HeadDim> {
  static constexpr FT_CONSTANT bool kGroupsHeads = true;
  template <class U>
  using Rows = HeadGroup<U>;
};
#else
// 64 queries are four AVX-512 vectors, enough accumulators to hide the latency of FMA; 64 keys keep S, P and O
// near L1. simdgroup with 16 x 32 was at 0.6 of its speed with 64 x 64 (f32, S=512, D=64, AVX-512).
template <int HeadDim>
struct CpuTile : AttentionTile<64, 64, HeadDim, 1, 1> {
  static constexpr FT_CONSTANT int kChain = kKeysOfChain;
  static constexpr FT_CONSTANT bool kPages = true;
  template <class T, class Rows>
  static FT_FUNCTION void settle(const Head<T>& head, int64_t row, int rows, Rows& sums) {
    settle_rows(head, row, rows, sums.data());
  }
};
template <class T, int HeadDim>
struct TensorOpsTile : CpuTile<HeadDim> {};
template <class T, int HeadDim>
struct SimdgroupTile : CpuTile<HeadDim> {};
#endif

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
