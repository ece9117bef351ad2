#include "src/ops/attention/kernels.h"

#include <algorithm>

#include "src/backends/backend.h"
#include "src/backends/cpu/isa.h"

namespace flashtile::kernels {

// Each defined by the translation unit that is compiled for it.
#define FLASHTILE_DECLARE_KERNELS(backend, isa)         \
  namespace backend {                                   \
  std::span<const AttentionKernel> attention_kernels(); \
  }
FLASHTILE_CPU_BACKENDS(FLASHTILE_DECLARE_KERNELS)
#if FLASHTILE_HAS_CUDA
FLASHTILE_DECLARE_KERNELS(cuda, )
#endif
#undef FLASHTILE_DECLARE_KERNELS

}  // namespace flashtile::kernels

namespace flashtile::ops {
namespace {

std::span<const kernels::AttentionKernel> compiled_for(Device device) {
  switch (device.type) {
    case DeviceType::cpu:
#define FLASHTILE_TAKE(backend_name, isa) \
  if (backend::kernel_isa() == backend::Isa::isa) return kernels::backend_name::attention_kernels();
      FLASHTILE_CPU_BACKENDS(FLASHTILE_TAKE)
#undef FLASHTILE_TAKE
      return {};
    case DeviceType::cuda:
#if FLASHTILE_HAS_CUDA
      return kernels::cuda::attention_kernels();
#else
      return {};
#endif
    case DeviceType::metal: return {};
  }
  return {};
}

/// What kernels are compiled for: the CPU's instruction set; the device type elsewhere.
std::string target(Device device) {
  return device.type == DeviceType::cpu ? std::string(backend::name(backend::kernel_isa())) : name(device);
}

}  // namespace

const kernels::AttentionKernel* find_kernel(std::string_view text, const AttentionProblem& problem) {
  const kernels::AttentionKernel* found = nullptr;
  const std::int64_t widest = std::max(problem.head_dim, problem.value_dim);
  const std::size_t room = backend::of(problem.device.type).most_threadgroup_bytes(problem.device.index);
  for (const kernels::AttentionKernel& kernel : compiled_for(problem.device)) {
    if (kernel.text != text || kernel.dtype != problem.dtype) continue;
    if (kernel.head_dim != 0 && kernel.head_dim < widest) continue;
    if (kernel.threadgroup_bytes > room) continue;
    if (found == nullptr || kernel.head_dim < found->head_dim) found = &kernel;
  }
  return found;
}

std::string describe(const kernels::AttentionKernel& kernel, const AttentionProblem& problem) {
  std::string text = std::string(kernel.text) + " " + name(kernel.dtype) + " " + target(problem.device);
  if (kernel.tile_queries != 0) {
    text += " " + std::to_string(kernel.tile_queries) + "x" + std::to_string(kernel.tile_keys) + "x" +
            std::to_string(kernel.head_dim);
  }
  return text;
}

}  // namespace flashtile::ops
