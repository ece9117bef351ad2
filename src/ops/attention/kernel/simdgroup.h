// Attention on blocks of simdgroup matrices: each simdgroup of a threadgroup computes its own rows of one
// head's output, and all of them share the tiles of K and V in threadgroup memory.
//
//   Q stays in registers
//   for each tile of kK keys that the mask lets these queries see:
//     S = Q Kᵀ;  scale and mask S;  (P, correction) = online softmax step of S
//     O = O * correction + P V
//   O = O / row sum
#pragma once

#include "src/ops/attention/kernel/key_parts.h"
#include "src/ops/attention/kernel/long_sums.h"
#include "src/ops/attention/kernel/row_ends.h"
#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/attention/kernel/tiles.h"
#include "src/ops/attention/kernel/walk_tile.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T, class Tile>
struct AttentionSimdgroup {
  using Params = AttentionParams;
  static constexpr FT_CONSTANT int kSimdgroups = Tile::kSimdgroups,
                                   kThreadgroupsPerUnit = Tile::kThreadgroupsPerUnit,
                                   kNotes = Tile::kNotes ? kSimdgroups : 0;
  static constexpr FT_CONSTANT int kQ = Tile::kQ, kK = Tile::kK, kD = Tile::kD;
  static constexpr FT_CONSTANT int kRows = kQ / kSimdgroups;                 // queries of one simdgroup
  static constexpr FT_CONSTANT int R = kRows / 8, CK = kK / 8, CD = kD / 8;  // the same in 8x8 matrices
  static constexpr FT_CONSTANT int kStep = Tile::kStep, S = kStep / 8;       // depth of one product

  using Scope = execution_simdgroups<kSimdgroups>;

  struct Threadgroup {
    row_tile_stages<T, kK, kD, Tile::kStages> k;  // Stages x (kK, kD)
    row_tile_stages<T, kK, kD, Tile::kStages> v;  // Stages x (kK, kD)
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const bool in_parts = keys_in_parts<Tile>(p);
    const TilePlace place = in_parts ? tile_at(p, p.parts.first_tile + at.y) : last_tile_first(p, at, kQ);
    const Head<T> head(p, place.batch, place.head);
    // The keys that any simdgroup needs, since all share the loads.
    KeyRange keys = head.keys_of(place.row, kQ);
    if (in_parts) keys = part_of(keys, static_cast<int>(at.x), p.parts.count, kK);
    const int number = result_number(p, in_parts, at, place, kQ);
    const int first = simdgroup_index_in_threadgroup() * kRows;
    const int64_t row = place.row + first;

    simdgroup_matrix_block<T, R, S> q[kD / kStep];    // (kRows, kD)
    simdgroup_matrix_block<float, R, CK> s, scratch;  // (kRows, kK)
    simdgroup_matrix_block<float, R, CD> o(0.0f);     // (kRows, kD)
    OnlineSoftmax<simdgroup_rows<R>> softmax;         // (kRows) each

    FT_UNROLL for (int d = 0; d < kD / kStep; ++d) {
      auto queries = head.queries(row).slice(d * kStep, 0);
      load(q[d], queries);
    }
    softmax.start();

    constexpr bool kAhead = Tile::kStages == 2;
    int stage = 0;
    const auto attend_run = [&](FT_THREAD const KeyRange& run) {
      load_keys_and_values(memory, head, stage, run.begin, run.end);
      for (int column = run.begin; column < run.end; column += kK) {
        const int next = kAhead ? 1 - stage : 0;
        wait_tiles<Scope, 1>();  // K is here, V may be on its way; all are done with the tile before
        if constexpr (kAhead) load_keys_and_values(memory, head, next, column + kK, run.end);

        s = simdgroup_matrix_block<float, R, CK>(0.0f);
        FT_UNROLL for (int d = 0; d < kD / kStep; ++d) {
          simdgroup_right_block<T, S, CK> k;  // (kStep, kK) of Kᵀ
          simdgroup_load(k, row_tile(memory.k, stage), memory.k.kElementsPerRow, matrix_origin{d * kStep, 0},
                         true);
          simdgroup_multiply_accumulate(s, q[d], k, s);
        }

        apply_rule(s, scratch, head, run, row, column, kK);
        softmax.step(s, p.rule.exponent);
        scale_rows(o, softmax.correction);

        wait_tiles<Scope, kAhead ? 2 : 0>();  // V is here
        FT_UNROLL for (int c = 0; c < kK / kStep; ++c) {
          auto weights = convert_columns<T, S>(s, S * c);  // (kRows, kStep) of P
          simdgroup_right_block<T, S, CD> v;               // (kStep, kD)
          simdgroup_load(v, row_tile(memory.v, stage), memory.v.kElementsPerRow, matrix_origin{0, c * kStep},
                         false);
          simdgroup_multiply_accumulate(o, weights, v, o);
        }
        if constexpr (!kAhead) {
          threadgroup_barrier(mem_flags::mem_threadgroup);
          load_keys_and_values(memory, head, next, column + kK, run.end);
        }
        stage = next;
      }
    };
    // Runs are those of the whole tile, since all simdgroups share the loads.
    attend_in_chains<Tile::kChain>(keys, o, softmax, p.rule.exponent, [&](int begin, int end) {
      const KeyRange chain{begin, keys.whole_begin, keys.whole_end, end};
      for_each_run<Scope>(head, chain, place.row, kQ, kK, attend_run);
    });

    if (in_parts) {
      store_part(PartSums(p, number), first, static_cast<int>(head.rows() - row), o, softmax);
    } else {
      write_rows<Tile>(head, row, kRows, number, o, softmax);
    }
  }

 private:
  /// Starts loading the tiles whose first key is `column`, without keys from `end` on.
  static FT_FUNCTION void load_keys_and_values(FT_THREADGROUP Threadgroup& memory,
                                               FT_THREAD const Head<T>& head, int stage, int column, int end) {
    auto keys = head.keys(column, end);
    auto values = head.values(column, end);
    load_tile_async<Scope>(memory.k, stage, keys);
    load_tile_async<Scope>(memory.v, stage, values);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
