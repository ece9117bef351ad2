// The ways to compute a matrix product, best first. A new way is a source file with a `const GemmWay k...` and
// a line in ways.cc.
#pragma once

#include <span>

#include "src/ops/common/ways.h"
#include "src/ops/gemm/problem.h"

namespace flashtile::inline v0_2::ops {

using GemmWay = Way<GemmProblem, GemmBuffers>;

/// Best first.
std::span<const GemmWay> gemm_way_table();

extern const GemmWay kGemmPanels;
extern const GemmWay kGemmCblas;
extern const GemmWay kGemmCublas;
extern const GemmWay kGemmMps;  // on macOS
extern const GemmWay kGemmTensorOps;
extern const GemmWay kGemmSimdgroup;

}  // namespace flashtile::inline v0_2::ops
