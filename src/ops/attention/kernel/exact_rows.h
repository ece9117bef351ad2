// Computes again the rows that a tiled kernel gets wrong: each output row that is not finite, from only the keys
// that its query sees.
//
// A matrix unit multiplies hidden weights of 0 with values that may hold NaN or infinity, and 0 * NaN is NaN; and a
// sum of weighted values may overflow whose mean does not. Such rows are recognised by not being finite, and so are
// rows without a key (0 / 0). Finite rows cost one read of the output, and none where a kernel has noted that there are
// no others, in the call or in their tile. Rows that attend to NaN or to an infinity, and hold nothing else that
// is not finite, are right as they are: they cost a look at the values.
#pragma once

#include "src/ops/attention/kernel/largest.h"
#include "src/ops/attention/kernel/mask_entries.h"
#include "src/ops/attention/kernel/row_notes.h"
#include "src/ops/attention/kernel/score_rule.h"
#include "src/ops/attention/kernel/sight.h"
#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionExactRows {
  using Params = AttentionParams;
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static constexpr FT_CONSTANT int kQ = 128;      // rows of one threadgroup; most end at once, so it has many
  static constexpr FT_CONSTANT int kAtOnce = 16;  // of them, that it looks at together
  static constexpr FT_CONSTANT int kKeys = 256;   // scores held at a time
  static constexpr FT_CONSTANT int kMaxColumns = 512;

  struct Threadgroup {
    float scores[kKeys];
    bool seen[kKeys];
    float sums[kMaxColumns];   // (Dv)
    float chain[kMaxColumns];  // (Dv) of the keys that are held
    bool open[kAtOnce]
             [kMaxColumns];  // (rows, Dv) is an element not finite, and nothing known that makes it so?
  };

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    if (p.broken != nullptr && *p.broken == 0) return;
    const Head<T> head(p, at.z, at.y);
    const int64_t begin = at.x * kQ;
    const int64_t result_rows = head.entry().result_rows;
    const int64_t end = begin + kQ < result_rows ? begin + kQ : result_rows;
    for (int64_t first = begin; first < end; first += kAtOnce) {
      if (p.notes.data == nullptr || is_noted(head, first)) mend(p, memory, head, first, kAtOnce);
    }
  }

  /// What one simdgroup does about at most `most` rows of a head from `first` on, and no more than kAtOnce.
  static FT_FUNCTION void mend(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                               FT_THREAD const Head<T>& head, int64_t first, int most) {
    const int64_t left = head.entry().result_rows - first;
    const int rows = left < most ? static_cast<int>(left) : most;
    uint32_t broken = head.template broken_rows<kAtOnce>(first, rows);
    broken = unexplained(p, memory, head, first, broken);
    for (int i = 0; i < rows; ++i) {
      const KeyRange keys = head.keys_of(first + i, 1);
      if (keys.end == keys.begin || (broken >> i & 1) != 0) compute_row(p, memory, head, keys, first + i);
    }
  }

 private:
  /// Those of the rows in `broken` that are to be computed. An element that is NaN is right where the row attends to a
  /// value that is, and so is an infinity where it attends to the same one; a row of which nothing else is broken stays.
  static FT_FUNCTION uint32_t unexplained(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                          FT_THREAD const Head<T>& head, int64_t first, uint32_t broken) {
    for (int i = 0; i < kAtOnce; ++i) {
      if ((broken >> i & 1) == 0) continue;
      simd_for_each_index(p.value_dim, [&](int d) {
        const float element = head.out_at(first + i, d);
        memory.open[i][d] = element - element != 0.0f;
      });
    }
    constexpr int kValues = 32;
    const KeyRange all = head.keys_of(first, kAtOnce);
    int count = 0;
    for (int column = all.begin; column < all.end && broken != 0; column += count) {
      count = adjacent_keys(p, column, all.end - column < kValues ? all.end - column : kValues);
      const uint32_t special = head.template broken_values<kValues>(column, count);
      for (int c = 0; c < count; ++c) {
        if ((special >> c & 1) != 0) broken = close_columns(p, memory, head, first, broken, column + c);
      }
    }
    return broken;
  }

  /// Closes the elements that the values of one key explain; returns the rows that still have open ones.
  static FT_FUNCTION uint32_t close_columns(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                            FT_THREAD const Head<T>& head, int64_t first, uint32_t broken,
                                            int key) {
    const Band band = head.entry().band;
    for (int i = 0; i < kAtOnce; ++i) {
      if ((broken >> i & 1) == 0 || !band.visible(first + i, key)) continue;
      if (entry_at(p.rule.mask, head.batch, head.head, first + i, key) == kMinusInfinity) continue;
      if (!sees(p.rule, head.batch, head.head, static_cast<int>(first) + i, key)) continue;
      simd_for_each_index(p.value_dim, [&](int d) {
        const float element = head.out_at(first + i, d), value = head.value_at(key, d);
        if (value == element || (value != value && element != element)) memory.open[i][d] = false;
      });
      simdgroup_barrier(mem_flags::mem_threadgroup);
      bool any_open = false;
      for (int d = 0; d < p.value_dim; ++d) any_open = any_open || memory.open[i][d];
      simdgroup_barrier(mem_flags::mem_threadgroup);  // all lanes have read what the next key changes
      if (!any_open) broken &= ~(1u << i);
    }
    return broken;
  }

  /// Softmax over the visible keys in three passes: the maximum; the sum of the weights; the mean of values. Both
  /// sums are sums of the sums of kKeys keys. A pass ends where NaN has made the rest of it pointless.
  static FT_FUNCTION void compute_row(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                      FT_THREAD const Head<T>& head, FT_THREAD const KeyRange& keys,
                                      int64_t row) {
    FT_CONSTANT const ScoreRule& rule = p.rule;
    float top = kMinusInfinity;
    bool any = false;
    for_each_block(memory, head, keys, row, [&](int, int count) {
      for (int c = 0; c < count; ++c) {
        if (!memory.seen[c]) continue;
        top = memory.scores[c] > top || memory.scores[c] != memory.scores[c] ? memory.scores[c] : top;
        any = true;
      }
      return top == top;
    });
    SoftmaxState<float> state;
    if (any) state.maximum = top;
    for_each_block(memory, head, keys, row, [&](int, int count) {
      float chain = 0.0f;
      for (int c = 0; c < count; ++c) {
        if (memory.seen[c]) chain += exp2((memory.scores[c] - top) * rule.exponent);
      }
      state.sum += chain;
      return state.sum == state.sum;
    });
    const RowEnd<float> ending = row_end(p, head.batch, head.head, state);
    add_values(memory, head, keys, row, top, any ? ending.inverse : 0.0f);
    with_out_type<T>(p, [&](auto type) {
      using E = typename decltype(type)::type;
      auto out = head.template out<E>(row);
      simd_for_each_index(p.value_dim, [&](int d) { out(d, 0) = static_cast<E>(mean_of(memory.sums[d])); });
    });
    if (p.lse != nullptr) {
      const float lse = row < head.rows() ? ending.lse : kMinusInfinity;
      simd_for_each_index(1, [&](int) { head.lse(row) = lse; });
    }
  }

  /// What weights are multiplied with, so that no sum overflows where rounding brings it above the largest value.
  static constexpr FT_CONSTANT float kShare = 0.25f;

  /// A mean of finite values is not larger than these.
  static FT_FUNCTION float mean_of(float sum) {
    const float mean = sum * (1.0f / kShare);
    return sum - sum == 0.0f ? min(max(mean, -kLargestOf<T>), kLargestOf<T>) : sum;
  }

  /// memory.sums <- the sums of kShare * weight * value.
  static FT_FUNCTION void add_values(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Head<T>& head,
                                     FT_THREAD const KeyRange& keys, int64_t row, float top, float inverse) {
    const float exponent = head.p.rule.exponent;
    const int columns = head.p.value_dim;
    simd_for_each_index(columns, [&](int d) { memory.sums[d] = 0.0f; });
    for_each_block(memory, head, keys, row, [&](int column, int count) {
      simd_for_each_index(columns, [&](int d) { memory.chain[d] = 0.0f; });
      for (int c = 0; c < count; ++c) {
        if (!memory.seen[c]) continue;
        const float weight = exp2((memory.scores[c] - top) * exponent) * inverse * kShare;
        simd_for_each_index(columns, [&](int d) {
          memory.chain[d] = fma(weight, head.value_at(column + c, d), memory.chain[d]);
        });
      }
      simd_for_each_index(columns, [&](int d) { memory.sums[d] += memory.chain[d]; });
      return true;
    });
  }

  /// f(column, count) for the keys that are held at a time, from key `column` on, until it returns false.
  template <class F>
  static FT_FUNCTION void for_each_block(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Head<T>& head,
                                         FT_THREAD const KeyRange& keys, int64_t row, F f) {
    for (int column = keys.begin; column < keys.end; column += kKeys) {
      const int count = load_scores(memory, head, row, column, keys.end);
      if (!f(column, count)) return;
    }
  }

  /// Scores of the next keys, each computed on its own and only if the query sees it;
  /// returns how many keys these are.
  static FT_FUNCTION int load_scores(FT_THREADGROUP Threadgroup& memory, FT_THREAD const Head<T>& head,
                                     int64_t row, int column, int end) {
    FT_CONSTANT const ScoreRule& rule = head.p.rule;
    const int count = end - column < kKeys ? end - column : kKeys;
    const float start = static_cast<float>(head.entry().offset + row - column);
    simdgroup_barrier(mem_flags::mem_threadgroup);  // all lanes have read the scores before
    simd_for_each_index(count, [&](int c) {
      const float entry = entry_at(rule.mask, head.batch, head.head, row, column + c);
      memory.seen[c] =
          entry != kMinusInfinity && sees(rule, head.batch, head.head, static_cast<int>(row), column + c);
      if (!memory.seen[c]) return;
      float score = score_of(rule, product_of(head, row, column + c));
      if (rule.slopes.given()) score = with_slope(score, rule.slopes.of(head.batch, head.head), start, -c);
      memory.scores[c] = with_entry(score, entry);
    });
    simdgroup_barrier(mem_flags::mem_threadgroup);
    return count;
  }

  static FT_FUNCTION float product_of(FT_THREAD const Head<T>& head, int64_t row, int column) {
    constexpr int kChains = 4;  // one would wait for each addition
    float dot[kChains] = {};
    for (int d = 0; d < head.p.head_dim; d += kChains) {
      FT_UNROLL for (int i = 0; i < kChains; ++i) {
        if (d + i < head.p.head_dim)
          dot[i] = fma(head.query_at(row, d + i), head.key_at(column, d + i), dot[i]);
      }
    }
    return (dot[0] + dot[1]) + (dot[2] + dot[3]);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
