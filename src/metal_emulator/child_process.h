// Runs kernels in a child process, so that one that crashes, hangs or eats memory ends alone.
#pragma once

#include <cstdint>
#include <functional>

namespace flashtile::metal_emulator {

struct ChildLimits {
  int seconds = 60;  ///< of processor time, or ten times as many by the clock
  std::uint64_t memory_bytes = std::uint64_t{8} << 30;  ///< of address space; 0: no limit
};

/// What became of a child.
struct ChildResult {
  enum class End { exited, signalled, timed_out } end = End::exited;
  int code = 0;  ///< what `body` returned, or the signal
};

/// Runs `body` in a fork of this process, without core dumps and within the limits. A crash inside a kernel is reported on
/// standard error with kernel and line, and counts as code 1. Errors: internal when the system cannot fork.
ChildResult run_in_child(const ChildLimits& limits, const std::function<int()>& body);

}  // namespace flashtile::metal_emulator
