// The scores of a block for a handful of queries, and the online softmax over them. Lanes are keys, or those of
// two queries.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/decode_shape.h"
#include "src/ops/attention/kernel/flash_cpu/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

template <class T, int Rows>
class DecodeSoftmax : DecodeShape<T, Rows> {
  using Shape = DecodeShape<T, Rows>;
  using Shape::kChunk, Shape::kRegisters, Shape::kPairs, Shape::place;

 public:
  explicit DecodeSoftmax(Scratch& scratch)
      : scores_(scratch.take<float>(kMostDecodeKeys * Rows)),
        maximum_(scratch.take<float>(kRegisters * kLanes)),
        sum_(scratch.take<float>(kRegisters * kLanes)),
        total_sum_(scratch.take<float>(kRegisters * kLanes)) {}

  /// (block, Rows), see place: scores, and after a step of the softmax weights.
  float* scores() const { return scores_; }
  float maximum(int r) const { return maximum_[place(0, r)]; }
  /// Of the weights of a row; after finish().
  float sum(int r) const { return total_sum_[place(0, r)]; }

  void start() {
    for (int i = 0; i < kRegisters * kLanes; ++i) {
      maximum_[i] = kLowest;
      sum_[i] = total_sum_[i] = 0.0f;
    }
  }

  /// One step of the online softmax with a lazy maximum: scores <- weights, as floats or as bfloats. Where a
  /// maximum grew much, rescale_output(factors) is told what each row's output is to be multiplied with.
  template <class F>
  void step(int keys, float exponent, bool is_factor, F rescale_output) {
    const int size = place(rounded_up(keys, kChunk), 0);
    floats top[kRegisters];
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) top[j] = kMinusInfinity;
    for (int i = 0; i < size; i += kRegisters * kLanes) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        top[j] = max(floats::load(scores_ + i + j * kLanes), top[j]);
      }
    }
    bool grew = false;
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      grew |= outgrows(top[j], floats::load(maximum_ + j * kLanes), exponent);
    }
    if (grew) rescale(top, exponent, rescale_output);
    bool subtract = !is_factor;
    floats minus_top[kRegisters], sum[kRegisters];
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      minus_top[j] = -(floats::load(maximum_ + j * kLanes) * floats(exponent));
      sum[j] = floats::load(sum_ + j * kLanes);
      subtract |= any(is_far(minus_top[j]));
    }
    if (subtract) {
      for (int i = 0; i < size; i += kLanes) {
        float* const at = scores_ + i;
        (floats::load(at) - floats::load(maximum_ + i % (kRegisters * kLanes))).store(at);
      }
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) minus_top[j] = 0.0f;
    }
    for (int i = 0; i < size; i += kRegisters * kLanes) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        const int at = i + j * kLanes;
        const floats z = fma_exact(floats::load(scores_ + at), exponent, minus_top[j]);
        const floats weight = kPairs ? exp2_weight(z) : weight_of(z);
        sum[j] = sum[j] + weight;
        if constexpr (kPairs)
          primitives::store_lanes<float>(reinterpret_cast<bfloat*>(scores_) + at, weight);
        else
          weight.store(scores_ + at);
      }
    }
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) sum[j].store(sum_ + j * kLanes);
  }

  /// Adds the sums to the totals, so that neither is one long chain of additions.
  void fold() { add_to(total_sum_, sum_, kRegisters * kLanes); }
  /// Adds the lanes of the totals up.
  void finish() {
    for (int j = 0; j < kRegisters; ++j) {
      over_lanes<kChunk>(floats::load(total_sum_ + j * kLanes), [](floats a, floats b) {
        return a + b;
      }).store(total_sum_ + j * kLanes);
    }
  }

 private:
  /// Raises each row's maximum to that of the block, and rescales sums and output to the new one.
  template <class F>
  void rescale(const floats (&top)[kRegisters], float exponent, F rescale_output) {
    float factors[kRegisters * kLanes];
    for (int j = 0; j < kRegisters; ++j) {
      const floats before = floats::load(maximum_ + j * kLanes);
      const floats now = max(over_lanes<kChunk>(top[j], [](floats a, floats b) { return max(a, b); }), before);
      const floats factor = exp2_weight((before - now) * floats(exponent));
      now.store(maximum_ + j * kLanes);
      for (float* sums : {sum_ + j * kLanes, total_sum_ + j * kLanes})
        (floats::load(sums) * factor).store(sums);
      factor.store(factors + j * kLanes);
    }
    rescale_output(factors);
  }

  float *scores_, *maximum_;
  float *sum_, *total_sum_;  ///< of the keys since the last fold, and of those before
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
