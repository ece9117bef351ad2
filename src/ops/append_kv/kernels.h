// The kernel of append_kv, compiled for each instruction set of the CPU and for CUDA by kernel/instances_*.
#pragma once

#include "flashtile/dispatch.h"
#include "src/ops/append_kv/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

FLASHTILE_KERNEL(launch_append_kv, void(const Queue& queue, const AppendKvParams& params));

}  // namespace flashtile::inline v0_2::kernels
