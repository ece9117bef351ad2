// The tables of attention's kernel texts on CUDA.
#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/instances_row.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
AttentionKernels attention_kernels_of();  // compiled by instances_cuda_<type>.cu

std::span<const AttentionKernels> attention_kernels() {
  static const AttentionKernels kAll[] = {attention_kernels_of<float>(), attention_kernels_of<half>(),
                                          attention_kernels_of<bfloat>()};
  return kAll;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
