// What the library sees of flash.cpu's kernels: one table of functions for each
// instruction set and element type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

/// How a call runs. Its KV heads, counted over all batch entries, are worked on `heads_at_once` at a time:
/// first their share of the `prepare_tasks` calls of prepare, then their share of the `tasks` calls of
/// run, started in ascending order. Last come `merge_tasks` calls of merge, one a query, which merge the
/// query's parts into its row of the output. The calls of a stage may run on any threads; a stage begins
/// when the one before it is done.
struct FlashCpuKernels {
  const char* (*name)(const AttentionParams&);
  std::size_t (*workspace_bytes)(const AttentionParams&, std::int64_t heads_at_once);
  std::size_t (*scratch_bytes)(const AttentionParams&);  ///< of a thread, 64-byte aligned
  std::int64_t (*prepare_tasks)(const AttentionParams&);
  std::int64_t (*tasks)(const AttentionParams&);
  std::int64_t (*merge_tasks)(const AttentionParams&);
  /// first_head: the first of the KV heads that are worked on together.
  void (*prepare)(const AttentionParams&, void* workspace, std::int64_t first_head, std::int64_t task,
                  void* scratch);
  void (*run)(const AttentionParams&, void* workspace, std::int64_t first_head, std::int64_t task,
              void* scratch);
  void (*merge)(const AttentionParams&, void* workspace, std::int64_t query);
};

}  // namespace flashtile::inline v0_2::kernels
