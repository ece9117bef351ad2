#include "src/ops/attention/kernels.h"

#include <algorithm>

#include "src/backends/backend.h"
#include "src/backends/cpu/isa.h"
#include "src/ops/common/kernel_table.h"

namespace flashtile::inline v0_2::kernels {
FLASHTILE_KERNEL_TABLES(kTables, AttentionKernels, attention_kernels)
}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {

const kernels::AttentionKernel* find_kernel(AttentionText text, const AttentionProblem& problem) {
  const kernels::AttentionKernel* found = nullptr;
  const std::int64_t widest = std::max(problem.head_dim, problem.value_dim);
  const std::size_t room = backend::of(problem.device.type).most_threadgroup_bytes(problem.device.index);
  for (const auto& table : kernels::compiled_for(problem.device, problem.dtype, kernels::kTables)) {
    for (const kernels::AttentionKernel& kernel : table) {
      if (kernel.text != text || kernel.dtype != problem.dtype) continue;
      if (kernel.head_dim != 0 && kernel.head_dim < widest) continue;
      if (kernel.threadgroup_bytes > room) continue;
      if (found == nullptr || kernel.head_dim < found->head_dim) found = &kernel;
    }
  }
  return found;
}

std::string describe(const kernels::AttentionKernel& kernel, const AttentionProblem& problem) {
  std::string text = std::string(name(kernel.text)) + " " + name(kernel.dtype) + " " +
                     backend::kernel_target(problem.device, problem.dtype);
  if (kernel.tile_queries != 0) {
    text += " " + std::to_string(kernel.tile_queries) + "x" + std::to_string(kernel.tile_keys) + "x" +
            std::to_string(kernel.head_dim);
  }
  return text;
}

}  // namespace flashtile::inline v0_2::ops
