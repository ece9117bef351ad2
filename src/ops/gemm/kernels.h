// The compiled matrix product kernels: a small table for each instruction set of the CPU and for CUDA, filled
// by kernel/instances_*; ways pick from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "src/ops/gemm/problem.h"

namespace flashtile::inline v0_2::kernels {

/// A kernel text, which is compiled for several types and transposes.
enum class GemmText : std::uint8_t { tensor_ops, simdgroup };

/// "tensor_ops", "simdgroup".
constexpr const char* name(GemmText text) { return text == GemmText::tensor_ops ? "tensor_ops" : "simdgroup"; }

/// One kernel text compiled for one pair of element types and one pair of transposes.
struct GemmKernel {
  GemmText text;
  DType a_dtype, b_dtype;
  bool transpose_a, transpose_b;
  int tile_m, tile_n, tile_k;
  std::size_t threadgroup_bytes;
  void (*launch)(const Queue& queue, const GemmParams& params);
};

/// Those of one pair of transposes.
using GemmKernels = std::span<const GemmKernel>;

}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {

using kernels::GemmText;

/// The instance of a text for the problem, on its device; nullptr when none was compiled.
const kernels::GemmKernel* find_kernel(GemmText text, const GemmProblem& problem);

/// "tensor_ops f16 x f16 avx512 64x128x128".
std::string describe(const kernels::GemmKernel& kernel, const GemmProblem& problem);

}  // namespace flashtile::inline v0_2::ops
