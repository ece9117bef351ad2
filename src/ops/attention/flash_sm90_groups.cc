#include "src/ops/attention/flash_sm90_groups.h"

#if FLASHTILE_HAS_SM90
#include <algorithm>
#include <limits>

#include "src/ops/attention/kernel/flash_sm90_tiles.h"

namespace flashtile::inline v0_2::ops {
namespace {

std::int64_t part_bytes(const GroupsDeal& deal, const AttentionProblem& problem) {
  return kernels::part_floats(deal.stored_rows, static_cast<std::int32_t>(problem.value_dim)) *
         static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

const kernels::FlashSm90GroupsKernel* groups_kernel_for(const AttentionProblem& problem) {
  std::span<const kernels::FlashSm90GroupsKernel> rows;
  if (problem.dtype == DType::bf16) rows = kernels::flash_sm90_groups_bf16_kernels();
  if (problem.dtype == DType::f16) rows = kernels::flash_sm90_groups_f16_kernels();
  if (problem.query_length * heads_of_group(problem) > std::numeric_limits<std::int32_t>::max() / 2)
    return nullptr;
  for (const kernels::FlashSm90GroupsKernel& kernel : rows) {
    if (kernel.head_dim >= std::max(problem.head_dim, problem.value_dim)) return &kernel;
  }
  return nullptr;
}

std::size_t GroupsDeal::workspace_bytes(const AttentionProblem& problem) const {
  if (tiles == 0) return 0;
  return static_cast<std::size_t>(shares(tiles_at_once).numbers(tiles_at_once) * part_bytes(*this, problem));
}

GroupsDeal groups_deal_of(const AttentionProblem& problem, int compute_units) {
  const kernels::FlashSm90GroupsKernel& kernel = *groups_kernel_for(problem);
  const std::int64_t rows = problem.query_length * heads_of_group(problem);
  GroupsDeal deal{
      &kernel,
      problem.batch * problem.kv_heads * divided_up(rows, kernel.tile_rows),
      std::max<std::int64_t>(1, divided_up(longest_range(problem, kernel.tile_rows), kernel.tile_keys)),
      0,
      static_cast<int>(std::min<std::int64_t>(kernel.tile_rows, rows)),
      std::int64_t{kernel.threadgroups_per_unit} * compute_units};
  if (deal.tiles == 0) return deal;
  // Half of the room, since there may be as many shares as tiles.
  deal.tiles_at_once = std::clamp<std::int64_t>(kMostPartBytes / 2 / part_bytes(deal, problem), 1, deal.tiles);
  return deal;
}

void run_groups_deal(const GroupsDeal& deal, const AttentionProblem& problem,
                     const AttentionArguments& arguments, Workspace& workspace, const Queue& queue) {
  kernels::AttentionParams params = params_of(problem, arguments);
  const kernels::AttentionKernel& merge = *find_kernel(AttentionText::merge_parts, problem);
  params.parts = {reinterpret_cast<float*>(workspace.take(deal.workspace_bytes(problem))),
                  0,
                  0,
                  0,
                  deal.kernel->tile_rows,
                  deal.stored_rows,
                  static_cast<std::int32_t>(heads_of_group(problem)),
                  static_cast<std::int32_t>(deal.tile_blocks),
                  0};
  while (params.parts.first_tile < deal.tiles) {
    params.parts.tiles = std::min(deal.tiles_at_once, deal.tiles - params.parts.first_tile);
    const EvenShares shares = deal.shares(params.parts.tiles);
    params.parts.count = shares.most_parts;
    params.parts.share_blocks = static_cast<std::int32_t>(shares.blocks);
    deal.kernel->launch(queue, params, shares.count);
    merge.launch(queue, params);
    params.parts.first_tile += params.parts.tiles;
  }
}

}  // namespace flashtile::inline v0_2::ops
#endif
