// The type of a tensor's floats where one kernel takes several: a number in its parameters, not an instance each.
#pragma once

#include <stdint.h>

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::kernels {

enum class FloatType : int32_t { f32, f16, bf16 };

}  // namespace flashtile::inline v0_2::kernels
