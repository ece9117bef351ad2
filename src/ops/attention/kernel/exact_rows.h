// Computes the rows that a tiled kernel gets wrong: after any way has run on a masked problem, each output row
// that is not finite is computed again from only the keys that its query sees.
//
// A matrix unit multiplies masked weights of 0 with values that may hold NaN or infinity, and 0 * NaN is NaN.
// Such a row is recognised by not being finite, and so is a row without a key (0 / 0). Rows that really attend
// to NaN come out as NaN again. One simdgroup looks at kQ rows; finite rows cost one read of the output.
#pragma once

#include "src/ops/attention/kernel/mask_entries.h"
#include "src/ops/attention/kernel/score_rule.h"
#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionExactRows {
  using Params = AttentionParams;
  static constexpr int kSimdgroups = 1;
  static constexpr int kQ = 16;      // rows of one threadgroup
  static constexpr int kKeys = 256;  // scores held at a time
  static constexpr int kMaxColumns = 256;

  struct Threadgroup {
    float scores[kKeys];
    bool seen[kKeys];
    float sums[kMaxColumns];  // (Dv)
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    if (p.broken != nullptr && *p.broken == 0) return;
    const Head<T> head(p, at.z, at.y);
    const int64_t first = at.x * kQ;
    const auto out = head.out(first);
    const int rows = out.get_extent(1) < kQ ? out.get_extent(1) : kQ;
    const uint32_t broken = simd_rows_not_finite<kQ>(&out(0, 0), p.out_strides.row, rows, p.value_dim);
    for (int i = 0; i < rows; ++i) {
      const KeyRange keys = p.rule.band.keys(first + i, first + i, p.kv_length);
      if (keys.end == keys.begin || (broken >> i & 1) != 0) compute_row(p, memory, head, keys, first + i);
    }
  }

 private:
  /// Softmax over the visible keys in three passes: the maximum; the sum of the weights; the sum of values, with
  /// weights that are divided first, so that nothing overflows whose exact value does not.
  static FT_FUNCTION void compute_row(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                      FT_THREAD const Head<T>& head, FT_THREAD const KeyRange& keys,
                                      int64_t row) {
    FT_CONSTANT const ScoreRule& rule = p.rule;
    float top = kMinusInfinity;
    bool any = false;
    for_each_score(memory, head, keys, row, [&](float score, int) {
      top = score > top || score != score ? score : top;  // NaN stays
      any = true;
    });
    SoftmaxState<float> state;
    if (any) state.maximum = top;
    for_each_score(memory, head, keys, row,
                   [&](float score, int) { state.sum += exp2((score - top) * rule.exponent); });
    const float inverse = state.inverse();
    simd_for_each_index(p.value_dim, [&](int d) { memory.sums[d] = 0.0f; });
    for_each_score(memory, head, keys, row, [&](float score, int column) {
      const float weight = exp2((score - top) * rule.exponent) * inverse;
      const auto values = head.values(column);
      simd_for_each_index(p.value_dim, [&](int d) {
        memory.sums[d] = fma(weight, static_cast<float>(values(d, 0)), memory.sums[d]);
      });
    });
    auto out = head.out(row);
    simd_for_each_index(p.value_dim, [&](int d) { out(d, 0) = static_cast<T>(memory.sums[d]); });
    if (p.lse != nullptr) {
      simd_for_each_index(1, [&](int) { head.lse(row) = state.lse(rule.unit); });
    }
  }

  /// f(score, key) for each key that the query sees.
  template <class F>
  static FT_FUNCTION void for_each_score(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Head<T>& head,
                                         FT_THREAD const KeyRange& keys, int64_t row, F f) {
    for (int column = keys.begin; column < keys.end; column += kKeys) {
      const int count = load_scores(memory, head, row, column, keys.end);
      for (int c = 0; c < count; ++c) {
        if (memory.seen[c]) f(memory.scores[c], column + c);
      }
    }
  }

  /// Scores of the next keys, each computed on its own and only if the query sees it;
  /// returns how many keys these are.
  static FT_FUNCTION int load_scores(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Head<T>& head,
                                     int64_t row, int column, int end) {
    const int count = end - column < kKeys ? end - column : kKeys;
    simdgroup_barrier(mem_flags::mem_threadgroup);  // all lanes have read the scores before
    simd_for_each_index(count, [&](int c) {
      const float entry = entry_at(head.p.rule.mask, head.batch, head.head, row, column + c);
      memory.seen[c] = entry != kMinusInfinity;  // the band has been applied already
      if (memory.seen[c])
        memory.scores[c] = with_entry(score_of(head.p.rule, product_of(head, row, column + c)), entry);
    });
    simdgroup_barrier(mem_flags::mem_threadgroup);
    return count;
  }

  static FT_FUNCTION float product_of(FT_THREAD const Head<T>& head, int64_t row, int column) {
    const auto q = head.queries(row);
    const auto k = head.keys(column);
    float dot = 0.0f;
    for (int d = 0; d < head.p.head_dim; ++d)
      dot = fma(static_cast<float>(q(d, 0)), static_cast<float>(k(d, 0)), dot);
    return dot;
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
