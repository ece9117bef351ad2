// Launches the kernel of append_kv on one backend. Included once for each, by instances_cpu.cc and instances_cuda.cu.
#pragma once

#ifndef FLASHTILE_KERNEL_FILE
#define FLASHTILE_KERNEL_FILE
#endif

#include "flashtile/launch.h"
#include "src/ops/append_kv/kernel/append_kv.h"
#include "src/ops/append_kv/kernels.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES

void launch_append_kv(const Queue& queue, const AppendKvParams& params) {
  constexpr std::int64_t kHeads = AppendKvRows::kHeads;
  launch<AppendKvRows>(queue, Grid{params.length, (params.heads + kHeads - 1) / kHeads, params.batch}, params);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
