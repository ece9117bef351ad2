// Attention's kernel texts on one backend: the kernels of each, how one is launched, and its rows of the table. Included by
// instances_cpu.cc, and by instances_cuda_<type>.cu.
#pragma once

#include "flashtile/launch.h"
#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/instances_list.h"
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
template <class Kernel, class T>
constexpr AttentionKernel tiled(AttentionText text) {
  return {text,
          dtype_of<T>,
          Kernel::kD,
          Kernel::kQ,
          Kernel::kK,
          sizeof(typename Kernel::Threadgroup),
          launch_rows<Kernel>,
          Kernel::kThreadgroupsPerUnit,
          Kernel::kNotes};
}

/// A text that takes any head size.
template <class Kernel, class T>
constexpr AttentionKernel rows(AttentionText text,
                               void (*launch)(const Queue&, const AttentionParams&) = launch_rows<Kernel>) {
  return {text, dtype_of<T>, 0, 0, 0, sizeof(typename Kernel::Threadgroup), launch};
}

#define FT_TILED(T, HeadDim)                                        \
  tiled<TensorOpsKernel<T, HeadDim>, T>(AttentionText::tensor_ops), \
      tiled<SimdgroupKernel<T, HeadDim>, T>(AttentionText::simdgroup),
#define FT_GROUPED(T, HeadDim) tiled<TensorOpsGroupKernel<T, HeadDim>, T>(AttentionText::tensor_ops_groups),

/// The table of one element type.
template <class T>
inline constexpr AttentionKernel kAttentionKernels[] = {
    FLASHTILE_ATTENTION_TILES(FT_TILED, T)  //
#ifdef __CUDACC__                           // GPUs of many compute units deal out keys
    FLASHTILE_ATTENTION_TILES(FT_GROUPED, T)
        rows<AttentionMergeParts<T>, T>(AttentionText::merge_parts, launch_merge<AttentionMergeParts<T>>),
#endif
    rows<AttentionExactRows<T>, T>(AttentionText::exact_rows),
    rows<AttentionScoreStages<T>, T>(AttentionText::score_stages),
    rows<AttentionSoftmaxRows<T>, T>(AttentionText::softmax_rows)};

#undef FT_TILED
#undef FT_GROUPED

/// The same, for a translation unit that compiles one type.
template <class T>
AttentionKernels attention_kernels_of() {
  return kAttentionKernels<T>;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
