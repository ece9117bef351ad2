// Merges what attention over parts of the keys came to into what it comes to over all of them.
//
//   lse = log(sum_i exp(lse_i) + exp(sink));  out = sum_i exp(lse_i - lse) out_i
//
// A result lies between the parts that it is made of. Clamping it there costs two comparisons, and rounding then
// neither overflows a sum of the largest numbers nor changes a single part.
#pragma once

#include "src/ops/attention/kernel/rows.h"
#include "src/ops/attention/kernel/softmax.h"
#include "src/ops/common/kernel/elements.h"
#include "src/ops/merge_attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

struct MergeAttention {
  using Params = MergeAttentionParams;
  static constexpr FT_CONSTANT int kSimdgroups = 1;
  static constexpr FT_CONSTANT int kRows = 8;       // of one threadgroup
  static constexpr FT_CONSTANT int kColumns = 256;  // held at a time

  struct Threadgroup {
    float
        shares[kMostMergedParts];  ///< of each part in the row; negative: the part has no keys and is not read
    float sums[kColumns], lowest[kColumns], highest[kColumns];
  };

  /// The grid is (blocks of rows, heads, batch).
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    for (int64_t row = at.x * kRows; row < p.length && row < (at.x + 1) * kRows; ++row)
      merge_row(p, memory, at.z, at.y, row);
  }

 private:
  static FT_FUNCTION void merge_row(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                    int64_t batch, int64_t head, int64_t row) {
    const auto lse_of_part = [&](int i) {
      return *rows_from(p.parts[i].lse, p.parts[i].lse_strides, batch, head, row).first;
    };
    const float sink = p.sinks != nullptr ? p.sinks[head * p.sink_stride] : kMinusInfinity;

    SoftmaxState<float> state;
    state.maximum = max(sink, state.maximum);
    for (int i = 0; i < p.count; ++i) state.maximum = max(lse_of_part(i), state.maximum);
    const auto weight = [&](float lse) {
      return SoftmaxState<float>{lse, 1.0f}.correction(state.maximum, kLog2E);
    };
    state.sum = weight(sink);
    for (int i = 0; i < p.count; ++i) state.sum += weight(lse_of_part(i));
    const float inverse = state.inverse();
    simd_for_each_index(p.count, [&](int i) {
      const float lse = lse_of_part(i);
      memory.shares[i] = lse == kMinusInfinity ? -1.0f : weight(lse) * inverse;
    });
    simdgroup_barrier(mem_flags::mem_threadgroup);

    // A sink takes its share of the weights and adds nothing, as a part of zeros would; so is a row without keys.
    const bool has_zeros = sink != kMinusInfinity || state.sum == 0.0f;
    for (int64_t column = 0; column < p.value_dim; column += kColumns)
      merge_columns(p, memory, batch, head, row, column, has_zeros);
    if (p.lse != nullptr) {
      simd_for_each_index(
          1, [&](int) { *rows_from(p.lse, p.lse_strides, batch, head, row).first = state.lse(1.0f); });
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);  // all lanes have read the shares
  }

  static FT_FUNCTION void merge_columns(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                                        int64_t batch, int64_t head, int64_t row, int64_t column,
                                        bool has_zeros) {
    const int count = p.value_dim - column < kColumns ? static_cast<int>(p.value_dim - column) : kColumns;
    simd_for_each_index(count, [&](int d) {
      memory.sums[d] = 0.0f;
      memory.lowest[d] = has_zeros ? 0.0f : -kMinusInfinity;
      memory.highest[d] = has_zeros ? 0.0f : kMinusInfinity;
    });
    for (int i = 0; i < p.count; ++i) {
      const float share = memory.shares[i];
      if (share < 0.0f) continue;
      with_elements(p.parts[i].out, p.parts[i].type, [&](auto elements) {
        const auto part = rows_from(elements, p.parts[i].out_strides, batch, head, row).first + column;
        simd_for_each_index(count, [&](int d) {
          const float value = static_cast<float>(part[d]);
          // A share that rounds to 0 is not 0: an infinity stays one.
          memory.sums[d] += share == 0.0f && abs(value) > -kLowest ? value : share * value;
          memory.lowest[d] = min(memory.lowest[d], value);
          memory.highest[d] = max(memory.highest[d], value);
        });
      });
    }
    with_elements(p.out, p.type, [&](auto elements) {
      const auto out = rows_from(elements, p.out_strides, batch, head, row).first + column;
      simd_for_each_index(count, [&](int d) {
        const float sum = memory.sums[d];
        const float mean = sum == sum ? min(max(sum, memory.lowest[d]), memory.highest[d]) : sum;
        out[d] = element_of(mean, out);
      });
    });
  }

  /// A float as an element of what `T*` points to.
  template <class T>
  static FT_FUNCTION T element_of(float value, FT_DEVICE T*) {
    return static_cast<T>(value);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
