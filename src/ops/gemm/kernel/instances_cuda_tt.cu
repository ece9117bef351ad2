// The matrix product's kernel texts on CUDA for transposes of A and B: true, true.
#include "src/ops/gemm/kernel/instances.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
template GemmKernels gemm_kernels_of<true, true>();
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
