// What a kernel asks of the CPU runtime while it runs. Called by primitives/cpu only.
#pragma once

namespace flashtile::detail {
#pragma GCC visibility push(default)  // exported by a shared library

/// Inside run_on_cpu: the index of the calling thread's simdgroup in its threadgroup, and the threadgroup's
/// barrier, which does nothing with one simdgroup and does not wait for threads that have returned from body.
int simdgroup_index_on_cpu() noexcept;
void threadgroup_barrier_on_cpu();

/// A kernel's check failed: throws invalid_argument, which run_on_cpu hands to the caller of launch.
[[noreturn]] void refuse_on_cpu(const char* why);

#pragma GCC visibility pop
}  // namespace flashtile::detail
