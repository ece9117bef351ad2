// One loop that reads K of a block and V of the block before, where one query and its output fit in registers.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/decode_scores.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

template <class T, int Rows>
class DecodeBoth : DecodeShape<T, Rows> {
  using Shape = DecodeShape<T, Rows>;
  using Shape::kTogether;

 public:
  DecodeBoth(Scratch& scratch, const DecodeSizes<T, Rows>& sizes)
      : head_dim_(sizes.head_dim), lanes_(scratch.take<float>(sizes.together ? kMostDecodeKeys * kLanes : 0)) {}

  /// lanes_ <- products of `keys` rows of K with the query, not yet summed over lanes; out += weights V of
  /// `before` rows.
  void multiply(RowRun<const T> k, int keys, const float* query, RowRun<const T> v, int before,
                const float* weights, float* out) {
    if constexpr (kTogether > 0) {
      if (head_dim_ == kTogether * kLanes)
        multiply<kTogether>(k, keys, query, v, before, weights, out);
      else
        multiply<kTogether / 2>(k, keys, query, v, before, weights, out);
    }
  }
  /// scores <- sums of lanes_ over the lanes, not yet scaled.
  void sum_scores(float* scores, int keys) const {
    for (int c = 0; c < keys; c += kLanes) {
      floats lanes[kLanes];
      FT_UNROLL for (int n = 0; n < kLanes; ++n) lanes[n] = floats::load(lanes_ + (c + n) * kLanes);
      sum_lanes(lanes);
      lanes[0].store(scores + c);
    }
  }

 private:
  /// For rows of so many registers.
  template <int Registers>
  void multiply(RowRun<const T> k, int keys, const float* query, RowRun<const T> v, int before,
                const float* weights, float* out) {
    const int both = min(keys, before);
    multiply_rows<Registers, Registers>(k, query, v, weights, out, 0, both);
    multiply_rows<Registers, 0>(k, query, v, weights, out, both, keys);
    multiply_rows<0, Registers>(k, query, v, weights, out, both, before);
  }
  /// Rows begin ... end - 1 of both blocks. Keys, Values: registers of a row of K and of V, 0 to leave it out.
  template <int Keys, int Values>
  FT_FUNCTION void multiply_rows(RowRun<const T> keys, const float* queries, RowRun<const T> values,
                                 const float* weights, float* out, int begin, int end) {
    if (begin >= end) return;
    const T *k = keys[begin], *v = values[begin];
    float* const lanes = lanes_;
    const auto load_chunk = [](const T* from) { return DecodeScores<T, Rows>::load_chunk(from); };
    floats query[Keys + 1], sum[Values + 1];
    FT_UNROLL for (int n = 0; n < Keys; ++n) query[n] = floats::load(queries + n * kLanes);
    FT_UNROLL for (int n = 0; n < Values; ++n) sum[n] = floats::load(out + n * kLanes);
    for (int c = begin; c < end; ++c, k += keys.step, v += values.step) {
      if constexpr (Keys > 0) {
        floats even = 0.0f, odd = 0.0f;
        FT_UNROLL for (int n = 0; n < Keys; n += 2) {
          even = fma(load_chunk(k + n * kLanes), query[n], even);
          odd = fma(load_chunk(k + (n + 1) * kLanes), query[n + 1], odd);
        }
        (even + odd).store(lanes + c * kLanes);
      }
      if constexpr (Values > 0) {
        const floats weight = weights[c];
        FT_UNROLL for (int n = 0; n < Values; ++n) sum[n] = fma(weight, load_chunk(v + n * kLanes), sum[n]);
      }
    }
    FT_UNROLL for (int n = 0; n < Values; ++n) sum[n].store(out + n * kLanes);
  }

  int head_dim_;
  float* lanes_;  ///< (block, kLanes)
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
