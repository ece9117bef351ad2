// The kernel of rotary, compiled for each instruction set of the CPU and for CUDA by kernel/instances_*.
#pragma once

#include "flashtile/dispatch.h"
#include "src/ops/rotary/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

FLASHTILE_KERNEL(launch_rotary, void(const Queue& queue, const RotaryParams& params));

}  // namespace flashtile::inline v0_2::kernels
