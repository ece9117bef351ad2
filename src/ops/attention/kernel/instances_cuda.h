// How attention's kernel texts become rows of the table on CUDA. Included by instances_cuda*.cu: one file a
// type compiles the kernels, instances_cuda.cu holds the table.
#pragma once

#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/simdgroup.h"
#include "src/ops/attention/kernel/softmax_rows.h"
#include "src/ops/attention/kernel/tensor_ops.h"
#include "src/ops/attention/kernels.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

template <class Kernel>
void launch_rows(const Queue& queue, const AttentionParams& params) {
  launch<Kernel>(queue,
                 Grid{(params.query_length + Kernel::kQ - 1) / Kernel::kQ, params.query_heads, params.batch},
                 params);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels

// Explicit instantiation of the launches that FT_TILED and FT_ROWS of instances.def stand for; Word is
// `template` or `extern template`.
#define FT_TILED_LAUNCHES(Word, T, HeadDim)                                                        \
  Word void launch_rows<AttentionTensorOps<T, TensorOpsTile<T, HeadDim>>>(const Queue&,            \
                                                                          const AttentionParams&); \
  Word void launch_rows<AttentionSimdgroup<T, SimdgroupTile<T, HeadDim>>>(const Queue&, const AttentionParams&);
#define FT_ROWS_LAUNCHES(Word, T)                                                     \
  Word void launch_rows<AttentionExactRows<T>>(const Queue&, const AttentionParams&); \
  Word void launch_rows<AttentionSoftmaxRows<T>>(const Queue&, const AttentionParams&);
