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

#include "src/ops/attention/kernel/key_parts.h"
#include "src/ops/attention/kernel/long_sums.h"
#include "src/ops/attention/kernel/row_ends.h"
#include "src/ops/attention/kernel/tensor_ops_steps.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// One product after the other. With two stages the next tiles load meanwhile; else each is loaded when the one before is
/// used up.
template <class Steps>
struct InTurn {
  using Scope = typename Steps::Scope;
  static constexpr FT_CONSTANT bool kAhead = Steps::kStages == 2;
  static constexpr FT_CONSTANT int kK = Steps::kK;

  int stage = 0;

  FT_FUNCTION void attend_run(FT_THREAD Steps& steps, FT_THREAD const KeyRange& run) FT_THREAD {
    load(steps, stage, run.begin, run.end);
    for (int column = run.begin; column < run.end; column += kK) {
      const int next = kAhead ? 1 - stage : 0;
      // Q and K are here, V may be on its way; all simdgroups are done with the tile before.
      wait_tiles<Scope, 1>();
      if constexpr (kAhead) load(steps, next, column + kK, run.end);
      steps.scores(stage);
      steps.attend(run, column);
      steps.rescale();
      auto weights = steps.weights();
      wait_tiles<Scope, kAhead ? 2 : 0>();  // V is here
      steps.accumulate(weights, stage);
      if constexpr (!kAhead) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        load(steps, next, column + kK, run.end);
      }
      stage = next;
    }
  }

 private:
  static FT_FUNCTION void load(FT_THREAD Steps& steps, int stage, int column, int end) {
    steps.load_keys(stage, column, end);
    steps.load_values(stage, column, end);
  }
};

/// The scores of a tile are computed while the weights of the one before are multiplied with V.
template <class Steps>
struct Overlapped {
  using Scope = typename Steps::Scope;
  static constexpr FT_CONSTANT int kK = Steps::kK;

  FT_FUNCTION void attend_run(FT_THREAD Steps& steps, FT_THREAD const KeyRange& run) FT_THREAD {
    steps.load_keys(0, run.begin, run.end);
    steps.load_values(0, run.begin, run.end);
    steps.load_keys(1, run.begin + kK, run.end);
    wait_tiles<Scope, 2>();  // Q and the first K are here
    steps.scores(0);
    steps.attend(run, run.begin);
    steps.rescale();  // what the runs before left
    auto weights = steps.weights();
    int stage = 0;
    const auto step = [&](int column, auto attend_next) {  // O += last weights V; S = weights of column ...
      const int next = 1 - stage;
      // This K and the last V are here; all simdgroups are done with the last K and the V before.
      wait_tiles<Scope, 0>();
      steps.start_scores(next);
      steps.start_accumulating(weights, stage);
      steps.load_values(next, column, run.end);
      steps.load_keys(stage, column + kK, run.end);
      wait_products<1>(steps.s);
      attend_next(column);
      wait_products<0>(steps.o);
      steps.rescale();
      weights = steps.weights();
      stage = next;
    };
    // Up to here, from the second tile on, no tile needs the rule.
    FT_CONSTANT const ScoreRule& rule = steps.p.rule;
    const bool plain = rule.is_factor && !rule.mask.given() && run.whole_begin <= run.begin + kK;
    const int whole_end = plain ? run.whole_end : run.begin;
    // Two loops: with a branch in one, the compiler moves the conversion of the weights past the wait for O.
    int column = run.begin + kK;
    for (; column + kK <= whole_end; column += kK) step(column, [&](int) { steps.attend_whole(); });
    for (; column < run.end; column += kK) step(column, [&](int next) { steps.attend(run, next); });
    wait_tiles<Scope, 1>();  // the last V is here
    steps.accumulate(weights, stage);
  }
};

template <class Steps, AttentionSchedule>
struct schedule_of {
  using type = InTurn<Steps>;
};
template <class Steps>
struct schedule_of<Steps, AttentionSchedule::overlapped> {
  using type = Overlapped<Steps>;
};

template <class T, class Tile>
struct AttentionTensorOps {
  using Params = AttentionParams;
  using Steps = TensorOpsSteps<T, Tile>;
  using Scope = typename Steps::Scope;
  using Threadgroup = typename Steps::Threadgroup;
  static constexpr FT_CONSTANT int kSimdgroups = Tile::kSimdgroups,
                                   kThreadgroupsPerUnit = Tile::kThreadgroupsPerUnit,
                                   kNotes = Tile::kNotes ? kSimdgroups : 0;
  static constexpr FT_CONSTANT int kQ = Tile::kQ, kK = Tile::kK, kD = Tile::kD;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const bool in_parts = keys_in_parts<Tile>(p);
    const TilePlace place = in_parts ? tile_at(p, p.parts.first_tile + at.y) : last_tile_first(p, at, kQ);
    const typename Steps::Rows head(p, place.batch, place.head);
    const int64_t row = place.row;
    KeyRange keys = head.keys_of(row, kQ);
    if (in_parts) keys = part_of(keys, static_cast<int>(at.x), p.parts.count, kK);
    const int number = result_number(p, in_parts, at, place, kQ);

    auto s = Steps::ScoreProduct::template make_result_tile<float, T>();
    auto scratch = Steps::ScoreProduct::template make_result_tile<float, T>();
    auto o = Steps::OutputProduct::template make_result_tile<float, typename Steps::Weights, T>();
    typename Steps::Softmax softmax;
    Steps steps{p, memory, head, row, s, scratch, o, softmax};
    typename schedule_of<Steps, Tile::kSchedule>::type schedule;

    steps.start();
    attend_in_chains<Tile::kChain>(keys, o, softmax, p.rule.exponent, [&](int begin, int end) {
      const KeyRange chain{begin, keys.whole_begin, keys.whole_end, end};
      for_each_run<Scope>(head, chain, row, kQ, kK,
                          [&](FT_THREAD const KeyRange& run) { schedule.attend_run(steps, run); });
    });

    if (in_parts) {
      store_part(PartSums(p, number), 0, static_cast<int>(head.rows() - row), o, softmax);
    } else if constexpr (!Tile::kGroupsHeads) {
      write_rows<Tile>(head, row, kQ, number, o, softmax);
    }
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
