// What a kernel asks of the CPU runtime while it runs. Called by primitives/cpu only.
#pragma once

namespace flashtile::detail {
#pragma GCC visibility push(default)  // exported by a shared library

/// Inside run_on_cpu: which simdgroup of its threadgroup the calling thread is, and the threadgroup's barrier,
/// which is nothing with one simdgroup. A thread that has returned from body is not waited for.
int simdgroup_index_on_cpu() noexcept;
void threadgroup_barrier_on_cpu();

/// A kernel's check failed: throws invalid_argument, which run_on_cpu hands to the caller of launch.
[[noreturn]] void refuse_on_cpu(const char* why);

#pragma GCC visibility pop
}  // namespace flashtile::detail
