// The matrix product's kernel texts on CUDA for transposes of A and B: true, true.
#include "src/ops/gemm/kernel/instances_cuda.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

#define FT_TENSOR_OPS(A, B, Sum) FT_TENSOR_OPS_LAUNCH(template, A, B, Sum, true, true)
#define FT_SIMDGROUP(T) FT_SIMDGROUP_LAUNCH(template, T, true, true)
#include "src/ops/gemm/kernel/instances.def"

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
