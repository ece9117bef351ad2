// What subnormal floats count as in a call on a CPU. Called by each op's road.
#pragma once

#include "flashtile/dtype.h"
#include "src/core/float_environment.h"

namespace flashtile::inline v0_2::ops {

/// The bfloat units of x86 processors take operands and sums below 2^-126 for 0, whatever the modes of the program.
/// So that an answer does not depend on the instruction set, all others do the same where two bfloats are
/// multiplied.
inline core::Subnormals subnormals_of(DType a, DType b) {
  return a == DType::bf16 && b == DType::bf16 ? core::Subnormals::zero : core::Subnormals::themselves;
}

}  // namespace flashtile::inline v0_2::ops
