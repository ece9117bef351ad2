// The table of attention's kernel texts on one backend. Included once for each, by instances_cpu.cc and
// instances_cuda.cu.
#pragma once

#include <span>

#include "src/ops/attention/kernel/instances.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace {

// What GPUs of many compute units have besides: keys that are dealt out.
#ifdef __CUDACC__
#define FT_TILED_IN_PARTS(T, HeadDim) tiled<TensorOpsGroupKernel<T, HeadDim>>("tensor_ops.groups", dtype_of<T>),
#define FT_MERGES(T) merge<AttentionMergeParts<T>>("merge_parts", dtype_of<T>),
#else
#define FT_TILED_IN_PARTS(T, HeadDim)
#define FT_MERGES(T)
#endif

constexpr AttentionKernel kKernels[] = {
#define FT_TILED(T, HeadDim)                                     \
  tiled<TensorOpsKernel<T, HeadDim>>("tensor_ops", dtype_of<T>), \
      tiled<SimdgroupKernel<T, HeadDim>>("simdgroup", dtype_of<T>), FT_TILED_IN_PARTS(T, HeadDim)
#define FT_ROWS(T)                                                \
  rows<AttentionExactRows<T>>("exact_rows", dtype_of<T>),         \
      rows<AttentionScoreStages<T>>("score_stages", dtype_of<T>), \
      rows<AttentionSoftmaxRows<T>>("softmax_rows", dtype_of<T>), FT_MERGES(T)
#include "src/ops/attention/kernel/instances.def"
#undef FT_TILED
#undef FT_ROWS
#undef FT_TILED_IN_PARTS
#undef FT_MERGES
};

}  // namespace

std::span<const AttentionKernel> attention_kernels() { return kKernels; }

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
