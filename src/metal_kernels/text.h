// The generated files of Metal kernels, each a family.
#pragma once

#include "flashtile/dtype.h"
#include "src/backends/metal/launch.h"

namespace flashtile::inline v0_2::metal {

extern const Family kAttentionSimdgroup, kAttentionTensorOps, kGemmSimdgroup, kGemmTensorOps;

/// The type of an element as names of kernels have it: "float", "int8_t", ...
const char* type_name(DType dtype);

}  // namespace flashtile::inline v0_2::metal
