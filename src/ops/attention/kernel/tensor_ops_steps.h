// The steps of attention on matmul2d and cooperative tensors, which the schedules of tensor_ops.h put in order.
#pragma once

#include "src/ops/attention/kernel/head_group.h"
#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/attention/kernel/tiles.h"
#include "src/ops/attention/kernel/walk_tile.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// A tile of kQ queries, its sums over the keys so far, and what a tile of kK keys does to them. A stage of K or V is
/// loaded anew once all simdgroups are done with it, and read once it has arrived: the schedule sees to both.
template <class T, class Tile>
struct TensorOpsSteps {
  static constexpr FT_CONSTANT int kQ = Tile::kQ, kK = Tile::kK, kD = Tile::kD, kStages = Tile::kStages;

  using Rows = typename Tile::template Rows<T>;
  using Scope = execution_simdgroups<Tile::kSimdgroups>;
  using ScoreProduct = matmul2d<matmul2d_descriptor(kQ, kK, kD, false, true), Scope>;
  using OutputProduct = matmul2d<matmul2d_descriptor(kQ, kD, kK, false, false, false,
                                                     matmul2d_descriptor::mode::multiply_accumulate),
                                 Scope>;
  using Scores = typename ScoreProduct::template result_tile<float, T>;                  // (kQ, kK)
  using Weights = typename OutputProduct::template left_tile<T>;                         // (kQ, kK)
  using Output = typename OutputProduct::template result_tile<float, Weights, T>;        // (kQ, kD)
  using Softmax = OnlineSoftmax<typename ScoreProduct::template row_entries<float, T>>;  // (kQ) each

  struct Threadgroup {
    typename ScoreProduct::template left_tile_stages<T, 1> q;                           // (kQ, kD)
    typename ScoreProduct::template right_tile_stages<T, kStages> k;                    // Stages x (kK, kD)
    typename OutputProduct::template right_tile_stages<T, kStages> v;                   // Stages x (kK, kD)
    [[no_unique_address]] typename OutputProduct::template left_input_room<T> weights;  // (kQ, kK)
  };

  FT_CONSTANT const AttentionParams& p;
  FT_THREADGROUP Threadgroup& memory;
  FT_THREAD const Rows& head;
  int64_t row;  // the first query
  FT_THREAD Scores& s;
  FT_THREAD Scores& scratch;
  FT_THREAD Output& o;
  FT_THREAD Softmax& softmax;

  FT_FUNCTION void start() FT_THREAD {
    head.template load_queries<Scope>(memory.q, row);
    zero(o);
    softmax.start();
  }

  /// Start loading the tile whose first key is `column`, without keys from `end` on.
  FT_FUNCTION void load_keys(int stage, int column, int end) FT_THREAD {
    head.template load_keys<Scope, Tile::kPages>(memory.k, stage, column, end);
  }
  FT_FUNCTION void load_values(int stage, int column, int end) FT_THREAD {
    head.template load_values<Scope, Tile::kPages>(memory.v, stage, column, end);
  }

  /// S = Q Kᵀ.
  FT_FUNCTION void scores(int stage) FT_THREAD {
    auto q = tile(memory.q, 0);
    auto k = tile(memory.k, stage);
    ScoreProduct().run(q, k, s);
  }
  FT_FUNCTION void start_scores(int stage) FT_THREAD {
    auto q = tile(memory.q, 0);
    auto k = tile(memory.k, stage);
    ScoreProduct().start(q, k, s);
  }

  /// S = the weights of the keys column ... of a run.
  FT_FUNCTION void attend(FT_THREAD const KeyRange& run, int column) FT_THREAD {
    apply_rule(s, scratch, head, run, row, column, kK);
    softmax.step(s, p.rule.exponent);
  }
  /// The same where the rule is a factor and all queries see all of them.
  FT_FUNCTION void attend_whole() FT_THREAD { softmax.step(s, p.rule.exponent); }

  /// S as an operand.
  FT_FUNCTION Weights weights() FT_THREAD {
    return OutputProduct::template get_left_input_cooperative_tensor<T, T, float>(s, memory.weights);
  }
  /// O takes the maximum of the last step.
  FT_FUNCTION void rescale() FT_THREAD { scale_rows(o, softmax.correction); }

  /// O += P V.
  FT_FUNCTION void accumulate(FT_THREAD Weights& weights, int stage) FT_THREAD {
    auto v = tile(memory.v, stage);
    OutputProduct().run(weights, v, o);
  }
  FT_FUNCTION void start_accumulating(FT_THREAD Weights& weights, int stage) FT_THREAD {
    auto v = tile(memory.v, stage);
    OutputProduct().start(weights, v, o);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
