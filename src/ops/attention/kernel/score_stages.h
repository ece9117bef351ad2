// The scores that a call asks for: one head's stored q·k, brought to one of their stages. Called by the way `unfused`,
// before its softmax pass replaces them. The rule is in natural units here.
//
//   raw             scale * q·k
//   capped          softcap * tanh(raw / softcap)
//   biased          the whole rule: -inf where a pair is hidden
//   probabilities   exp(biased - maximum) / sum of these over the row
#pragma once

#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/attention/kernel/stored_scores.h"
#include "src/ops/attention/kernel/walk_tile.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionScoreStages {
  using Params = AttentionParams;
  struct Threadgroup {};
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static constexpr FT_CONSTANT int kQ = 8, kK = 64;  // rows of one threadgroup, columns of one tile
  using Scores = simdgroup_matrix_block<float, kQ / 8, kK / 8>;
  using Softmax = OnlineSoftmax<simdgroup_rows<kQ / 8>>;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    const Head<T> head(p, 0, 0);
    const int64_t row = at.x * kQ;
    const KeyRange keys = seen_one_by_one(p.rule, head.keys_of(row, kQ));
    Scores s, scratch;  // (kQ, kK)
    Softmax softmax;
    softmax.start();
    if (p.wanted.stage == ScoreStage::probabilities) sum_weights(head, keys, row, s, scratch, softmax);
    const auto stored = stored_rows(p.scores, p.scores_stride, p, row);
    for (int column = 0; column < p.kv_length; column += kK) {
      auto tile = stored.slice(column, 0);
      load(s, tile);
      if (p.wanted.stage == ScoreStage::raw) {
        const float scale = p.rule.scale;
        map_elements(s, [=](auto dot) { return dot * scale; });
      } else if (p.wanted.stage == ScoreStage::capped) {
        map_scores(p.rule, [&](auto score) { map_elements(s, score); });
      } else {
        apply_rule(s, scratch, head, keys, row, column, kK);
      }
      if (p.wanted.stage == ScoreStage::probabilities) take_share(s, softmax);
      clear_absent(head, row, column, s);
      with_wanted_type(p, [&](auto type) {
        using E = typename decltype(type)::type;
        auto target =
            stored_rows(static_cast<FT_DEVICE E*>(p.wanted.data), p.wanted.row, p, row).slice(column, 0);
        store(s, target);
      });
    }
  }

 private:
  /// The maximum of each row, and what its weights are multiplied with at last.
  static FT_FUNCTION void sum_weights(FT_THREAD const Head<T>& head, FT_THREAD const KeyRange& keys,
                                      int64_t row, FT_THREAD Scores& s, FT_THREAD Scores& scratch,
                                      FT_THREAD Softmax& softmax) {
    const auto stored = stored_rows(head.p.scores, head.p.scores_stride, head.p, row);
    const float exponent = head.p.rule.exponent;
    for (int column = keys.begin; column < keys.end; column += kK) {
      auto tile = stored.slice(column, 0);
      load(s, tile);
      apply_rule(s, scratch, head, keys, row, column, kK);
      softmax.step(s, exponent);
    }
    finish_rows(head.p, head.batch, head.head, softmax);
  }

  /// Scores become shares of their row's sum: 0 where they weigh nothing, also in a row without keys.
  static FT_FUNCTION void take_share(FT_THREAD Scores& s, FT_THREAD Softmax& softmax) {
    map_rows(s, softmax.maximum, [](auto score, auto top) { return exp2((score - top) * kLog2E); });
    map_rows(s, softmax.correction, [](auto weight, auto inverse) {
      return select(weight * inverse, decltype(weight)(0.0f), weight == 0.0f);
    });
  }

  /// Pairs with a row that is not there, whose q·k is nothing.
  static FT_FUNCTION void clear_absent(FT_THREAD const Head<T>& head, int64_t row, int column,
                                       FT_THREAD Scores& s) {
    const Entry entry = head.entry();
    const int64_t left = entry.query_length - row;
    const int rows = left < 0 ? 0 : left < kQ ? static_cast<int>(left) : kQ;
    const int columns = entry.kv_length - column;
    if (rows == kQ && columns >= kK) return;
    const float absent = head.p.wanted.stage == ScoreStage::biased ? kMinusInfinity : 0.0f;
    map_indexed(s, [=](auto score, auto r, auto c) {
      return select(decltype(score)(absent), score, (r < rows) & (c < columns));
    });
  }

  template <class F>
  static FT_FUNCTION void with_wanted_type(FT_CONSTANT const Params& p, F f) {
    if (p.wanted.is_f32)
      f(TypeOf<float>());
    else
      f(TypeOf<T>());
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
