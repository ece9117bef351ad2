// What a kernel asks of the CPU runtime while it runs. Called by primitives/cpu only.
#pragma once

#include "flashtile/detail/config.h"

namespace flashtile::inline v0_2::detail {
FLASHTILE_EXPORTS_BEGIN

/// Inside run_on_cpu: the index of the calling thread's simdgroup in its threadgroup, and the threadgroup's
/// barrier, which does nothing with one simdgroup and does not wait for threads that have returned from body.
int simdgroup_index_on_cpu() noexcept;
void threadgroup_barrier_on_cpu();

/// Refuses a scope of several simdgroups that is not the whole threadgroup: some of its work would be done by nobody.
void check_scope_on_cpu(int simdgroups);

/// A kernel's check failed: throws invalid_argument, which run_on_cpu hands to the caller of launch.
[[noreturn]] void refuse_on_cpu(const char* why);

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2::detail
