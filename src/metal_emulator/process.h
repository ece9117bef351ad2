// Runs another program and waits for it: the host compiler, and addr2line.
#pragma once

#include <string>
#include <vector>

namespace flashtile::metal_emulator {

struct ProcessResult {
  int exit_code = -1;  ///< -1: not started, or ended by a signal
  bool started = false;
  std::string output, errors;
};

/// Looks the program up on PATH; no shell is involved.
ProcessResult run_process(const std::vector<std::string>& command);

}  // namespace flashtile::metal_emulator
