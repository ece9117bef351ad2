// The tables of the matrix product's kernel texts on CUDA.
#include "flashtile/primitives.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <bool TransposeA, bool TransposeB>
GemmKernels gemm_kernels_of();  // compiled by instances_cuda_<transposes>.cu

std::span<const GemmKernels> gemm_kernels() {
  static const GemmKernels kAll[] = {gemm_kernels_of<false, false>(), gemm_kernels_of<false, true>(),
                                     gemm_kernels_of<true, false>(), gemm_kernels_of<true, true>()};
  return kAll;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
