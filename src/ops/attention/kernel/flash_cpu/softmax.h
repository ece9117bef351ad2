// The steps of flash.cpu between its two products: masks and softmax on a block of transposed scores, where a
// row is a key and a lane is a query.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/operands.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// How far scores, in base 2, may exceed the maximum in use before sums and output are rescaled to a new one.
/// Weights of up to 2^8 lose nothing: float32 and bfloat hold them with the same relative precision.
inline constexpr float kSlackBits = 8.0f;

/// A panel of queries, one a lane, and its running sums. Rows have W lanes: kWidth, or kTileLanes in tiles.h.
struct Panel {
  float* queries;          ///< (steps of D, W)
  float* output;           ///< (Dv, W)
  float* maximum;          ///< (W) what is subtracted from scores
  float* sum;              ///< (W) of the weights
  float* lse_sum;          ///< (W) what lse is computed from: `sum` itself, or a more exact one
  std::int32_t* position;  ///< (W) of each lane's query in its sequence
  std::int32_t* head;      ///< (W) query head of each lane
  std::int32_t* reach;     ///< (W) last key of the block that each lane sees, -1 for none; see Diagonal
  int output_rows;         ///< Dv, or more
  int count, vectors;      ///< lanes in use, and the registers that hold them
  int first_position, last_position;
};

/// The causal diagonal in one block of keys: sets the reach of each lane of a panel, and keeps the
/// furthest of each register of lanes.
struct Diagonal {
  std::int32_t register_reach[kVectors];

  Diagonal(const Panel& p, std::int64_t offset, int column) {
    for (int j = 0; j < p.vectors; ++j) {
      register_reach[j] = -1;
      for (int i = j * kLanes; i < (j + 1) * kLanes; ++i) {
        const std::int64_t reach = p.position[i] + offset - column;
        p.reach[i] = reach < -1 ? -1 : reach > kKeys ? kKeys : static_cast<std::int32_t>(reach);
        if (p.reach[i] > register_reach[j]) register_reach[j] = p.reach[i];
      }
    }
  }
  /// The first register of lanes that sees key c of the block.
  int first_vector(int c, int vectors) const {
    int j = 0;
    while (j < vectors && register_reach[j] < c) ++j;
    return j;
  }
};

/// scores <- -inf where a key lies in its query's future.
template <int Width = kWidth>
void hide_future(const Panel& p, float* scores, int keys) {
  for (int j = 0; j < p.vectors; ++j) {
    const ints reach = ints::load(p.reach + j * kLanes);
    for (int c = 0; c < keys; ++c) {
      float* at = scores + c * Width + j * kLanes;
      select(floats(kMinusInfinity), floats::load(at), reach >= ints(c)).store(at);
    }
  }
}

/// Two rows as pairs of bfloats, `even` in the low halves, each rounded to nearest.
FT_FUNCTION floats bfloat_pairs(floats even, floats odd) {
  const ints half_ulp = 0x8000;
  const ints low = bits_of(even) + half_ulp, high = bits_of(odd) + half_ulp;
#if defined(FT_AVX512)
  return (floats::native)_mm512_mask_blend_epi16(0xaaaaaaaau, (__m512i)((ints::wrapping)low.v >> 16),
                                                 (__m512i)high.v);
#else
  return floats_of_bits((ints::native)((ints::wrapping)low.v >> 16) | (high & ints(-0x10000)));
#endif
}

/// The largest score of each lane. NaN is ignored here: its weight, and so the sum, becomes NaN.
template <int Vectors, int Width = kWidth>
FT_FUNCTION void block_maximum(const float* scores, int keys, floats (&top)[Vectors]) {
  floats other[Vectors];  // two chains hide the latency of max
  FT_UNROLL for (int j = 0; j < Vectors; ++j) top[j] = other[j] = kMinusInfinity;
  int c = 0;
  for (; c + 2 <= keys; c += 2) {
    const float* at = scores + c * Width;
    FT_UNROLL for (int j = 0; j < Vectors; ++j) {
      top[j] = max(floats::load(at + j * kLanes), top[j]);
      other[j] = max(floats::load(at + Width + j * kLanes), other[j]);
    }
  }
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    if (c < keys) top[j] = max(floats::load(scores + c * Width + j * kLanes), top[j]);
    top[j] = max(other[j], top[j]);
  }
}

