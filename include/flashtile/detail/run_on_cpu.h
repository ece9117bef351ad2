// How launch() on a CPU, and the kernels scheduled for CPUs, reach the library's threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/detail/config.h"
#include "flashtile/detail/threadgroup_on_cpu.h"
#include "flashtile/device.h"

namespace flashtile::inline v0_2::detail {
FLASHTILE_EXPORTS_BEGIN

/// Threadgroups of a grid of x * y * z. Errors: unsupported for a queue that is not the CPU's,
/// invalid_argument for negative sizes and for 2^63 threadgroups or more. Not inline, so that no code compiled
/// for one instruction set throws.
std::int64_t threadgroups_on_cpu(const Queue& queue, std::int64_t x, std::int64_t y, std::int64_t z);

/// How much stack body takes: up to about 100 KiB, or up to 512 KiB, as kernels do whose tiles lie there. A
/// thread with less left hands its share to one that has more.
enum class KernelStack { small, large };

/// Calls body(context, i, memory) for i in [0, count) on the queue's threads, in ascending order of start; memory
/// is `bytes` of scratch of that thread, 64-byte aligned. With simdgroups > 1 each call is made by that many
/// threads at once, which may use threadgroup_barrier. body runs with the default floating-point environment. The
/// first exception of body is rethrown here.
void run_on_cpu(const Queue& queue, std::int64_t count, std::size_t bytes, int simdgroups,
                void (*body)(const void* context, std::int64_t i, void* memory), const void* context,
                KernelStack stack = KernelStack::small);

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2::detail
