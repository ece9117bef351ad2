// How the matrix product's kernel texts are compiled on CUDA. Included by instances_cuda*.cu: one file for each
// pair of transposes compiles the kernels, instances_cuda.cu holds the table.
#pragma once

#include "src/ops/gemm/kernel/instances.h"

// Explicit instantiation of the launches of one pair of transposes; Word is `template` or `extern template`.
#define FT_TENSOR_OPS_LAUNCH(Word, A, B, Sum, TransposeA, TransposeB) \
  Word void launch_tiles<TensorOpsKernel<A, B, Sum, TransposeA, TransposeB>>(const Queue&, const GemmParams&);
#define FT_SIMDGROUP_LAUNCH(Word, T, TransposeA, TransposeB) \
  Word void launch_tiles<SimdgroupKernel<T, TransposeA, TransposeB>>(const Queue&, const GemmParams&);
