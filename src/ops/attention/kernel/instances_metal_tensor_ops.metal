// Attention on matmul2d for Apple GPUs, from Metal 4.0 on. Kernels are called tensor_ops_float_64, ...
#include "flashtile/primitives/metal/entry.h"
#include "src/ops/attention/kernel/instances_list.h"
#include "src/ops/attention/kernel/tensor_ops.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {

#define FT_TILED(T, HeadDim) \
  FT_KERNEL("tensor_ops_" #T "_" #HeadDim, kernels::AttentionTensorOps<T, kernels::TensorOpsTile<T, HeadDim>>)
#define FT_TEXTS(T) FLASHTILE_ATTENTION_TILES(FT_TILED, T)
FLASHTILE_ATTENTION_TYPES(FT_TEXTS)

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
