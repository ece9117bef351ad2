// Attention on matmul2d and cooperative tensors: one threadgroup computes kQ rows of the output, of one head or of the
// heads that share a KV head; or what they come to over a part of their keys.
//
//   Q stays in threadgroup memory
//   for each tile of kK keys that the mask lets these queries see:
//     S = Q Kᵀ;  scale and mask S;  (P, correction) = online softmax step of S
//     O = O * correction + P V
//   O = O / row sum
//
// Tiles of K and V are loaded one ahead while the current ones are multiplied. Where Tile says so, the products
// overlap too: the scores of the next keys are computed while the last weights are multiplied with V.
#pragma once

#include "src/ops/attention/kernel/head_group.h"
#include "src/ops/attention/kernel/key_parts.h"
#include "src/ops/attention/kernel/long_sums.h"
#include "src/ops/attention/kernel/row_ends.h"
#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/attention/kernel/tiles.h"
#include "src/ops/attention/kernel/walk_tile.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T, class Tile>
struct AttentionTensorOps {
  using Params = AttentionParams;
  static constexpr FT_CONSTANT int kSimdgroups = Tile::kSimdgroups,
                                   kThreadgroupsPerUnit = Tile::kThreadgroupsPerUnit,
                                   kNotes = Tile::kNotes ? kSimdgroups : 0;
  static constexpr FT_CONSTANT int kQ = Tile::kQ, kK = Tile::kK, kD = Tile::kD;

  using Rows = typename Tile::template Rows<T>;
  using Scope = execution_simdgroups<kSimdgroups>;
  using ScoreProduct = matmul2d<matmul2d_descriptor(kQ, kK, kD, false, true), Scope>;
  using OutputProduct = matmul2d<matmul2d_descriptor(kQ, kD, kK, false, false, false,
                                                     matmul2d_descriptor::mode::multiply_accumulate),
                                 Scope>;

  struct Threadgroup {
    typename ScoreProduct::template left_tile_stages<T, 1> q;                           // (kQ, kD)
    typename ScoreProduct::template right_tile_stages<T, Tile::kStages> k;              // Stages x (kK, kD)
    typename OutputProduct::template right_tile_stages<T, Tile::kStages> v;             // Stages x (kK, kD)
    [[no_unique_address]] typename OutputProduct::template left_input_room<T> weights;  // (kQ, kK)
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const bool in_parts = keys_in_parts<Tile>(p);
    const TilePlace place = in_parts ? tile_at(p, p.parts.first_tile + at.y) : last_tile_first(p, at, kQ);
    const Rows head(p, place.batch, place.head);
    const int64_t row = place.row;
    KeyRange keys = head.keys_of(row, kQ);
    if (in_parts) keys = part_of(keys, static_cast<int>(at.x), p.parts.count, kK);
    const int number = result_number(p, in_parts, at, place, kQ);

    ScoreProduct score_product;
    OutputProduct output_product;
    using Queries = decltype(tile(memory.q, 0));
    using Keys = decltype(tile(memory.k, 0));
    using Values = decltype(tile(memory.v, 0));
    auto s = score_product.template get_destination_cooperative_tensor<Queries, Keys, float>();  // (kQ, kK)
    auto scratch =
        score_product.template get_destination_cooperative_tensor<Queries, Keys, float>();  // (kQ, kK)
    using Weights = decltype(output_product.template get_left_input_cooperative_tensor<T, T, float>(
        s, memory.weights));                                                                        // (kQ, kK)
    auto o = output_product.template get_destination_cooperative_tensor<Weights, Values, float>();  // (kQ, kD)
    OnlineSoftmax<decltype(score_product.template get_row_reduction_destination_cooperative_tensor<
                           Queries, Keys, float>())>
        softmax;  // (kQ) each

    // attend_run(run) for the runs of keys begin ... end - 1 that the queries see something of, one after another.
    const auto for_each_run = [&](int begin, int end, auto attend_run) {
      for (int from = begin;;) {
        const KeyRange rest{from, keys.whole_begin, keys.whole_end, end};
        const KeyRange run = run_of(head, rest, row, kQ, kK);
        if (run.begin >= run.end) return;
        if (p.rule.hides_pairs()) wait_tiles<Scope, 0>();  // all simdgroups are done with the run before
        attend_run(run);
        from = run.end;
      }
    };
    const auto attend = [&](FT_THREAD const KeyRange& run, int column) {  // S = weights of the keys column ...
      apply_rule(s, scratch, head, run, row, column, kK);
      softmax.step(s, p.rule.exponent);
    };
    const auto rescale = [&]() {
      map_rows(o, softmax.correction, [](auto sum, auto factor) { return sum * factor; });
    };

