// Attention's kernel texts for float on CUDA.
#include "src/ops/attention/kernel/instances.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
template AttentionKernels attention_kernels_of<float>();
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