/// Raises each lane's maximum to that of the block, and rescales sums and output to the new one.
template <int Vectors, int Width = kWidth>
FT_FUNCTION void rescale(const Panel& p, const floats (&top)[Vectors], int value_dim) {
  floats factor[Vectors];
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    const floats before = floats::load(p.maximum + j * kLanes);
    const floats now = max(top[j], before);
    factor[j] = exp2_weight(before - now);
    now.store(p.maximum + j * kLanes);
    (floats::load(p.sum + j * kLanes) * factor[j]).store(p.sum + j * kLanes);
    if (p.lse_sum != p.sum) (floats::load(p.lse_sum + j * kLanes) * factor[j]).store(p.lse_sum + j * kLanes);
  }
  for (int d = 0; d < value_dim; ++d) {
    FT_UNROLL for (int j = 0; j < Vectors; ++j) {
      float* at = p.output + d * Width + j * kLanes;
      (floats::load(at) * factor[j]).store(at);
    }
  }
}

/// Is a maximum so large that its rounding error shows? Above 2^20 the rounded maximum differs from
/// score * multiplier by 1/16 or more. Scores are then multiplied, and rounded, before the maximum is
/// subtracted, so that the largest one gives exactly 0.
FT_FUNCTION bools is_rounded(floats maximum) {
  constexpr float kExact = 0x1p20f;  // the product is off by less than 1/16 below this
  return (maximum > kExact) | (maximum < -kExact);
}

/// scores <- weights in place, as floats or as pairs of bfloats; their sums are added to the panel's.
template <class T, int Vectors>
FT_FUNCTION void exponentials(const Panel& p, float* scores, int keys, float multiplier) {
  bool rounded = false;
  floats minus_top[Vectors], sum[Vectors], other[Vectors];
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    minus_top[j] = -floats::load(p.maximum + j * kLanes);
    sum[j] = floats::load(p.sum + j * kLanes);
    other[j] = 0.0f;
    rounded |= any(is_rounded(minus_top[j]));
  }
  if (rounded) {
    for (int i = 0; i < keys * kWidth; i += kLanes)
      (floats::load(scores + i) * floats(multiplier)).store(scores + i);
    multiplier = 1.0f;
  }
  const floats scale = multiplier;
  const auto weight = [&](const float* row, int j) {
    return exp2_weight(fma_exact(floats::load(row + j * kLanes), scale, minus_top[j]));
  };
  const auto store_rows = [&](int c, int j, floats even, floats odd, bool both) {
    if constexpr (Operand<T>::kPerStep == 2) {
      bfloat_pairs(even, odd).store(scores + c / 2 * kWidth + j * kLanes);
    } else {
      even.store(scores + c * kWidth + j * kLanes);
      if (both) odd.store(scores + (c + 1) * kWidth + j * kLanes);
    }
  };
  int c = 0;
  for (; c + 2 <= keys; c += 2) {
    const float* row = scores + c * kWidth;
    FT_UNROLL for (int j = 0; j < Vectors; ++j) {
      const floats even = weight(row, j), odd = weight(row + kWidth, j);
      sum[j] = sum[j] + even;
      other[j] = other[j] + odd;
      store_rows(c, j, even, odd, true);
    }
  }
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    if (c < keys) {
      const floats last = weight(scores + c * kWidth, j);
      sum[j] = sum[j] + last;
      store_rows(c, j, last, 0.0f, false);
    }
    (sum[j] + other[j]).store(p.sum + j * kLanes);
  }
}

/// One step of the online softmax with a lazy maximum: scores <- weights.
template <class T, int Vectors>
[[gnu::noinline]] void softmax_step(const Panel& p, float* scores, int keys, float multiplier, int value_dim) {
  floats top[Vectors];
  block_maximum(scores, keys, top);
  bool grew = false;
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    top[j] = top[j] * floats(multiplier);
    grew |= any(top[j] > floats::load(p.maximum + j * kLanes) + floats(kSlackBits));
  }
  if (grew) rescale(p, top, value_dim);
  exponentials<T, Vectors>(p, scores, keys, multiplier);
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