    head.template load_queries<Scope>(memory.q, row);
    map_elements(o, [](auto) { return 0.0f; });
    softmax.start();

    if constexpr (Tile::kSchedule == AttentionSchedule::in_turn) {
      constexpr bool kAhead = Tile::kStages == 2;  // else each tile is loaded when the one before is used up
      int stage = 0;
      const auto attend_run = [&](FT_THREAD const KeyRange& run) {
        load_keys(memory, head, stage, run.begin, run.end);
        load_values(memory, head, stage, run.begin, run.end);
        for (int column = run.begin; column < run.end; column += kK) {
          const int next = kAhead ? 1 - stage : 0;
          // Q and K are here, V may be on its way; all simdgroups are done with the tile before.
          wait_tiles<Scope, 1>();
          if constexpr (kAhead) {
            load_keys(memory, head, next, column + kK, run.end);
            load_values(memory, head, next, column + kK, run.end);
          }
          auto q = tile(memory.q, 0);
          auto k = tile(memory.k, stage);
          score_product.run(q, k, s);
          attend(run, column);
          rescale();
          auto weights =
              output_product.template get_left_input_cooperative_tensor<T, T, float>(s, memory.weights);
          wait_tiles<Scope, kAhead ? 2 : 0>();  // V is here
          auto v = tile(memory.v, stage);
          output_product.run(weights, v, o);
          if constexpr (!kAhead) {
            threadgroup_barrier(mem_flags::mem_threadgroup);
            load_keys(memory, head, next, column + kK, run.end);
            load_values(memory, head, next, column + kK, run.end);
          }
          stage = next;
        }
      };
      attend_in_chains<Tile::kChain>(keys, o, softmax, p.rule.exponent,
                                     [&](int begin, int end) { for_each_run(begin, end, attend_run); });
    } else {
      for_each_run(keys.begin, keys.end, [&](FT_THREAD const KeyRange& run) {
        load_keys(memory, head, 0, run.begin, run.end);
        load_values(memory, head, 0, run.begin, run.end);
        load_keys(memory, head, 1, run.begin + kK, run.end);
        wait_tiles<Scope, 2>();  // Q and the first K are here
        auto q = tile(memory.q, 0);
        auto first = tile(memory.k, 0);
        score_product.run(q, first, s);
        attend(run, run.begin);
        auto weights =
            output_product.template get_left_input_cooperative_tensor<T, T, float>(s, memory.weights);
        int stage = 0;
        const auto step = [&](int column, auto attend_next) {  // O += last weights V; S = weights of column ...
          const int next = 1 - stage;
          // This K and the last V are here; all simdgroups are done with the last K and the V before.
          wait_tiles<Scope, 0>();
          auto k = tile(memory.k, next);
          auto v = tile(memory.v, stage);
          score_product.start(q, k, s);
          output_product.start(weights, v, o);
          load_values(memory, head, next, column, run.end);
          load_keys(memory, head, stage, column + kK, run.end);
          wait_products<1>(s);
          attend_next(column);
          wait_products<0>(o);
          rescale();
          weights = output_product.template get_left_input_cooperative_tensor<T, T, float>(s, memory.weights);
          stage = next;
        };
        // Up to here, from the second tile on, no tile needs the rule.
        const bool plain = p.rule.is_factor && !p.rule.mask.given() && run.whole_begin <= run.begin + kK;
        const int whole_end = plain ? run.whole_end : run.begin;
        // Two loops: with a branch in one, the compiler moves the conversion of the weights past the wait for O.
        int column = run.begin + kK;
        for (; column + kK <= whole_end; column += kK)
          step(column, [&](int) { softmax.step(s, p.rule.exponent); });
        for (; column < run.end; column += kK) step(column, [&](int next) { attend(run, next); });
        wait_tiles<Scope, 1>();  // the last V is here
        auto v = tile(memory.v, stage);
        output_product.run(weights, v, o);
      });
    }

    if (in_parts) {
      store_part(PartSums(p, number), 0, static_cast<int>(head.rows() - row), o, softmax);
    } else if constexpr (!Tile::kGroupsHeads) {
      write_rows<Tile>(head, row, kQ, number, o, softmax);
    }
  }

 private:
  /// Starts loading the tile whose first key is `column`, without keys from `end` on.
  static FT_FUNCTION void load_keys(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Rows& head, int stage,
                                    int column, int end) {
    head.template load_keys<Scope, Tile::kPages>(memory.k, stage, column, end);
  }
  static FT_FUNCTION void load_values(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Rows& head, int stage,
                                      int column, int end) {
    head.template load_values<Scope, Tile::kPages>(memory.v, stage, column, end);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
