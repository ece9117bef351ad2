// How a call of flash.cpu runs, as a value. The kernels of an element type and instruction set make it, once a
// call; src/ops/attention/flash_cpu.cc carries it out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/dtype.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

/// The parts of the keys that are worked on apart.
struct KeySplits {
  int count;  ///< 1: no split, results go straight to the output
  int keys;   ///< of each part but the last
  int first;  ///< key of the first part, a multiple of a block of keys: no query sees one before it

  /// First key of a part, and the one after the last of the part before.
  FLASHTILE_HOST_DEVICE constexpr int begin(int split) const { return first + split * keys; }
};

/// How a call is divided into tasks: blocks of queries of one head, or of the query heads of a group side by
/// side, and parts of their keys.
struct CpuTasks {
  int group;            ///< query heads of a KV head
  int block_rows;       ///< queries of a block
  bool side_by_side;    ///< do blocks hold queries of all heads of a group?
  std::int64_t rows;    ///< queries of one unit: a head, or a group side by side
  std::int64_t blocks;  ///< of one unit
  std::int64_t units;   ///< in a batch entry
  KeySplits splits;

  /// Tasks of each KV head of an entry.
  FLASHTILE_HOST_DEVICE constexpr std::int64_t of_head() const {
    return (side_by_side ? 1 : group) * blocks * splits.count;
  }

  /// What a task is about. Blocks run backwards: under a causal mask the longest come first.
  struct Place {
    int split;
    std::int64_t block, unit, batch, kv_head;
  };
  FLASHTILE_HOST_DEVICE constexpr Place place(std::int64_t task) const {
    const std::int64_t unit = task / splits.count / blocks % units;
    return {static_cast<int>(task % splits.count), blocks - 1 - task / splits.count % blocks, unit,
            task / splits.count / blocks / units, side_by_side ? unit : unit / group};
  }
};

struct CpuSchedule;

/// One task of a stage, and the memory that it has.
struct CpuTask {
  std::int64_t index;       ///< counted over all heads
  std::int64_t first_head;  ///< the first of the KV heads that are worked on together
  std::byte* workspace;     ///< of the call
  std::byte* scratch;       ///< of the thread, 64-byte aligned
};

/// Tasks that may run on any threads, started in ascending order. A stage begins when the one before it is
/// done.
struct CpuStage {
  std::int64_t tasks = 0;  ///< of each KV head
  void (*run)(const CpuSchedule& schedule, const CpuTask& task) = nullptr;
};

/// The KV heads of a call, counted over all batch entries, are worked on `heads_at_once` at a time: first their
/// share of the tasks of `prepare`, then their share of those of `attend`. Last comes `merge`, a task for each
/// query, which merges the query's parts into its row of the output.
struct CpuSchedule {
  const char* name;  ///< "decode", "panels" or "tiles"
  const AttentionParams&
      params;  ///< those that it was made of: of some hundred bytes, so that it is not copied
  CpuTasks tasks;
  std::int64_t heads;
  std::int64_t heads_at_once;
  std::size_t workspace_bytes, scratch_bytes;
  CpuStage prepare, attend, merge;
};

/// The kernels of one element type and instruction set.
struct FlashCpuKernels {
  DType dtype;
  /// `threads`: as many as will work on it.
  CpuSchedule (*schedule)(const AttentionParams& params, int threads);
};

}  // namespace flashtile::inline v0_2::kernels
