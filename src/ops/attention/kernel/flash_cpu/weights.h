// The softmax that tiles.h interleaves with its tile products: a block's scores become weights, stored as the
// pairs of bfloats that tiles multiply.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/softmax.h"

#if defined(FT_AMX)

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
/// Always inlined in this text: between tile products a call would save and load every register. Other instruction
/// sets' loops are faster where the compiler decides.
[[gnu::always_inline]] inline floats exp2_weight(floats z);
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// How many bfloats represent an element of T by their sum, and how many a weight.
template <class T>
inline constexpr int kParts = std::is_same_v<T, bfloat> ? 1
                              : std::is_same_v<T, half> ? 2
                                                        : 3;
template <class T>
inline constexpr int kWeightParts = std::is_same_v<T, bfloat> ? 1 : 3;

inline constexpr int kRegisters = panel::kTileLanes / kLanes;
/// Floats from one part of a block's weights to the next. The first part replaces the
/// scores, the others follow.
inline constexpr int kWeightsPart = kKeys * panel::kTileLanes;

/// Is lse asked for? It has a sum of its own, of weights before they are truncated to bfloat, so that asking
/// for it changes no bit of the output.
enum class Lse { unwanted, wanted };

/// Two rows as pairs of bfloats, `even` in the low halves, each truncated.
FT_FUNCTION floats cut_pairs(floats even, floats odd) {
  return (floats::native)_mm512_mask_blend_epi16(0xaaaaaaaau, (__m512i)((ints::wrapping)bits_of(even).v >> 16),
                                                 (__m512i)odd.v);
}
/// Splits two rows of weights into Parts bfloats each and calls pair(i, pairs of part i).
template <int Parts, class Pair>
[[gnu::always_inline]] FT_FUNCTION void split_pairs(floats even, floats odd, Pair pair) {
  FT_UNROLL for (int i = 0; i < Parts; ++i) {
    pair(i, cut_pairs(even, odd));
    if (i + 1 == Parts) return;
    even = even - panel::cut_to_bfloat(even);
    odd = odd - panel::cut_to_bfloat(odd);
  }
}

/// Turns the scores of a block into weights exp2(score * exponent - maximum * of_maximum) in place, two keys at a time, spread evenly over `products` tile
/// products. Everything is inlined, so that its members stay in registers.
template <class T, Lse kLse>
class Weights {
 public:
  [[gnu::always_inline]] Weights(const Panel& panel, float* scores, float exponent, float of_maximum, int pairs,
                                 int products)
      : from_(scores),
        to_(scores),
        lse_to_(panel.lse_sum),
        scale_(exponent),
        left_(pairs),
        period_(max(1, products / pairs)),
        countdown_(period_) {
    take<0>(panel, of_maximum);
    take<1>(panel, of_maximum);
  }
  /// Called with each tile product: does its share.
  [[gnu::always_inline]] void operator()() {
    if (--countdown_ > 0) [[unlikely]]
      return;
    countdown_ = period_;
    if (left_ > 0) [[likely]]
      pair();
  }
  [[gnu::always_inline]] void finish() {
    while (left_ > 0) pair();
    lse_sum_[0].store(lse_to_);
    lse_sum_[1].store(lse_to_ + kLanes);
  }

 private:
  static_assert(kRegisters == 2);

  template <int kRegister>
  [[gnu::always_inline]] void take(const Panel& panel, float of_maximum) {
    minus_maximum_[kRegister] = -(floats::load(panel.maximum + kRegister * kLanes) * floats(of_maximum));
    lse_sum_[kRegister] = floats::load(panel.lse_sum + kRegister * kLanes);
  }
  [[gnu::always_inline]] void pair() {
    pair_of<0>();
    pair_of<1>();
    from_ += 2 * panel::kTileLanes;
    to_ += panel::kTileLanes;
    --left_;
  }
  template <int kRegister>
  [[gnu::always_inline]] void pair_of() {
    const float* row = from_ + kRegister * kLanes;
    const floats even = fma(floats::load(row), scale_, minus_maximum_[kRegister]);
    const floats odd = fma(floats::load(row + panel::kTileLanes), scale_, minus_maximum_[kRegister]);
    float* to = to_ + kRegister * kLanes;
    if constexpr (kWeightParts<T> == 1)
      cut_pairs(exp2_to_cut(even), exp2_to_cut(odd)).store(to);
    else
      split_pairs<kWeightParts<T>>(exp2_weight(even), exp2_weight(odd),
                                   [to](int part, floats pair) { pair.store(to + part * kWeightsPart); });
    if constexpr (kLse == Lse::wanted)
      lse_sum_[kRegister] = lse_sum_[kRegister] + (exp2_weight(even) + exp2_weight(odd));
  }

  const float* from_;
  float *to_, *lse_to_;
  floats scale_, minus_maximum_[kRegisters], lse_sum_[kRegisters];
  int left_, period_, countdown_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#endif
