// The strides of a (B, H, L, D) or (B, H, L) tensor as kernels take them. Called by the ops of one kernel.
#pragma once

#include "src/core/arguments.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::ops {

inline kernels::RowStrides row_strides(const TensorView& view) {
  const TensorView v = core::with_harmless_strides(view);
  return {v.strides[0], v.strides[1], v.strides[2]};
}

}  // namespace flashtile::inline v0_2::ops
