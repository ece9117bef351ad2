#include "src/ops/gemm/kernels.h"

#include "src/backends/backend.h"
#include "src/backends/cpu/isa.h"
#include "src/ops/common/kernel_table.h"

namespace flashtile::inline v0_2::kernels {
FLASHTILE_KERNEL_TABLES(kTables, GemmKernels, gemm_kernels)
}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {

const kernels::GemmKernel* find_kernel(GemmText text, const GemmProblem& problem) {
  const std::size_t room = backend::of(problem.device.type).most_threadgroup_bytes(problem.device.index);
  for (const auto& table : kernels::compiled_for(problem.device, problem.multiplied(), kernels::kTables)) {
    for (const kernels::GemmKernel& kernel : table) {
      if (kernel.text == text && kernel.a_dtype == problem.a_dtype && kernel.b_dtype == problem.b_dtype &&
          kernel.transpose_a == problem.transpose_a && kernel.transpose_b == problem.transpose_b &&
          kernel.threadgroup_bytes <= room) {
        return &kernel;
      }
    }
  }
  return nullptr;
}

std::string describe(const kernels::GemmKernel& kernel, const GemmProblem& problem) {
  return std::string(name(kernel.text)) + " " + name(kernel.a_dtype) + " x " + name(kernel.b_dtype) + " " +
         backend::kernel_target(problem.device, problem.multiplied()) + " " + std::to_string(kernel.tile_m) +
         "x" + std::to_string(kernel.tile_n) + "x" + std::to_string(kernel.tile_k);
}

}  // namespace flashtile::inline v0_2::ops
