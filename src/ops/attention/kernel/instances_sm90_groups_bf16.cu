// flash.sm90's kernels for few queries of bfloat.
#include "src/ops/attention/kernel/instances_sm90_groups.h"

namespace flashtile::inline v0_2::kernels {

std::span<const FlashSm90GroupsKernel> flash_sm90_groups_bf16_kernels() { return kFlashSm90GroupsRows<bfloat>; }

}  // namespace flashtile::inline v0_2::kernels
