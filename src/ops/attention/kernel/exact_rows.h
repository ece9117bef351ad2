// Sets the rows that a tiled kernel cannot: after any way has run on a masked problem, each output row that is
// not finite is computed again, touching only the keys that its query sees.
//
// A matrix unit multiplies masked weights of 0 with values that may hold NaN or infinity, and 0 * NaN is NaN.
// Such a row shows itself by not being finite, and so does a row without a key (0 / 0). Rows that really attend
// to NaN come out as NaN again. One simdgroup looks at kRowsPerGroup rows; finite rows cost one read of the
// output.
#pragma once

#include "src/ops/attention/kernel/scores.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionExactRows {
  using Params = AttentionParams;
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static constexpr int kRowsPerGroup = 16;

  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup&, GridPosition at) {
    const Head<T> head(p, at.z, at.y);
    for (int i = 0; i < kRowsPerGroup; ++i) {
      const int64_t row = at.x * kRowsPerGroup + i;
      if (row < p.query_length && !is_finite(head.out(row), p.value_dim)) compute_row(p, head, row);
    }
  }

 private:
  static FT_FUNCTION bool is_finite(Matrix<T> out, int columns) {
    return simd_all_indices(columns, [&](int d) {
      const float value = static_cast<float>(out(d, 0));
      return value - value == 0.0f;
    });
  }

  /// softmax over the visible keys by two passes: the maximum, then weights and sums. Each index of the output
  /// row is computed on its own, so that no arithmetic meets a key that the query does not see.
  static FT_FUNCTION void compute_row(FT_CONSTANT const Params& p, FT_THREAD const Head<T>& head, int64_t row) {
    const KeyRange keys = p.band.keys(row, row, p.kv_length);
    float top = minus_infinity();
    bool any = false;
    for (int column = keys.begin; column < keys.end; ++column) {
      if (!sees(head, row, column)) continue;
      const float score = score_of(p, head, row, column);
      top = score > top || score != score ? score : top;  // NaN stays
      any = true;
      if (top != top) break;
    }
    float sum = any ? 0.0f : 1.0f;
    for (int column = keys.begin; column < keys.end && any; ++column) {
      if (sees(head, row, column)) sum += exp2(score_of(p, head, row, column) - top);
    }
    auto out = head.out(row);
    simd_for_each_index(p.value_dim, [&](int d) {
      float value = 0.0f;
      for (int column = keys.begin; column < keys.end && any; ++column) {
        if (!sees(head, row, column)) continue;
        const float weight = exp2(score_of(p, head, row, column) - top);
        value = fma(weight, static_cast<float>(head.values(column)(d, 0)), value);
      }
      out(d, 0) = static_cast<T>(value / sum);
    });
    if (p.lse != nullptr) {
      simd_for_each_index(1, [&](int) { head.lse(row) = any ? (top + log2(sum)) * kLn2 : minus_infinity(); });
    }
  }

  /// May query `row` attend to key `column`? The band has been applied already.
  static FT_FUNCTION bool sees(FT_THREAD const Head<T>& head, int64_t row, int column) {
    switch (head.p.mask.kind) {
      case MaskTensorKind::none: return true;
      case MaskTensorKind::boolean_u8: return head.template mask<uint8_t>(row, column)(0, 0) != 0;
      default: return bias_of(head, row, column) != minus_infinity();
    }
  }

  static FT_FUNCTION float bias_of(FT_THREAD const Head<T>& head, int64_t row, int column) {
    switch (head.p.mask.kind) {
      case MaskTensorKind::additive_f32: return head.template mask<float>(row, column)(0, 0);
      case MaskTensorKind::additive_f16: return static_cast<float>(head.template mask<half>(row, column)(0, 0));
      case MaskTensorKind::additive_bf16:
        return static_cast<float>(head.template mask<bfloat>(row, column)(0, 0));
      default: return 0.0f;
    }
  }

  static FT_FUNCTION float score_of(FT_CONSTANT const Params& p, FT_THREAD const Head<T>& head, int64_t row,
                                    int column) {
    const auto q = head.queries(row);
    const auto k = head.keys(column);
    float dot = 0.0f;
    for (int d = 0; d < p.head_dim; ++d)
      dot = fma(static_cast<float>(q(d, 0)), static_cast<float>(k(d, 0)), dot);
    return fma(bias_of(head, row, column), kLog2E, dot * p.scale_log2);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
