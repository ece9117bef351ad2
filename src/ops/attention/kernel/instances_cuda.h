// How attention's kernel texts are compiled on CUDA. Included by instances_cuda*.cu: one file a type compiles
// the kernels, instances_cuda.cu holds the table.
#pragma once

#include "src/ops/attention/kernel/instances.h"

// Explicit instantiation of the launches that FT_TILED and FT_ROWS of instances.def stand for; Word is
// `template` or `extern template`.
#define FT_TILED_LAUNCHES(Word, T, HeadDim)                                                      \
  Word void launch_rows<TensorOpsKernel<T, HeadDim>>(const Queue&, const AttentionParams&);      \
  Word void launch_rows<TensorOpsGroupKernel<T, HeadDim>>(const Queue&, const AttentionParams&); \
  Word void launch_rows<SimdgroupKernel<T, HeadDim>>(const Queue&, const AttentionParams&);
#define FT_ROWS_LAUNCHES(Word, T)                                                       \
  Word void launch_rows<AttentionExactRows<T>>(const Queue&, const AttentionParams&);   \
  Word void launch_merge<AttentionMergeParts<T>>(const Queue&, const AttentionParams&); \
  Word void launch_rows<AttentionScoreStages<T>>(const Queue&, const AttentionParams&); \
  Word void launch_rows<AttentionSoftmaxRows<T>>(const Queue&, const AttentionParams&);
