// Attention scheduled for Hopper: threadgroups stay, and take one tile of queries after the other. In each, one
// team of simdgroups loads tiles by the copy engine, and two or three teams multiply, each 64 queries.
//
//   of a tile of queries, for each block of keys, the last first:
//     start S = Q Kᵀ;  start O += P V of the block before            (the products of one team at a time)
//     wait for S;  P' = weights of S, by an online softmax           (while the other team's products run)
//     wait for O;  P = P';  O *= correction, where the maximum grew
//   O += P V of the last block;  O /= row sum, through threadgroup memory to the output
//
// Blocks that all queries of a team see need no mask; only the others test each score.
#pragma once

#include "flashtile/launch.h"
#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/flash_sm90_loads.h"
#include "src/ops/attention/kernel/flash_sm90_order.h"
#include "src/ops/attention/kernel/flash_sm90_softmax.h"
#include "src/ops/attention/kernel/params.h"
#include "src/ops/attention/kernel/row_ends.h"
#include "src/ops/attention/kernel/score_rule.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T, class Tile>
struct AttentionFlashSm90 {
  static constexpr int kTeams = Tile::kTeams, kQ = Tile::kQ, kK = Tile::kK, kD = Tile::kD, kDv = Tile::kDv;
  static constexpr int kRows = 64, kTeam = 4;  // queries and simdgroups of a team
  static constexpr int kSimdgroups = kTeam * (kTeams + 1), kSlots = Tile::kQuerySlots, kStages = 2;
  static_assert(kDv <= kD, "flash.sm90: the output leaves through the place of its queries");

  struct Params {
    tensor_map q, k, v, out;
    AttentionParams attention;
    QueryTileOrder order;
    uint32_t* broken;  ///< set to 1 where a row may want exact_rows; nullptr where no pair is hidden
  };

  using Blocks = KeyBlocks<kK>;
  using Scope = execution_team<kTeam>;
  static constexpr matmul2d_descriptor kScores{kRows, kK, kD, false, true};
  static constexpr matmul2d_descriptor kOutput{
      kRows, kDv, kK, false, false, false, matmul2d_descriptor::mode::multiply_accumulate};
  using ScoreProduct = matmul2d<kScores, Scope>;
  using OutputProduct = matmul2d<kOutput, Scope>;

  struct Threadgroup {
    typename ScoreProduct::template left_tile_stages<T, kSlots * kTeams> q;  // of each team (kRows, kD)
    typename ScoreProduct::template right_tile_stages<T, kStages> k;         // (kK, kD)
    typename OutputProduct::template right_tile_stages<T, kStages> v;        // (kK, kDv)
    stage_ring<kSlots> queries;
    stage_ring<kStages> keys, values;
    stage_ring<2> next_tile;
    uint32_t next_number[2];
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const int team = team_index_in_threadgroup<kTeam>();
    if (team == 0 && team_is_first<kTeam>()) {
      memory.queries.init(1, kTeams * kTeam);
      memory.keys.init(1, kTeams);
      memory.values.init(1, kTeams);
      memory.next_tile.init(1, kTeams * kTeam);
      publish_barriers();
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint32_t number = static_cast<uint32_t>(at.x);
    if (team == 0) {
      give_registers<Tile::kLoadRegisters>();
      if (team_is_first<kTeam>()) FlashSm90Loads<AttentionFlashSm90>::load_tiles(p, memory, number);
    } else {
      take_registers<Tile::kMultiplyRegisters>();
      multiply_tiles(p, memory, number, team - 1);
    }
  }

 private:
  /// A tile of queries, its blocks, and those of a team's rows.
  struct TeamTile {
    QueryTile tile;
    Blocks all, mine;
  };
  static FT_FUNCTION TeamTile team_tile(FT_CONSTANT const Params& p, uint32_t number, int team) {
    const QueryTile tile = p.order.at(number, kQ);
    return {tile, Blocks::of(p.attention, tile.row, kQ),
            Blocks::of(p.attention, tile.row + team * kRows, kRows)};
  }

