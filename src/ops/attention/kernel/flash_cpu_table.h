// What the library sees of flash.cpu's kernels: one table of functions for each instruction set and element
// type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/ops/attention/kernel/params.h"

namespace flashtile::kernels {

/// A call is `tasks` calls of run, on any threads and in ascending order of start; then, when the workspace is
/// not empty, merge for each query: its parts into its row of the output.
struct FlashCpuKernels {
  const char* (*name)(const AttentionParams&);
  std::size_t (*workspace_bytes)(const AttentionParams&);
  std::size_t (*scratch_bytes)(const AttentionParams&);  ///< of a thread, 64-byte aligned
  std::int64_t (*tasks)(const AttentionParams&);
  void (*run)(const AttentionParams&, void* workspace, std::int64_t task, void* scratch);
  void (*merge)(const AttentionParams&, void* workspace, std::int64_t query);
};

}  // namespace flashtile::kernels
