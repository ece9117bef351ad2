// How a GPU's threadgroups share a call: which kernel of a text, and in how many parts the keys of each tile of queries
// are dealt out. Called by the ways that launch one kernel text, and by flash.sm90.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "src/ops/attention/kernels.h"
#include "src/ops/common/workspace.h"

namespace flashtile::inline v0_2::ops {

constexpr std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Query heads that share a KV head; also of a call without heads.
inline std::int64_t heads_of_group(const AttentionProblem& problem) {
  return problem.query_heads / std::max<std::int64_t>(problem.kv_heads, 1);
}

/// The tiles of queries of a call on one kernel.
struct Tiling {
  const kernels::AttentionKernel* kernel;
  int group;           ///< query heads whose rows share tiles
  std::int64_t rows;   ///< of such a group
  std::int64_t tiles;  ///< in all
};

/// A call as it is dealt out.
struct Deal {
  Tiling tiling;
  int parts;                   ///< of a tile's keys; 0: not dealt out, each threadgroup writes its own rows
  std::int64_t tiles_at_once;  ///< whose parts the workspace holds

  bool in_parts() const { return parts > 0; }
  /// Of a call that is not dealt out: notes of its tiles, where exact_rows may have to mend rows of some.
  std::int64_t notes;
  int stored_rows() const;
  std::size_t workspace_bytes(const AttentionProblem& problem) const;
};

/// In how many parts so many threadgroups at a time best sum the keys of `tiles` tiles of at most `keys` keys, which a
/// kernel takes in blocks of `block`. Depends on nothing else, so that results repeat.
int best_parts(std::int64_t tiles, std::int64_t keys, int block, std::int64_t threadgroups);

/// Blocks of keys that are dealt out evenly, whatever tiles they belong to; see kernel/params.h.
struct EvenShares {
  std::int64_t blocks;  ///< of a share; the last may have fewer
  std::int64_t count;
  int most_parts;  ///< of a tile

  /// Parts of tiles are numbered below this.
  std::int64_t numbers(std::int64_t tiles) const { return tiles + count; }
};
/// For `tiles` tiles of `tile_blocks` blocks of `block` keys each, and so many threadgroups at a time.
EvenShares even_shares(std::int64_t tiles, std::int64_t tile_blocks, int block, std::int64_t threadgroups);

/// The most keys that `queries` adjacent queries of a call see together.
std::int64_t longest_range(const AttentionProblem& problem, std::int64_t queries);

/// Parts of so many bytes are in memory at once; more tiles than have room follow them.
inline constexpr std::int64_t kMostPartBytes = std::int64_t{256} << 20;

/// The deal of a call on the kernels of a text, one of which there must be.
Deal deal_of(AttentionText text, const AttentionProblem& problem);

/// Queues the call.
void run_deal(const Deal& deal, const AttentionProblem& problem, const AttentionArguments& arguments,
              Workspace& workspace, const Queue& queue);

}  // namespace flashtile::inline v0_2::ops