  /// What a multiplying team does: 64 queries of each tile.
  static FT_FUNCTION void multiply_tiles(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                         uint32_t number, int team) {
    ScoreProduct score_product;
    OutputProduct output_product;
    using Queries = decltype(tile(memory.q, 0));
    using Keys = decltype(tile(memory.k, 0));
    using Values = decltype(tile(memory.v, 0));
    auto s = score_product.template get_destination_cooperative_tensor<Queries, Keys, float>();  // (kRows, kK)
    auto weights = output_product.template get_left_input_cooperative_tensor<T, T, float>();     // (kRows, kK)
    using Weights = decltype(weights);
    auto o =
        output_product.template get_destination_cooperative_tensor<Weights, Values, float>();  // (kRows, kDv)
    LaggingSoftmax<decltype(score_product.template get_row_reduction_destination_cooperative_tensor<
                            Queries, Keys, float>())>
        softmax;  // (kRows) each
    const named_barrier<kTeam> team_barrier{1 + team};
    const team_turns<kTeams, kTeam, 1 + kTeams> turns{team};
    const auto take_turn = [&]() {
      if constexpr (Tile::kTurns) turns.take();
    };
    const auto pass_turn = [&]() {
      if constexpr (Tile::kTurns) turns.pass();
    };
    if constexpr (Tile::kTurns) turns.start();

    tile_store output;
    uint32_t item = 0;  // of the rings of keys and values: the block of keys that comes next
    if (!p.order.has(number)) return;
    TeamTile next = team_tile(p, number, team);
    for (uint32_t count = 0;; ++count) {
      const QueryTile at = next.tile;
      const int row = at.row + team * kRows;
      const Blocks all = next.all, mine = next.mine;
      auto q = tile(memory.q, memory.queries.stage(count) * kTeams + team);
      const auto leave_queries =
          [&]() {  // once the copy engine has read the last tile's output from their place
            output.when_read([&]() { memory.queries.release(kSlots == 1 ? count : count - 1); });
          };
      const auto weigh = [&](int block, bool whole) {  // S = weights of a block
        if constexpr (Tile::kAnyScore)
          map_scores(p.attention.rule, [&](auto score) { map_elements(s, score); });
        if (!whole) hide(s, p.attention, row, block * kK);
        softmax.step(s);
      };

      softmax.start(p.attention.rule.exponent);
      zero(o);
      memory.queries.wait_filled(count);
      int block = all.last;
      {
        memory.keys.wait_filled(item);
        take_turn();
        auto k = tile(memory.k, memory.keys.stage(item));
        score_product.start(q, k, s);
        pass_turn();
        wait_products<0>(s);
        memory.keys.template release_by_team<kTeam>(item);
        weigh(block, false);
        weights = output_product.template get_left_input_cooperative_tensor<T, T, float>(s);
        --block, ++item;
      }
      const auto step = [&](auto whole) {  // O += last weights V; S = weights of this block
        memory.keys.wait_filled(item);
        take_turn();
        auto k = tile(memory.k, memory.keys.stage(item));
        score_product.start(q, k, s);
        memory.values.wait_filled(item - 1);
        auto v = tile(memory.v, memory.values.stage(item - 1));
        output_product.start(weights, v, o);
        pass_turn();
        wait_products<1>(s);
        memory.keys.template release_by_team<kTeam>(item);
        weigh(block, whole.value);
        wait_products<0>(o, s);
        memory.values.template release_by_team<kTeam>(item - 1);
        weights = output_product.template get_left_input_cooperative_tensor<T, T, float>(s);
        if (softmax.grew) scale_rows(o, softmax.correction);
        --block, ++item;
      };
      if (kSlots > 1) leave_queries();
      while (block >= all.first) {
        for (; block >= all.first && (block >= mine.whole_end || block < mine.whole_first);) step(Edge());
        for (; block >= mine.whole_first && block >= all.first;) step(Whole());
      }
      memory.next_tile.wait_filled(count);
      number = memory.next_number[memory.next_tile.stage(count)];
      memory.next_tile.release_by_simdgroup(count);
      memory.values.wait_filled(item - 1);
      take_turn();
      auto v = tile(memory.v, memory.values.stage(item - 1));
      output_product.start(weights, v, o);
      pass_turn();
      const bool more = p.order.has(number);
      if (kSlots > 1 && more) next = team_tile(p, number, team);  // while the products run
      wait_products<0>(o);
      memory.values.template release_by_team<kTeam>(item - 1);

      softmax.finish();
      scale_rows(o, softmax.correction);
      if (simd_any(softmax.any_empty()))
        map_rows(o, softmax.correction,
                 [](auto mean, auto inverse) { return select(mean, 0.0f, inverse == 0.0f); });
      team_barrier.wait();  // the products of all simdgroups have read the queries, in whose place O goes
      store(o, q);
      publish_tiles();
      simdgroup_barrier(mem_flags::mem_threadgroup);
      output.template start<kDv, kTeam>(p.out, q, {row, at.head, at.batch});
      write_lse(p.attention, at.batch, at.head, row, p.attention.query_length, softmax);
      // The matrix unit multiplies hidden weights of 0 with values that may hold NaN or infinity: 0 * NaN is
      // NaN.
      if (p.broken != nullptr && simd_any(any_not_finite(o)) && simd_is_first()) *p.broken = 1;
      if (kSlots == 1) leave_queries();
      if (!more) break;
      if (kSlots == 1)
        next = team_tile(p, number, team);  // not earlier, since such tiles have no registers to spare
    }
    output.when_read([]() {});
  }

  struct Edge {
    static constexpr bool value = false;
  };
  struct Whole {
    static constexpr bool value = true;
  };

  /// The scores of pairs that the band hides, and of keys past the last, become -inf.
  template <class Scores>
  static FT_FUNCTION void hide(FT_THREAD Scores& scores, FT_CONSTANT const AttentionParams& p, int64_t row,
                               int column) {
    const TileBand band = p.band.tile(row, column, p.kv_length);
    const auto last = [=](int r) { return min(band.last(r), band.limit - 1); };
    if (band.first(kRows - 1) > 0) replace_before(scores, kMinusInfinity, [=](int r) { return band.first(r); });
    if (last(0) < kK - 1) replace_after(scores, kMinusInfinity, last);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
