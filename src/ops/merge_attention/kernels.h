// The kernel of merge_attention, compiled for each instruction set of the CPU and for CUDA by kernel/instances_*.
#pragma once

#include "flashtile/dispatch.h"
#include "src/ops/merge_attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

FLASHTILE_KERNEL(launch_merge_attention, void(const Queue& queue, const MergeAttentionParams& params));

}  // namespace flashtile::inline v0_2::kernels
