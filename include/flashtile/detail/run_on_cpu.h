// How the CPU's launch() reaches the library's threads. Called by primitives/cpu only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/device.h"

namespace flashtile::detail {
#pragma GCC visibility push(default)  // exported by a shared library

/// Calls body(context, i, memory) for i in [0, count) on the queue's threads, in ascending order of start;
/// memory is `bytes` of scratch of that thread, 64-byte aligned. With simdgroups > 1 each call is made by that
/// many threads at once, which may use the barrier below. The first exception of body is rethrown here.
void run_on_cpu(const Queue& queue, std::int64_t count, std::size_t bytes, int simdgroups,
                void (*body)(const void* context, std::int64_t i, void* memory), const void* context);

/// Inside run_on_cpu: which simdgroup of its threadgroup the calling thread is, and the threadgroup's barrier,
/// which is nothing with one simdgroup. A thread that has returned from body is not waited for.
int simdgroup_index_on_cpu() noexcept;
void threadgroup_barrier_on_cpu();

#pragma GCC visibility pop
}  // namespace flashtile::detail
