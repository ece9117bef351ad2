// What makes a Metal kernel of a kernel struct. Included last by the files that list a family's instances.
//
// Params is one buffer as it is: its pointers are GPU addresses, which Metal 3 has. The grid counts threadgroups. A file whose
// kernels have several simdgroups defines FLASHTILE_SEVERAL_SIMDGROUPS first (metal/primitives.h).
#pragma once

#include "flashtile/detail/grid.h"
#include "flashtile/primitives.h"

namespace flashtile::inline v0_2 {
inline namespace FLASHTILE_BACKEND {

template <class Kernel>
[[kernel, max_total_threads_per_threadgroup(32 * Kernel::kSimdgroups)]] void run_on_apple_gpu(
    constant typename Kernel::Params& params [[buffer(0)]], uint3 at [[threadgroup_position_in_grid]]) {
#if !defined(FLASHTILE_SEVERAL_SIMDGROUPS)
  static_assert(Kernel::kSimdgroups == 1, "kernels of several simdgroups need FLASHTILE_SEVERAL_SIMDGROUPS");
#endif
  static_assert(sizeof(typename Kernel::Threadgroup) <= 16384,
                "a kernel has 16 KiB of threadgroup memory: Metal's shader validation takes half of the 32");
  threadgroup typename Kernel::Threadgroup memory;
  Kernel::run(params, memory, GridPosition{at.x, at.y, at.z});
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2

/// In namespace flashtile: compiles a kernel struct under a name.
#define FT_KERNEL(name, ...) \
  template [[host_name(name)]] [[kernel]] decltype(run_on_apple_gpu<__VA_ARGS__>) run_on_apple_gpu<__VA_ARGS__>;
