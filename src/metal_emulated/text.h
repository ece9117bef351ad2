// The generated files of Metal kernels, each a family.
#pragma once

#include "src/metal_emulated/launch.h"

namespace flashtile::metal_emulated {

extern const Family kAttentionSimdgroup, kAttentionTensorOps, kGemmSimdgroup, kGemmTensorOps;

}  // namespace flashtile::metal_emulated
