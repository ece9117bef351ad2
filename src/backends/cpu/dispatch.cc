// Which copy of a kernel of one's own a queue takes.
#include "flashtile/dispatch.h"

#include "flashtile/error.h"
#include "src/backends/cpu/isa.h"

namespace flashtile::inline v0_2::detail {

int kernel_copy(const Queue& queue, bool has_cuda) {
  switch (queue.device().type) {
    case DeviceType::cpu: {
      constexpr backend::Isa kCopies[] = {
#define FLASHTILE_NAME(backend_name, isa) backend::Isa::isa,
          FLASHTILE_CPU_BACKENDS(FLASHTILE_NAME)
#undef FLASHTILE_NAME
      };
      int copy = 0;
      while (kCopies[copy] != backend::kernel_isa()) ++copy;
      return copy;
    }
    case DeviceType::cuda:
      if (has_cuda) return -1;
      break;
    case DeviceType::metal:
    case DeviceType::metal_emulated: break;
  }
  throw Error(ErrorCode::unsupported, "launch: this kernel was compiled for CPUs; the queue is of " +
                                          name(queue.device()) +
                                          "; give flashtile_add_kernels a .cu file and a flashtile with CUDA");
}

}  // namespace flashtile::inline v0_2::detail
