// flash.sm90's kernels for bfloat.
#include "src/ops/attention/kernel/instances_sm90.h"

namespace flashtile::inline v0_2::kernels {

std::span<const FlashSm90Kernel> flash_sm90_bf16_kernels() { return kFlashSm90Rows<bfloat>; }

}  // namespace flashtile::inline v0_2::kernels
