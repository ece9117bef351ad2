// launch() on CPU queues: the grid as one row of threadgroups, x fastest. Included by flashtile/launch.h.
#pragma once

#include <cstring>
#include <string>

#include "flashtile/error.h"

namespace flashtile {

template <class Kernel>
void launch(const Queue& queue, Grid grid, const typename Kernel::Params& params) {
  using Threadgroup = typename Kernel::Threadgroup;
  static_assert(alignof(Threadgroup) <= 64, "launch: threadgroup memory is aligned to 64 bytes");
  if (queue.device().type != DeviceType::cpu) {
    throw Error(ErrorCode::unsupported,
                "launch: this kernel was compiled for CPUs; the queue is of " + name(queue.device()));
  }
  std::int64_t plane = 0, count = 0;
  if (grid.x < 0 || grid.y < 0 || grid.z < 0 || __builtin_mul_overflow(grid.x, grid.y, &plane) ||
      __builtin_mul_overflow(plane, grid.z, &count)) {
    throw Error(ErrorCode::invalid_argument,
                "launch: the grid is " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
                    std::to_string(grid.z) + "; expected sizes of 0 or more and fewer than 2^63 threadgroups");
  }
  struct Context {
    typename Kernel::Params params;
    Grid grid;
  };
  const Context context{params, grid};
  detail::run_on_cpu(
      queue, count, sizeof(Threadgroup), Kernel::kSimdgroups,
      [](const void* shared, std::int64_t i, void* memory) {
        const Context& c = *static_cast<const Context*>(shared);
        const std::int64_t row = i / c.grid.x;
#if defined(FLASHTILE_POISON)
        if (primitives::simdgroup_index_in_threadgroup() == 0)
          std::memset(memory, 0xff, sizeof(Threadgroup));  // NaN in every type
        primitives::threadgroup_barrier();
#endif
        Kernel::run(c.params, *static_cast<Threadgroup*>(memory),
                    GridPosition{i % c.grid.x, row % c.grid.y, row / c.grid.y});
      },
      &context);
}

}  // namespace flashtile
