// The softmax pass of unfused attention on a GPU: masks the stored scores of one head and turns
// them into weights, in place, in the element type of V. Called by the way `unfused`, which runs a
// matrix product before and after.
//
//   for each tile of scores: (maximum, sum) = online softmax step of the masked tile
//   for each tile of scores: weights = exp(masked scores - maximum) / sum
//
// Scores arrive as q·k.
#pragma once

#include "src/ops/attention/kernel/row_ends.h"
#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/attention/kernel/stored_scores.h"
#include "src/ops/attention/kernel/walk_tile.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionSoftmaxRows {
  using Params = AttentionParams;
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static constexpr FT_CONSTANT int kQ = 8, kK = 64;  // rows of one threadgroup, columns of one tile
  using Scores = simdgroup_matrix_block<float, kQ / 8, kK / 8>;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    const Head<T> head(p, 0, 0);
    const int64_t row = at.x * kQ;
    const KeyRange keys = seen_one_by_one(p.rule, head.entry().keys(row, row + kQ - 1));
    const int64_t stride = p.scores_stride;
    const auto scores = stored_rows(p.scores, stride, p, row);
    // A row of weights lies in the first bytes of its row of scores, never ahead of scores still to be read.
    const auto weights = stored_rows(reinterpret_cast<FT_DEVICE T*>(p.scores),
                                     stride * static_cast<int>(sizeof(float) / sizeof(T)), p, row);
    const float exponent = p.rule.exponent;
    Scores s, scratch;  // (kQ, kK)
    OnlineSoftmax<simdgroup_rows<kQ / 8>> softmax;
    softmax.start();
    for (int column = keys.begin; column < keys.end; column += kK) {
      auto tile = scores.slice(column, 0);
      load(s, tile);
      apply_rule(s, scratch, head, keys, row, column, kK);
      softmax.step(s, exponent);
    }
    finish_rows(p, head.batch, head.head, softmax);
    const float scale = p.weights_scale;
    for (int column = 0; column < p.kv_length; column += kK) {
      auto tile = scores.slice(column, 0);
      load(s, tile);
      apply_rule(s, scratch, head, keys, row, column, kK);
      map_rows(s, softmax.maximum, [=](auto score, auto top) { return exp2((score - top) * exponent); });
      map_rows(s, softmax.correction, [=](auto weight, auto inverse) { return weight * (inverse * scale); });
      simdgroup_barrier(mem_flags::mem_device);  // all lanes have read the scores that the weights replace
      auto target = weights.slice(column, 0);
      store(s, target);
    }
    write_lse(p, head.batch, head.head, row, head.rows(), softmax);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
