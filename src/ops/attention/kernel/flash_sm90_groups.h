// Attention of few queries on Hopper, where what takes time is that keys and values arrive. The heads that share a KV head
// share tiles of 64 rows, so that their keys are read once; and the blocks of keys of all tiles are dealt out to the
// threadgroups in even shares, whatever tiles they belong to.
//
//   one team, of which one thread works, asks the copy engine for the blocks of its share, as far ahead as there is room
//   the other multiplies, for each tile that its share touches:
//     load Q;  for each block of keys: S = Q Kᵀ;  P = weights of S, by an online softmax;  O = O * correction + P V
//     store what this part of the tile's keys comes to
//
// merge_parts.h adds up the parts and ends the rows.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/flash_sm90_softmax.h"
#include "src/ops/attention/kernel/flash_sm90_tiles.h"
#include "src/ops/attention/kernel/head_group.h"
#include "src/ops/attention/kernel/key_parts.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T, class Tile>
struct AttentionFlashSm90Groups {
  static constexpr int kQ = 64, kK = Tile::kK, kD = Tile::kD, kStages = Tile::kStages;
  static constexpr int kTeam = 4, kSimdgroups = 2 * kTeam, kThreadgroupsPerUnit = Tile::kPerUnit;
  static constexpr int kPageRows = kFlashSm90PageRows;  // that are copied at a time where keys lie in pages

  struct Params {
    tensor_map k, v;
    AttentionParams attention;  ///< with even shares
  };

  using Scope = execution_team<kTeam>;
  static constexpr matmul2d_descriptor kScores{kQ, kK, kD, false, true};
  static constexpr matmul2d_descriptor kOutput{
      kQ, kD, kK, false, false, false, matmul2d_descriptor::mode::multiply_accumulate};
  using ScoreProduct = matmul2d<kScores, Scope>;
  using OutputProduct = matmul2d<kOutput, Scope>;

  struct Threadgroup {
    typename ScoreProduct::template left_tile_stages<T, 1> q;          // (kQ, kD)
    typename ScoreProduct::template right_tile_stages<T, kStages> k;   // (kK, kD)
    typename OutputProduct::template right_tile_stages<T, kStages> v;  // (kK, kD)
    stage_ring<kStages> keys, values;
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const int team = team_index_in_threadgroup<kTeam>();
    if (team == 0 && team_is_first<kTeam>()) {
      memory.keys.init(1, 1);
      memory.values.init(1, 1);
      publish_barriers();
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (team == 0) {
      if constexpr (Tile::kPerUnit > 1) give_registers<40>();
      if (team_is_first<kTeam>()) load_blocks(p, memory, at.x);
    } else {
      if constexpr (Tile::kPerUnit > 1) take_registers<216>();
      multiply_blocks(p.attention, memory, at.x);
    }
  }

 private:
  /// The part of one tile's keys that begins at a block of a share.
  struct Part {
    HeadGroup<T> heads;
    int row;        ///< the tile's first
    KeyRange keys;  ///< of this part
    int64_t number, blocks;
  };
  static FT_FUNCTION Part part_at(FT_CONSTANT const AttentionParams& p, int64_t share, int64_t block) {
    FT_CONSTANT const KeyParts& parts = p.parts;
    const int64_t tile = block / parts.tile_blocks, first = block - tile * parts.tile_blocks;
    const int64_t left = end_of(p, share) - block;
    const int64_t blocks = parts.tile_blocks - first < left ? parts.tile_blocks - first : left;
    const TilePlace place = tile_at(p, parts.first_tile + tile);
    const HeadGroup<T> heads(p, place.batch, place.head);
    const KeyRange all = heads.keys_of(place.row, kQ);
    // A tile that has fewer blocks than the longest spreads them over its parts.
    const int64_t begin = p.pages.given() ? all.begin / kPageRows * kPageRows : all.begin;
    const int64_t own_blocks = (all.end - begin + kK - 1) / kK;
    const auto key_of = [&](int64_t i) {
      const int64_t key = begin + i * own_blocks / parts.tile_blocks * kK;
      return key < all.end ? static_cast<int>(key) : all.end;
    };
    const int end = key_of(first + blocks);
    return {heads,
            static_cast<int>(place.row),
            {key_of(first), all.whole_begin, all.whole_end < end ? all.whole_end : end, end},
            tile + share,
            blocks};
  }
  static FT_FUNCTION int64_t end_of(FT_CONSTANT const AttentionParams& p, int64_t share) {
    const int64_t all = p.parts.tiles * p.parts.tile_blocks, end = (share + 1) * p.parts.share_blocks;
    return end < all ? end : all;
  }
  /// f(part) for the parts of a share.
  template <class F>
  static FT_FUNCTION void for_each_part(FT_CONSTANT const AttentionParams& p, int64_t share, F f) {
    const int64_t end = end_of(p, share);
    for (int64_t block = share * p.parts.share_blocks; block < end;) {
      const Part part = part_at(p, share, block);
      f(part);
      block += part.blocks;
    }
  }

