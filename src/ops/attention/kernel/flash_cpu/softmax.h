// The steps of flash.cpu between its two products: masks and softmax on a block of transposed scores, where a
// row is a key and a lane is a query.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/operands.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// How far scores, in powers of two of their weights, may exceed the maximum in use before sums and output are rescaled to a new one.
/// Weights of up to 2^8 lose nothing: float32 and bfloat hold them with the same relative precision.
inline constexpr float kSlackBits = 8.0f;

/// A panel of queries, one a lane, and its running sums. Rows have W lanes: kWidth, or kTileLanes in tiles.h.
struct Panel {
  Word* queries;           ///< (steps of D, W)
  float* output;           ///< (Dv, W)
  float* maximum;          ///< (W) what is subtracted from scores
  float* sum;              ///< (W) of the weights
  float* lse_sum;          ///< (W) what lse is computed from: `sum` itself, or a more exact one
  std::int32_t* position;  ///< (W) of each lane's query in its sequence
  std::int32_t* head;      ///< (W) query head of each lane
  int output_rows;         ///< Dv, or more
  int count, vectors;      ///< lanes in use, and the registers that hold them
  int first_position, last_position;
};

/// Which keys of a block each register of lanes sees some of.
class Diagonal {
 public:
  Diagonal(const Panel& p, const Band& band, int column) : vectors_(p.vectors) {
    const TileBand tile = band.tile(p.first_position, column, column + kKeys);
    for (int j = 0; j < vectors_; ++j) {
      std::int32_t first = p.position[j * kLanes], last = first;
      for (int i = j * kLanes; i < (j + 1) * kLanes; ++i) {
        first = min(first, p.position[i]);
        last = max(last, p.position[i]);
      }
      first_key_[j] = tile.first(first - p.first_position);
      last_key_[j] = tile.last(last - p.first_position);
    }
  }
  /// Registers first ... end - 1 hold all that see some of keys c ... c + count - 1.
  struct Registers {
    int first, end;
  };
  Registers that_see(int c, int count) const {
    Registers r{0, vectors_};
    while (r.first < r.end && last_key_[r.first] < c) ++r.first;
    while (r.end > r.first && first_key_[r.end - 1] >= c + count) --r.end;
    return r;
  }

 private:
  int vectors_;
  std::int32_t first_key_[kVectors], last_key_[kVectors];
};

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
FT_FUNCTION void rescale(const Panel& p, const floats (&top)[Vectors], float exponent, int value_dim) {
  floats factor[Vectors];
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    const floats before = floats::load(p.maximum + j * kLanes);
    const floats now = max(top[j], before);
    factor[j] = exp2_weight((before - now) * exponent);
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

/// Is -maximum * exponent so large that its rounding error shows, or not finite? Above 2^20 it differs from the
/// exact product by 1/16 or more. The maximum is then subtracted first, so that its own weight is exactly 1.
FT_FUNCTION bools is_far(floats minus_top) {
  return !((minus_top < floats(0x1p20f)) & (minus_top > floats(-0x1p20f)));
}

/// The lanes where a block's largest score exceeds the maximum in use by more than weights may.
FT_FUNCTION bools outgrown(floats top, floats maximum, float exponent) {
  return (top - maximum) * floats(exponent) > floats(kSlackBits);
}
FT_FUNCTION bool outgrows(floats top, floats maximum, float exponent) {
  return any(outgrown(top, maximum, exponent));
}

/// scores <- scores - maximum.
template <int Vectors, int Width = kWidth>
FT_FUNCTION void subtract_maximum(const Panel& p, float* scores, int keys) {
  for (int c = 0; c < keys; ++c) {
    FT_UNROLL for (int j = 0; j < Vectors; ++j) {
      float* const at = scores + c * Width + j * kLanes;
      (floats::load(at) - floats::load(p.maximum + j * kLanes)).store(at);
    }
  }
}

/// The weight 2^z of a score, and 0 below 2^-126: Intel's processors take a hundred cycles and more for each product with a
/// subnormal float, and real layers have many such weights. Without AVX-512 exp2_weight returns next to none.
FT_FUNCTION floats weight_of(floats z) {
#if defined(FT_AVX512)
  z = select(z, floats(-__builtin_inff()), z < floats(-126.0f));
#endif
  return exp2_weight(z);
}

/// scores <- weights in place, as floats or as pairs of bfloats; their sums are added to the panel's.
template <class T, int Vectors>
FT_FUNCTION void exponentials(const Panel& p, float* scores, int keys, const ScoreRule& rule) {
  const floats scale = rule.exponent;
  bool subtract = !rule.is_factor;
  floats minus_top[Vectors], sum[Vectors], other[Vectors];
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    minus_top[j] = -(floats::load(p.maximum + j * kLanes) * scale);
    sum[j] = floats::load(p.sum + j * kLanes);
    other[j] = 0.0f;
    subtract |= any(is_far(minus_top[j]));
  }
  if (subtract) {
    subtract_maximum<Vectors>(p, scores, keys);
    FT_UNROLL for (int j = 0; j < Vectors; ++j) minus_top[j] = 0.0f;
  }
  const auto weight = [&](const float* row, int j) {
    const floats z = fma_exact(floats::load(row + j * kLanes), scale, minus_top[j]);
    return Operand<T>::kPerStep == 2 ? exp2_weight(z)
                                     : weight_of(z);  // products of pairs of bfloats take them as 0
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
[[gnu::noinline]] void softmax_step(const Panel& p, float* scores, int keys, const ScoreRule& rule,
                                    int value_dim) {
  floats top[Vectors];
  block_maximum(scores, keys, top);
  bool grew = false;
  FT_UNROLL for (int j = 0; j < Vectors; ++j) {
    grew |= outgrows(top[j], floats::load(p.maximum + j * kLanes), rule.exponent);
  }
  if (grew) rescale(p, top, rule.exponent, value_dim);
  exponentials<T, Vectors>(p, scores, keys, rule);
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
