// The calls of flash.sm90 that have few queries for their keys: the heads of a group share tiles, and the keys are dealt
// out evenly. Called by flash_sm90.cc, in builds with code for sm_90a.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/ops/attention/kernel/instances_sm90_table.h"
#include "src/ops/attention/key_parts.h"

namespace flashtile::inline v0_2::ops {

/// Such a call as it is dealt out.
struct GroupsDeal {
  const kernels::FlashSm90GroupsKernel* kernel;
  std::int64_t tiles, tile_blocks;  ///< in all; blocks of keys of each
  std::int64_t tiles_at_once;       ///< whose parts the workspace holds
  int stored_rows;                  ///< of a tile
  std::int64_t threadgroups;        ///< at a time

  EvenShares shares(std::int64_t of_tiles) const {
    return even_shares(of_tiles, tile_blocks, kernel->tile_keys, threadgroups);
  }
  std::int64_t padded_rows() const { return tiles * kernel->tile_rows; }
  std::size_t workspace_bytes(const AttentionProblem& problem) const;
};

/// The smallest kernel that fits, nullptr where none does.
const kernels::FlashSm90GroupsKernel* groups_kernel_for(const AttentionProblem& problem);

/// The deal of a call that a kernel fits, on a GPU of so many compute units.
GroupsDeal groups_deal_of(const AttentionProblem& problem, int compute_units);

/// Queues the call.
void run_groups_deal(const GroupsDeal& deal, const AttentionProblem& problem,
                     const AttentionArguments& arguments, Workspace& workspace, const Queue& queue);

}  // namespace flashtile::inline v0_2::ops
