// The table of the matrix product's kernel texts on CUDA; the kernels are compiled by
// instances_cuda_<transposes>.cu.
#include "src/ops/gemm/kernel/instances_cuda.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

#define FT_ALL_TRANSPOSES(Launch, ...)                                                                 \
  Launch(extern template, __VA_ARGS__, false, false) Launch(extern template, __VA_ARGS__, false, true) \
      Launch(extern template, __VA_ARGS__, true, false) Launch(extern template, __VA_ARGS__, true, true)
#define FT_TENSOR_OPS(A, B, Sum) FT_ALL_TRANSPOSES(FT_TENSOR_OPS_LAUNCH, A, B, Sum)
#define FT_SIMDGROUP(T) FT_ALL_TRANSPOSES(FT_SIMDGROUP_LAUNCH, T)
#include "src/ops/gemm/kernel/instances.def"
#undef FT_TENSOR_OPS
#undef FT_SIMDGROUP

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#include "src/ops/gemm/kernel/instances_table.h"