  /// What the loading team does, one thread of it.
  static FT_FUNCTION void load_blocks(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                      int64_t share) {
    uint32_t item = 0;
    for_each_part(p.attention, share, [&](FT_THREAD const Part& part) {
      const int there = part.heads.entry().kv_length;
      FT_NO_UNROLL for (int column = part.keys.begin; column < part.keys.end; column += kK, ++item) {
        load_rows(p, p.k, memory.k, memory.keys, item, part, column, there);
        load_rows(p, p.v, memory.v, memory.values, item, part, column, there);
      }
    });
  }
  /// Asks for kK keys, or values, from key `column` on. Of pages only for those that are there: behind them, the table may end.
  template <class Stages>
  static FT_FUNCTION void load_rows(FT_CONSTANT const Params& p, FT_CONSTANT const tensor_map& map,
                                    FT_THREADGROUP Stages& stages, FT_THREADGROUP stage_ring<kStages>& ring,
                                    uint32_t item, FT_THREAD const Part& part, int column, int there) {
    const int kv_head = static_cast<int>(part.heads.kv_head), stage = ring.stage(item);
    const auto place_of = [&](int key) {
      const KeyPlace at = key_place(p.attention, part.heads.batch, key);
      return tile_place{static_cast<int>(at.row), kv_head, static_cast<int>(at.entry)};
    };
    ring.wait_empty(item);
    if (!p.attention.pages.given()) {
      ring.expect(item, tile_bytes(stages));
      load_tile_async(stages, stage, map, place_of(column), ring.barrier_of(item));
      return;
    }
    const int left = there - column, boxes = ((left < kK ? left : kK) + kPageRows - 1) / kPageRows;
    ring.expect(item, boxes * box_bytes<kPageRows>(stages));
    FT_NO_UNROLL for (int row = 0; row < boxes * kPageRows; row += kPageRows) {
      load_box_async<kPageRows>(stages, stage, row, map, place_of(column + row), ring.barrier_of(item));
    }
  }

  /// What the multiplying team does.
  static FT_FUNCTION void multiply_blocks(FT_CONSTANT const AttentionParams& p,
                                          FT_THREADGROUP Threadgroup& memory, int64_t share) {
    ScoreProduct score_product;
    OutputProduct output_product;
    using Queries = decltype(tile(memory.q, 0));
    using Keys = decltype(tile(memory.k, 0));
    using Values = decltype(tile(memory.v, 0));
    auto s = score_product.template get_destination_cooperative_tensor<Queries, Keys, float>();  // (kQ, kK)
    auto weights = output_product.template get_left_input_cooperative_tensor<T, T, float>();     // (kQ, kK)
    using Weights = decltype(weights);
    auto o = output_product.template get_destination_cooperative_tensor<Weights, Values, float>();  // (kQ, kD)
    LaggingSoftmax<decltype(score_product.template get_row_reduction_destination_cooperative_tensor<
                            Queries, Keys, float>())>
        softmax;  // (kQ) each
    const named_barrier<kTeam> team{1};
    uint32_t item = 0;  // of the rings
    for_each_part(p, share, [&](FT_THREAD const Part& part) {
      team.wait();  // the products of all simdgroups have read the queries before
      part.heads.template load_queries<Scope>(memory.q, part.row);
      zero(o);
      softmax.start(p.rule.exponent);
      const int there = part.heads.entry().kv_length;
      wait_tiles<0>(team);
      auto q = tile(memory.q, 0);
      for (int column = part.keys.begin; column < part.keys.end; column += kK, ++item) {
        memory.keys.wait_filled(item);
        auto k = tile(memory.k, memory.keys.stage(item));
        score_product.start(q, k, s);
        wait_products<0>(s);
        memory.keys.template release_by_team<kTeam>(item);
        apply_rule(s, s, part.heads, part.keys, part.row, column, kK);
        softmax.step(s);
        weights = output_product.template get_left_input_cooperative_tensor<T, T, float>(s);
        if (softmax.grew) scale_rows(o, softmax.correction);
        memory.values.wait_filled(item);
        if (column + kK > there) {  // what lies behind the entry's last value may be NaN, and 0 * NaN is NaN
          clear_rows<Scope>(memory.v, memory.values.stage(item), there - column);
          publish_tiles();
          team.wait();
        }
        auto v = tile(memory.v, memory.values.stage(item));
        output_product.start(weights, v, o);
        wait_products<0>(o);
        memory.values.template release_by_team<kTeam>(item);
      }
      share_rows(softmax.sum, reduction_operation::sum);
      store_part(PartSums(p, part.number), 0, part.heads.rows() - part.row, o, softmax);
    });
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
