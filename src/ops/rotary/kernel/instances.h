// Launches the kernel of rotary on one backend. Included once for each, by instances_cpu.cc and instances_cuda.cu.
#pragma once

#ifndef FLASHTILE_KERNEL_FILE
#define FLASHTILE_KERNEL_FILE
#endif

#include "flashtile/launch.h"
#include "src/ops/rotary/kernel/rotary.h"
#include "src/ops/rotary/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

void launch_rotary(const Queue& queue, const RotaryParams& params) {
  constexpr std::int64_t kHeads = RotaryRows::kHeads;
  launch<RotaryRows>(queue, Grid{params.length, (params.heads + kHeads - 1) / kHeads, params.batch}, params);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
