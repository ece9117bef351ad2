// Attention on simdgroup matrices for Apple GPUs, from Metal 3.2 on; the exact rows that masked calls need after any way; and
// what `unfused` does with stored scores. Kernels are called simdgroup_float_64, ..., exact_rows_float, ..., score_stages_float, ...
// and softmax_rows_float, ...; matrix_map says whether the GPU is one that they are for.
#include "flashtile/primitives/metal/entry.h"
#include "src/metal_kernels/matrix_map.h"
#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/instances_list.h"
#include "src/ops/attention/kernel/score_stages.h"
#include "src/ops/attention/kernel/simdgroup.h"
#include "src/ops/attention/kernel/softmax_rows.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {

#define FT_TILED(T, HeadDim) \
  FT_KERNEL("simdgroup_" #T "_" #HeadDim, kernels::AttentionSimdgroup<T, kernels::SimdgroupTile<T, HeadDim>>)
#define FT_TEXTS(T)                                           \
  FLASHTILE_ATTENTION_TILES(FT_TILED, T)                      \
  FT_KERNEL("exact_rows_" #T, kernels::AttentionExactRows<T>) \
  FT_KERNEL("score_stages_" #T, kernels::AttentionScoreStages<T>) \
  FT_KERNEL("softmax_rows_" #T, kernels::AttentionSoftmaxRows<T>)
FLASHTILE_ATTENTION_TYPES(FT_TEXTS)
FT_KERNEL("matrix_map", metal_tiles::MatrixMap)

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
