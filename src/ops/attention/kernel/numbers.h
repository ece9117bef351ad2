// The numbers that every attention kernel uses, each in one place.
#pragma once

#include <stdint.h>

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::kernels {

inline constexpr FT_CONSTANT float kLog2E = 1.4426950408889634f;
inline constexpr FT_CONSTANT float kLn2 = 0.6931471805599453f;
inline constexpr FT_CONSTANT float kMinusInfinity = -__builtin_huge_valf();
/// The lowest finite float. A running maximum starts at it, not at -inf: then a block without a visible key
/// gives exp2(-inf - maximum) = 0 and never the NaN of -inf - -inf.
inline constexpr FT_CONSTANT float kLowest = -0x1.fffffep127f;
/// The most keys whose sums are one chain of additions, and the most such chains whose sums are one.
inline constexpr FT_CONSTANT int kKeysOfChain = 1 << 12;

/// Query offsets beyond it are no different: no position of a call is as far.
inline constexpr FT_CONSTANT int64_t kFarthestOffset = int64_t{1} << 40;

}  // namespace flashtile::inline v0_2::kernels
