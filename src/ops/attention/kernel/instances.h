// What one line of instances.def stands for on every backend: the kernels of each text, how one is launched,
// and its row of the table. Included by instances_table.h and instances_cuda.h.
#pragma once

#include "flashtile/launch.h"
#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/instances_row.h"
#include "src/ops/attention/kernel/merge_parts.h"
#include "src/ops/attention/kernel/score_stages.h"
#include "src/ops/attention/kernel/simdgroup.h"
#include "src/ops/attention/kernel/tensor_ops.h"
#ifdef __CUDACC__
#include "src/ops/attention/kernel/softmax_rows.h"
#else
#include "src/ops/attention/kernel/softmax_rows_cpu.h"
#endif

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T, int HeadDim>
using TensorOpsKernel = AttentionTensorOps<T, TensorOpsTile<T, HeadDim>>;
template <class T, int HeadDim>
using SimdgroupKernel = AttentionSimdgroup<T, SimdgroupTile<T, HeadDim>>;
#ifdef __CUDACC__
template <class T, int HeadDim>
using TensorOpsGroupKernel = AttentionTensorOps<T, TensorOpsGroupTile<T, HeadDim>>;
#endif

/// Over all tiles of the output, or over the parts of some tiles' keys.
template <class Kernel>
void launch_rows(const Queue& queue, const AttentionParams& params) {
  const Grid tiles{(params.longest_query + Kernel::kQ - 1) / Kernel::kQ, params.query_heads, params.batch};
  const Grid parts{params.parts.count, params.parts.tiles, 1};
  launch<Kernel>(queue, params.parts.sums == nullptr ? tiles : parts, params);
}
/// Over the rows of the tiles whose keys were dealt out.
template <class Kernel>
void launch_merge(const Queue& queue, const AttentionParams& params) {
  const int rows = Kernel::rows_at_once(params.parts.count);
  launch<Kernel>(queue, Grid{(params.parts.stored_rows + rows - 1) / rows, params.parts.tiles, 1}, params);
}

/// A text compiled for head sizes up to Kernel::kD.
template <class Kernel>
constexpr AttentionKernel tiled(const char* text, DType dtype) {
  return {text,
          dtype,
          Kernel::kD,
          Kernel::kQ,
          Kernel::kK,
          sizeof(typename Kernel::Threadgroup),
          launch_rows<Kernel>,
          Kernel::kThreadgroupsPerUnit,
          Kernel::kNotes};
}

/// A text that takes any head size.
template <class Kernel>
constexpr AttentionKernel rows(const char* text, DType dtype) {
  return {text, dtype, 0, 0, 0, sizeof(typename Kernel::Threadgroup), launch_rows<Kernel>};
}
template <class Kernel>
constexpr AttentionKernel merge(const char* text, DType dtype) {
  return {text, dtype, 0, 0, 0, sizeof(typename Kernel::Threadgroup), launch_merge<Kernel>};
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
