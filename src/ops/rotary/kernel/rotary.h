// Rotary position embedding of rows. A position's cosines and sines serve all heads of a threadgroup.
#pragma once

#include "src/ops/attention/kernel/rows.h"
#include "src/ops/rotary/kernel/turn.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

struct RotaryRows {
  using Params = RotaryParams;
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static constexpr FT_CONSTANT int kHeads = 16;  // of one threadgroup
  using Threadgroup = RotaryTurn;

  /// The grid is (rows, blocks of heads, batch).
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& turn, GridPosition at) {
    set_turn(turn, p.angles, position_of(p.positions, at.z, at.x));
    with_elements(p.x, p.type, [&](auto elements) {
      for (int64_t head = at.y * kHeads; head < p.heads && head < (at.y + 1) * kHeads; ++head) {
        const auto from = rows_from(elements, p.x_strides, at.z, head, at.x).first;
        const auto to = rows_from(same_type(p.out, from), p.out_strides, at.z, head, at.x).first;
        turn_row(turn, p.angles, from, to, p.columns);
      }
    });
  }

 private:
  template <class T>
  static FT_FUNCTION FT_DEVICE T* same_type(FT_DEVICE void* data, FT_DEVICE const T*) {
    return static_cast<FT_DEVICE T*>(data);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
