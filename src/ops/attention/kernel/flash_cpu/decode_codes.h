// S = K Q and O = O + P V of a handful of queries where rows of K and V are codes: these are converted once for all
// queries, and multiplied as they are. A scale enters once for the elements that share it: into their part of a score, and
// into the weight that they are multiplied with.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/coded_block.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

template <int Rows>
class DecodeCodes : DecodeShape<float, Rows> {
  using Shape = DecodeShape<float, Rows>;
  using Shape::kChunk, Shape::kSums, Shape::place;

 public:
  CodedBlock keys, values;

  DecodeCodes(Scratch& scratch, const AttentionParams& p)
      : keys(scratch, p.coded_k, p.head_dim),
        values(scratch, p.coded_v, p.value_dim),
        head_dim_(p.head_dim),
        value_dim_(p.value_dim),
        queries_(scratch.take<float>(keys.given() ? Rows * p.head_dim : 0)),
        lanes_(scratch.take<float>(keys.given() ? Rows * kLanes * kLanes : 0)),
        weights_(scratch.take<float>(values.given() ? (values.groups() + 1) * Rows * kMostDecodeKeys : 0)) {}

  void start() {
    for (int i = 0; keys.given() && i < Rows * head_dim_; ++i) queries_[i] = 0.0f;
  }
  /// Query row r <- `row`.
  void set(int r, const float* row) {
    if (keys.given())
      std::memcpy(queries_ + r * head_dim_, row, static_cast<std::size_t>(head_dim_) * sizeof(float));
  }

  /// scores <- K Q of the `count` keys of `keys`, not yet scaled by what the call scales them with.
  void score(int count, float* scores) const {
    with_codes(keys.type(), [&](auto codes) { score_by<decltype(codes)>(count, scores); });
  }
  /// out += P V of the `count` rows of `values`; rows of out are `out_stride` apart.
  void add_values(int count, const float* weights, float* out, int out_stride) {
    scale_weights(count, weights);
    with_codes(values.type(), [&](auto codes) { add_by<decltype(codes)>(count, out, out_stride); });
  }

 private:
  static constexpr int kRowsAtOnce = kLanes < 16 ? min(Rows, 4) : Rows;  ///< as registers have room for

  template <class Codes>
  [[gnu::noinline]] void score_by(int count, float* scores) const {
    for (int c = 0; c < count; c += kLanes) {
      for (int n = 0; n < kLanes; ++n) {
        const int key = min(c + n, count - 1);
        keys.fetch(key);
        FT_UNROLL for (int r = 0; r < Rows; r += kRowsAtOnce) score_key<Codes>(key, r, lanes_ + n * kLanes);
      }
      FT_UNROLL for (int r = 0; r < Rows; ++r) {
        floats sums[kLanes];
        FT_UNROLL for (int n = 0; n < kLanes; ++n) sums[n] = floats::load(lanes_ + (r * kLanes + n) * kLanes);
        sum_lanes(sums);
        if (keys.groups() == 1) sums[0] = sums[0] * floats::load(keys.scales(0) + c);
        float of_keys[kLanes];
        sums[0].store(of_keys);
        FT_UNROLL for (int i = 0; i < kLanes; i += kChunk)
            std::memcpy(scores + place(c + i, r), of_keys + i, kChunk * sizeof(float));
      }
    }
  }
  /// lanes (Rows, kLanes, kLanes) <- products of a key with queries r ..., not yet summed over lanes; those of several groups
  /// are scaled.
  template <class Codes>
  FT_FUNCTION void score_key(int key, int r, float* lanes) const {
    floats total[kRowsAtOnce];
    FT_UNROLL for (floats& sum : total) sum = 0.0f;
    if (keys.groups() == 1) {
      multiply_group<Codes>(key, r, 0, total);
    } else {
      for (int g = 0; g < keys.groups(); ++g) {
        floats part[kRowsAtOnce];
        FT_UNROLL for (floats& sum : part) sum = 0.0f;
        multiply_group<Codes>(key, r, g, part);
        FT_UNROLL for (int n = 0; n < kRowsAtOnce; ++n) total[n] =
            fma(part[n], floats(keys.scales(g)[key]), total[n]);
      }
    }
    FT_UNROLL for (int n = 0; n < kRowsAtOnce; ++n) total[n].store(lanes + (r + n) * kLanes * kLanes);
  }
  /// sums += products of the codes of one group.
  template <class Codes>
  FT_FUNCTION void multiply_group(int key, int r, int g, floats (&sums)[kRowsAtOnce]) const {
    constexpr int kBlock = Codes::kRun > 0 ? 32 : 0;
    const int group = kBlock > 0 ? kBlock : keys.group();
    const std::uint8_t* const run = Codes::start(keys[key], g * group);
    const float* const queries = queries_ + r * head_dim_ + g * group;
    const auto multiply = [&](int at) {
      const floats codes = CodeLanes<Codes>::load(run, at);
      FT_UNROLL for (int n = 0; n < kRowsAtOnce; ++n) sums[n] =
          fma(codes, floats::load(queries + n * head_dim_ + at), sums[n]);
    };
    if constexpr (kBlock > 0) {
      FT_UNROLL for (int at = 0; at < kBlock; at += kLanes) multiply(at);
    } else {
      for (int at = 0; at < group; at += kLanes) multiply(at);
    }
  }

