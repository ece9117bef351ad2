// Which blocks of keys tiles of queries of flash.sm90 need, and the team that loads them.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/flash_sm90_order.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;  // kernel text names the primitives without a prefix

/// Blocks of kK keys, first ... last, that a number of queries need; those of [whole_first, whole_end) are seen by all of
/// them. At least one, so that rows without a key have nothing of their own.
template <int kK>
struct KeyBlocks {
  int first, last, whole_first, whole_end;

  static FT_FUNCTION KeyBlocks of(FT_CONSTANT const AttentionParams& p, int row, int rows) {
    const int end_row = row + rows < p.query_length ? row + rows : p.query_length;
    const KeyRange keys = p.band.keys(row, end_row - 1, p.kv_length);
    const int first = keys.begin / kK, last = (keys.end + kK - 1) / kK - 1;
    return {first, last > first ? last : first, (keys.whole_begin + kK - 1) / kK, keys.whole_end / kK};
  }
};

/// The loading team of a kernel, AttentionFlashSm90.
template <class Kernel>
struct FlashSm90Loads {
  using Params = typename Kernel::Params;
  using Threadgroup = typename Kernel::Threadgroup;
  using Blocks = KeyBlocks<Kernel::kK>;

  /// What the loading team does, one thread of it. Keys come one block ahead of values, also from tile to tile.
  static FT_FUNCTION void load_tiles(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                     uint32_t number) {
    const auto load_keys = [&](uint32_t item, int block, const QueryTile& tile) {
      memory.keys.wait_empty(item);
      memory.keys.expect(item, tile_bytes(memory.k));
      load_tile_async(memory.k, memory.keys.stage(item), p.k, {block * Kernel::kK, tile.kv_head, tile.batch},
                      memory.keys.barrier_of(item));
    };
    const auto load_values = [&](uint32_t item, int block, const QueryTile& tile) {
      memory.values.wait_empty(item);
      memory.values.expect(item, tile_bytes(memory.v));
      load_tile_async(memory.v, memory.values.stage(item), p.v, {block * Kernel::kK, tile.kv_head, tile.batch},
                      memory.values.barrier_of(item));
    };
    if (!p.order.has(number)) return;
    QueryTile tile = p.order.at(number, Kernel::kQ);
    Blocks blocks = Blocks::of(p.attention, tile.row, Kernel::kQ);
    uint32_t item = 0;  // of the rings of keys and values: the block of values that comes next
    load_keys(item, blocks.last, tile);
    for (uint32_t count = 0;; ++count) {
      // Asked for now, since the answer takes as long as a few blocks.
      number = p.order.next == nullptr ? number + p.order.threadgroups
                                       : p.order.threadgroups + atomic_fetch_add(*p.order.next, 1u);
      memory.queries.wait_empty(count);
      memory.queries.expect(count, Kernel::kTeams * tile_bytes(memory.q));
      FT_NO_UNROLL for (int team = 0; team < Kernel::kTeams; ++team) {
        load_tile_async(memory.q, memory.queries.stage(count) * Kernel::kTeams + team, p.q,
                        {tile.row + team * Kernel::kRows, tile.head, tile.batch},
                        memory.queries.barrier_of(count));
      }
      int block = blocks.last;
      FT_NO_UNROLL for (; block > blocks.first; --block, ++item) {
        load_keys(item + 1, block - 1, tile);
        load_values(item, block, tile);
      }
      memory.next_tile.wait_empty(count);
      memory.next_number[memory.next_tile.stage(count)] = number;
      memory.next_tile.filled(count);
      const bool more = p.order.has(number);
      const QueryTile now = tile;
      if (more) {
        tile = p.order.at(number, Kernel::kQ);
        blocks = Blocks::of(p.attention, tile.row, Kernel::kQ);
        load_keys(item + 1, blocks.last, tile);
      }
      load_values(item++, block, now);
      if (!more) return;
    }
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
