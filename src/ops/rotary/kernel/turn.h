// Turns pairs of a row's elements: for rotary, and for append_kv.
#pragma once

#include "src/ops/common/kernel/elements.h"
#include "src/ops/rotary/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

/// Cosines and sines of one position, in threadgroup memory.
struct RotaryTurn {
  float cosines[kMostRotaryPairs], sines[kMostRotaryPairs];
};

FT_FUNCTION int32_t position_of(FT_CONSTANT const RowPositions& positions, int64_t batch, int64_t row) {
  return positions.data[batch * positions.batch_stride + row * positions.row_stride];
}

/// The whole simdgroup sets `turn` to a position's.
FT_FUNCTION void set_turn(FT_THREADGROUP RotaryTurn& turn, FT_CONSTANT const RotaryAngles& angles,
                          int64_t position) {
  constexpr float kRadians = 0x1.921fb6p-30f;     // of 2^-32 turns: 2 pi / 2^32
  simdgroup_barrier(mem_flags::mem_threadgroup);  // all lanes have used the turn before
  simd_for_each_index(angles.pairs, [&](int i) {
    const uint64_t part = angles.turns[i] * static_cast<uint64_t>(position);
    const float angle = static_cast<float>(static_cast<int32_t>(part >> 32)) * kRadians;  // -pi ... pi
    turn.cosines[i] = cos(angle);
    turn.sines[i] = sin(angle);
  });
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

/// The whole simdgroup converts a row.
template <class From, class To>
FT_FUNCTION void copy_row(FT_DEVICE const From* from, FT_DEVICE To* to, int columns) {
  simd_for_each_index(columns, [&](int i) { to[i] = static_cast<To>(static_cast<float>(from[i])); });
}

/// The whole simdgroup turns a row, which `to` may be too; what is not turned is converted alone.
template <class From, class To>
FT_FUNCTION void turn_row(FT_THREADGROUP const RotaryTurn& turn, FT_CONSTANT const RotaryAngles& angles,
                          FT_DEVICE const From* from, FT_DEVICE To* to, int columns) {
  const int pairs = angles.pairs, step = angles.interleaved ? 2 : 1, apart = angles.interleaved ? 1 : pairs;
  simd_for_each_index(pairs, [&](int i) {
    const float a = static_cast<float>(from[i * step]), b = static_cast<float>(from[i * step + apart]);
    const float c = turn.cosines[i], s = turn.sines[i];
    to[i * step] = static_cast<To>(fma(a, c, -(b * s)));
    to[i * step + apart] = static_cast<To>(fma(b, c, a * s));
  });
  copy_row(from + 2 * pairs, to + 2 * pairs, columns - 2 * pairs);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
