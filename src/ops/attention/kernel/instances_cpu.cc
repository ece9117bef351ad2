// Attention's kernel texts, compiled once for each instruction set of the CPU. Calls nothing of std that a
// linker might merge with a copy compiled for another instruction set.
#include "src/ops/attention/kernel/instances.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

std::span<const AttentionKernels> attention_kernels() {
  static constexpr AttentionKernels kAll[] = {kAttentionKernels<float>, kAttentionKernels<half>,
                                              kAttentionKernels<bfloat>};
  return kAll;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
