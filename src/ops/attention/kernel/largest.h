// The largest numbers of the types of elements. Apart from numbers.h, which hosts include too, without the types.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/numbers.h"

namespace flashtile::inline v0_2::kernels {

/// The largest finite number of a type.
template <class T>
inline constexpr FT_CONSTANT float kLargestOf = -kLowest;
template <>
inline constexpr FT_CONSTANT float kLargestOf<half> = 65504.0f;
template <>
inline constexpr FT_CONSTANT float kLargestOf<bfloat> = 0x1.fep127f;

}  // namespace flashtile::inline v0_2::kernels
