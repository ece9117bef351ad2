#include "src/ops/gemm/kernels.h"

#include "src/backends/backend.h"
#include "src/backends/cpu/isa.h"

namespace flashtile::kernels {

// Each defined by the translation unit that is compiled for it.
#define FLASHTILE_DECLARE_KERNELS(backend, isa) \
  namespace backend {                           \
  std::span<const GemmKernel> gemm_kernels();   \
  }
FLASHTILE_CPU_BACKENDS(FLASHTILE_DECLARE_KERNELS)
#if FLASHTILE_HAS_CUDA
FLASHTILE_DECLARE_KERNELS(cuda, )
#endif
#undef FLASHTILE_DECLARE_KERNELS

}  // namespace flashtile::kernels

namespace flashtile::ops {
namespace {

std::span<const kernels::GemmKernel> compiled_for(Device device) {
  switch (device.type) {
    case DeviceType::cpu:
#define FLASHTILE_TAKE(backend_name, isa) \
  if (backend::kernel_isa() == backend::Isa::isa) return kernels::backend_name::gemm_kernels();
      FLASHTILE_CPU_BACKENDS(FLASHTILE_TAKE)
#undef FLASHTILE_TAKE
      return {};
    case DeviceType::cuda:
#if FLASHTILE_HAS_CUDA
      return kernels::cuda::gemm_kernels();
#else
      return {};
#endif
    case DeviceType::metal: return {};
  }
  return {};
}

}  // namespace

const kernels::GemmKernel* find_kernel(std::string_view text, const GemmProblem& problem) {
  const std::size_t room = backend::of(problem.device.type).most_threadgroup_bytes(problem.device.index);
  for (const kernels::GemmKernel& kernel : compiled_for(problem.device)) {
    if (kernel.text == text && kernel.a_dtype == problem.a_dtype && kernel.b_dtype == problem.b_dtype &&
        kernel.transpose_a == problem.transpose_a && kernel.transpose_b == problem.transpose_b &&
        kernel.threadgroup_bytes <= room) {
      return &kernel;
    }
  }
  return nullptr;
}

std::string describe(const kernels::GemmKernel& kernel, const GemmProblem& problem) {
  const std::string target = problem.device.type == DeviceType::cpu
                                 ? std::string(backend::name(backend::kernel_isa()))
                                 : name(problem.device);
  return std::string(kernel.text) + " " + name(kernel.a_dtype) + " x " + name(kernel.b_dtype) + " " + target +
         " " + std::to_string(kernel.tile_m) + "x" + std::to_string(kernel.tile_n) + "x" +
         std::to_string(kernel.tile_k);
}

}  // namespace flashtile::ops
