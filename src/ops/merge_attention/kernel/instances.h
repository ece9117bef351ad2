// Launches the kernel of merge_attention on one backend. Included once for each, by instances_cpu.cc and
// instances_cuda.cu.
#pragma once

#ifndef FLASHTILE_KERNEL_FILE
#define FLASHTILE_KERNEL_FILE
#endif

#include "flashtile/launch.h"
#include "src/ops/merge_attention/kernel/merge_attention.h"
#include "src/ops/merge_attention/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

void launch_merge_attention(const Queue& queue, const MergeAttentionParams& params) {
  constexpr std::int64_t kRows = MergeAttention::kRows;
  launch<MergeAttention>(queue, Grid{(params.length + kRows - 1) / kRows, params.heads, params.batch}, params);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
