#include "src/ops/attention/key_parts.h"

#include <algorithm>
#include <limits>

#include "src/backends/backend.h"

namespace flashtile::inline v0_2::ops {
namespace {

using kernels::AttentionKernel;

/// Sums of more keys than so many lose digits: the bounds of results count on no longer chains.
constexpr std::int64_t kLongestPart = std::int64_t{1} << 16;
/// What a threadgroup takes before its first and after its last block of keys, and what the merge takes, in times of a
/// block.
constexpr std::int64_t kEnds = 2, kMerge = 6;
/// A threadgroup's even share has at least so many blocks.
constexpr std::int64_t kSmallestShare = 2;

Tiling tiling_of(const AttentionKernel* kernel, const AttentionProblem& problem, std::int64_t group) {
  const std::int64_t rows = problem.query_length * group;
  const std::int64_t heads = problem.query_heads / group;
  return {kernel, static_cast<int>(group), rows,
          problem.batch * heads * divided_up(rows, kernel->tile_queries)};
}

/// Rows that are computed, those that fill tiles up included.
std::int64_t padded_rows(const Tiling& tiling) { return tiling.tiles * tiling.kernel->tile_queries; }

/// The tiles of the heads themselves, or of groups of heads where those have much less to compute.
Tiling best_tiling(AttentionText text, const AttentionProblem& problem) {
  const Tiling heads = tiling_of(find_kernel(text, problem), problem, 1);
  if (text != AttentionText::tensor_ops) return heads;
  const AttentionKernel* kernel = find_kernel(AttentionText::tensor_ops_groups, problem);
  const std::int64_t group = heads_of_group(problem);
  if (kernel == nullptr || problem.query_length * group > std::numeric_limits<std::int32_t>::max() / 2)
    return heads;
  const Tiling groups = tiling_of(kernel, problem, group);
  return 3 * padded_rows(groups) <= 2 * padded_rows(heads) ? groups : heads;
}

}  // namespace

int best_parts(std::int64_t tiles, std::int64_t keys, int block, std::int64_t threadgroups) {
  const std::int64_t blocks = std::max<std::int64_t>(1, divided_up(keys, block));
  const std::int64_t fewest = std::max<std::int64_t>(1, divided_up(keys, kLongestPart));
  const std::int64_t most =
      std::max(fewest, std::min(blocks, 2 * threadgroups / std::max<std::int64_t>(tiles, 1)));
  std::int64_t best = fewest, best_time = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t parts = fewest; parts <= most; ++parts) {
    const std::int64_t rounds = divided_up(tiles * parts, threadgroups);
    const std::int64_t time = rounds * (divided_up(blocks, parts) + kEnds) + (parts > 1 ? kMerge : 0);
    if (time < best_time) best = parts, best_time = time;
  }
  return static_cast<int>(best);
}

EvenShares even_shares(std::int64_t tiles, std::int64_t tile_blocks, int block, std::int64_t threadgroups) {
  const std::int64_t all = tiles * tile_blocks, even = divided_up(all, threadgroups);
  const std::int64_t blocks = std::clamp(even, kSmallestShare, kLongestPart / block);
  return {blocks, divided_up(all, blocks), static_cast<int>((tile_blocks + blocks - 2) / blocks) + 1};
}

std::int64_t longest_range(const AttentionProblem& problem, std::int64_t queries) {
  if (problem.window.left < 0 || problem.window.right < 0) return problem.kv_length;
  return std::min(problem.kv_length,
                  problem.window.left + problem.window.right + std::min(queries, problem.query_length));
}

int Deal::stored_rows() const {
  return static_cast<int>(std::min<std::int64_t>(tiling.kernel->tile_queries, tiling.rows));
}

std::size_t Deal::workspace_bytes(const AttentionProblem& problem) const {
  if (!in_parts()) return static_cast<std::size_t>(notes);
  const std::int64_t floats = kernels::part_floats(stored_rows(), static_cast<std::int32_t>(problem.value_dim));
  return static_cast<std::size_t>(tiles_at_once * parts * floats) * sizeof(float);
}

Deal deal_of(AttentionText text, const AttentionProblem& problem) {
  if (find_kernel(AttentionText::merge_parts, problem) == nullptr || problem.empty() || problem.kv_length == 0)
    return {tiling_of(find_kernel(text, problem), problem, 1), 0, 0, 0};
  Deal deal{best_tiling(text, problem), 0, 0, 0};
  const AttentionKernel& kernel = *deal.tiling.kernel;
  const backend::Backend& device = backend::of(problem.device.type);
  const std::int64_t fit = static_cast<std::int64_t>(device.most_threadgroup_bytes(problem.device.index) /
                                                     std::max<std::size_t>(kernel.threadgroup_bytes, 1));
  const std::int64_t side_by_side =
      std::clamp<std::int64_t>(kernel.threadgroups_per_unit, 1, std::max<std::int64_t>(fit, 1));
  deal.parts = best_parts(deal.tiling.tiles, longest_range(problem, kernel.tile_queries), kernel.tile_keys,
                          side_by_side * device.compute_units(problem.device.index));
  if (deal.parts == 1 && kernel.text == text) deal.parts = 0;
  if (!deal.in_parts()) {
    deal.notes = problem.hides_some() ? deal.tiling.tiles * kernel.notes_of_tile : 0;
    return deal;
  }
  deal.tiles_at_once = 1;
  const auto bytes_of_tile = static_cast<std::int64_t>(deal.workspace_bytes(problem));
  deal.tiles_at_once = std::clamp<std::int64_t>(kMostPartBytes / bytes_of_tile, 1, deal.tiling.tiles);
  return deal;
}

void run_deal(const Deal& deal, const AttentionProblem& problem, const AttentionArguments& arguments,
              Workspace& workspace, const Queue& queue) {
  kernels::AttentionParams params = params_of(problem, arguments);
  const AttentionKernel& kernel = *deal.tiling.kernel;
  std::byte* const memory = workspace.take(deal.workspace_bytes(problem));
  if (!deal.in_parts()) {
    if (deal.notes > 0)
      params.notes = {reinterpret_cast<std::uint8_t*>(memory), kernel.tile_queries, kernel.notes_of_tile};
    kernel.launch(queue, params);
    if (deal.notes > 0) find_kernel(AttentionText::exact_rows, problem)->launch(queue, params);
    return;
  }
  const AttentionKernel& merge = *find_kernel(AttentionText::merge_parts, problem);
  params.parts = {reinterpret_cast<float*>(memory),
                  0,
                  0,
                  deal.parts,
                  kernel.tile_queries,
                  deal.stored_rows(),
                  deal.tiling.group,
                  0,
                  0};
  while (params.parts.first_tile < deal.tiling.tiles) {
    params.parts.tiles = std::min(deal.tiles_at_once, deal.tiling.tiles - params.parts.first_tile);
    kernel.launch(queue, params);
    merge.launch(queue, params);
    params.parts.first_tile += params.parts.tiles;
  }
}

}  // namespace flashtile::inline v0_2::ops
