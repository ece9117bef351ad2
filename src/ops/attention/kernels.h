// The compiled attention kernels: a small table for each instruction set of the CPU and for CUDA, filled by
// kernel/instances_*; ways pick from it.
#pragma once

#include <string>

#include "src/ops/attention/kernel/instances_row.h"
#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {

using kernels::AttentionText;

/// The smallest instance of a text that fits the problem, on its device; nullptr when none was compiled.
const kernels::AttentionKernel* find_kernel(AttentionText text, const AttentionProblem& problem);

/// "tensor_ops bf16 avx512 64x64x128".
std::string describe(const kernels::AttentionKernel& kernel, const AttentionProblem& problem);

}  // namespace flashtile::inline v0_2::ops
