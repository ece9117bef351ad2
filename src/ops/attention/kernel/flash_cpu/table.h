// What the library sees of flash.cpu's kernels: one table of functions for each instruction set and element
// type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/ops/attention/kernel/params.h"

namespace flashtile::kernels {

/// A call goes over its KV heads, of all batch entries, `heads_at_once` together: their share of the
/// `prepare_tasks` calls of prepare, then their share of the `tasks` calls of run, in ascending order of start.
/// Last come `merge_tasks` calls of merge, one for each query: its parts into its row of the output. Each stage
/// on any threads, none before the one before it is done.
struct FlashCpuKernels {
  const char* (*name)(const AttentionParams&);
  std::size_t (*workspace_bytes)(const AttentionParams&, std::int64_t heads_at_once);
  std::size_t (*scratch_bytes)(const AttentionParams&);  ///< of a thread, 64-byte aligned
  std::int64_t (*prepare_tasks)(const AttentionParams&);
  std::int64_t (*tasks)(const AttentionParams&);
  std::int64_t (*merge_tasks)(const AttentionParams&);
  /// first_head: of those that are worked on together.
  void (*prepare)(const AttentionParams&, void* workspace, std::int64_t first_head, std::int64_t task,
                  void* scratch);
  void (*run)(const AttentionParams&, void* workspace, std::int64_t first_head, std::int64_t task,
              void* scratch);
  void (*merge)(const AttentionParams&, void* workspace, std::int64_t query);
};

}  // namespace flashtile::kernels
