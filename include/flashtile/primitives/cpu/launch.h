// launch() on CPU queues: runs the threadgroups of the grid as one sequence, x fastest.
// Included by flashtile/launch.h.
#pragma once

#include <cstring>

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {

template <class Kernel>
void launch(const Queue& queue, Grid grid, const typename Kernel::Params& params) {
  FLASHTILE_CHECK_KERNEL_NAMESPACE(Kernel);
  using Threadgroup = typename Kernel::Threadgroup;
  static_assert(alignof(Threadgroup) <= 64, "launch: threadgroup memory is aligned to 64 bytes");
  const std::int64_t count = detail::threadgroups_on_cpu(queue, grid.x, grid.y, grid.z);
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
      &context, detail::KernelStack::large);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