  /// weights_ (groups, Rows, kMostDecodeKeys) <- weights times the scales of the groups; behind them the weights alone.
  void scale_weights(int count, const float* weights) {
    const int groups = values.groups();
    float* const alone = weights_ + groups * Rows * kMostDecodeKeys;
    for (int c = 0; c < count; c += kChunk) {
      FT_UNROLL for (int r = 0; r < Rows; ++r)
          std::memcpy(alone + r * kMostDecodeKeys + c, weights + place(c, r), kChunk * sizeof(float));
    }
    for (int g = 0; g < groups; ++g) {
      for (int r = 0; r < Rows; ++r) {
        float* const to = weights_ + (g * Rows + r) * kMostDecodeKeys;
        for (int c = 0; c < count; c += kLanes)
          (floats::load(alone + r * kMostDecodeKeys + c) * floats::load(values.scales(g) + c)).store(to + c);
      }
    }
  }

  template <class Codes>
  void add_by(int count, float* out, int out_stride) const {
    if constexpr (Codes::kRun > 0)
      add_columns<Codes, 32 / kLanes>(count, out, out_stride);
    else if (values.groups() == 1)
      add_columns<Codes, kSums>(count, out, out_stride);
    else
      add_columns<Codes, 1>(count, out, out_stride);
  }
  /// Shared: registers of columns that share a scale, at least.
  template <class Codes, int Shared>
  void add_columns(int count, float* out, int out_stride) const {
    int d = 0;
    const auto add = [&](auto sums) {
      constexpr int kCount = decltype(sums)::value;
      for (; d + kCount * kLanes <= value_dim_; d += kCount * kLanes)
        add_some<Codes, min(Shared, kCount), kCount>(d, count, out + d, out_stride);
    };
    add(std::integral_constant<int, kSums>());
    if constexpr (kSums > 2) add(std::integral_constant<int, kSums / 2>());
    if constexpr (kSums > 1) add(std::integral_constant<int, 1>());
  }
  /// Sums registers of columns from d on, a multiple of as many.
  template <class Codes, int Shared, int Sums>
  [[gnu::noinline]] void add_some(int d, int count, float* out, int out_stride) const {
    constexpr bool kBlocks = Codes::kRun > 0;
    const int in_block = !kBlocks || Sums * kLanes % 32 == 0 ? 0 : d % 32;
    floats sum[Rows][Sums];
    const float* weights[Sums];
    FT_UNROLL for (int j = 0; j < Sums; ++j) {
      const int group = (d + j * kLanes) / (kBlocks ? 32 : values.group());
      weights[j] = weights_ + group * Rows * kMostDecodeKeys;
      FT_UNROLL for (int r = 0; r < Rows; ++r) sum[r][j] = floats::load(out + r * out_stride + j * kLanes);
    }
    for (int c = 0; c < count; ++c) {
      if (d == 0) values.fetch(c);
      const std::uint8_t* const run = Codes::start(values[c], d - in_block);
      FT_UNROLL for (int j = 0; j < Sums; ++j) {
        const floats codes = load<Codes>(run, in_block + j * kLanes);
        FT_UNROLL for (int r = 0; r < Rows; ++r) sum[r][j] =
            fma(codes, floats(weights[j / Shared * Shared][r * kMostDecodeKeys + c]), sum[r][j]);
      }
    }
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Sums; ++j) sum[r][j].store(out + r * out_stride + j * kLanes);
    }
  }
  /// Codes `at` ... of a row whose first ones, or those of whose first block, begin at `run`.
  template <class Codes>
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    if constexpr (Codes::kRun > 0)
      return CodeLanes<Codes>::load(run + at / 32 * Codes::kBytes, at % 32);
    else
      return CodeLanes<Codes>::load(run, at);
  }

  int head_dim_, value_dim_;
  float *queries_, *lanes_, *weights_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
