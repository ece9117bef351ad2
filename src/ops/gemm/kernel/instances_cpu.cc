// The matrix product's kernel texts, compiled once for each instruction set of the CPU. Calls nothing of std
// that a linker might merge with a copy compiled for another instruction set.
#include "src/ops/gemm/kernel/instances.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

std::span<const GemmKernels> gemm_kernels() {
  static constexpr GemmKernels kAll[] = {kGemmKernels<false, false>, kGemmKernels<false, true>,
                                         kGemmKernels<true, false>, kGemmKernels<true, true>};
  return kAll;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
