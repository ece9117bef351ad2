// The generated files of Metal kernels, each a family.
#pragma once

#include "src/backends/metal/launch.h"

namespace flashtile::inline v0_2::metal {

extern const Family kAttentionSimdgroup, kAttentionTensorOps, kGemmSimdgroup, kGemmTensorOps;

}  // namespace flashtile::inline v0_2::metal
