// Apple's headers. Included by every header of metal/.
#pragma once

#include <metal_simdgroup_matrix>
#include <metal_stdlib>
#if __METAL_VERSION__ >= 400
#include <metal_tensor>

#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
#endif

namespace flashtile::inline v0_2 {
using namespace ::metal;  // integers of a fixed size, simd_ functions; the vocabulary's own words come first
}  // namespace flashtile::inline v0_2
