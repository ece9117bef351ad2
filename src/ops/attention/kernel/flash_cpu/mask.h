// Mask tensors on a block of transposed scores. A mask row belongs to a lane, so its entries are transposed in
// registers. Blocks whose entries are all open or all hidden are recognised first and cost next to nothing.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/softmax.h"
#include "src/ops/attention/kernel/mask_row_cpu.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// What the mask tensor does to a block: nothing, hides it from every query, or anything in between.
enum class MaskBlock { open, hidden, mixed };

/// A mask entry as an addend of scores in base 2. A finite bias, however low, stays finite; NaN stays NaN.
FT_FUNCTION floats in_base_2(floats entry) {
  return select(max(floats(kLowest), entry * floats(kLog2E)), entry, entry == kMinusInfinity);
}

/// The mask tensors as one panel of queries sees them, keys `column` ... `column + keys - 1`.
template <class E>
class PanelMask {
 public:
  PanelMask(const MaskTensors& mask, const Panel& panel, std::int64_t batch, int column, int keys)
      : mask_(mask), panel_(panel), batch_(batch), column_(column), keys_(keys) {}

  MaskBlock classify() const {
    bool some_open = false, some_bias = false;
    const int lanes = repeats_over_lanes() ? 1 : panel_.count;
    const bool one_column = mask_.boolean.columns <= 1 && mask_.bias.columns <= 1;
    const int keys = one_column ? 1 : keys_;
    for (int i = 0; i < lanes && !(some_open && some_bias); ++i) {
      const MaskRow<E> entries = row(i);
      for (int c = 0; c < keys; c += kLanes) {
        const floats bias = entries(c, keys - c);
        const bools inside = lane_indices() < ints(keys - c);
        some_open |= any((bias != kMinusInfinity) & inside);
        some_bias |= any((bias != 0.0f) & inside);
      }
    }
    return !some_open ? MaskBlock::hidden : some_bias ? MaskBlock::mixed : MaskBlock::open;
  }

  /// scores <- scores * scale + bias. A NaN score stays NaN even where its key is hidden: the row is then not
  /// finite, and exact_rows computes it again.
  template <int Width>
  void apply(float* scores, float scale) const {
    for (int first = 0; first < panel_.vectors * kLanes; first += kLanes) {
      for (int c = 0; c < keys_; c += kLanes) {
        const int left = keys_ - c;
        floats bias[kLanes];
        for (int i = 0; i < kLanes; ++i) {
          bias[i] = first + i >= panel_.count ? floats(0.0f) : in_base_2(row(first + i)(c, left));
        }
        primitives::detail::transpose(bias);
        for (int i = 0; i < kLanes && i < left; ++i) {
          float* at = scores + (c + i) * Width + first;
          fma(floats::load(at), scale, bias[i]).store(at);
        }
      }
    }
  }

 private:
  bool repeats_over_lanes() const {
    const bool one_head = panel_.head[0] == panel_.head[panel_.count - 1];
    const auto repeats = [&](const MaskEntries& m) {
      return !m.given() || (m.rows == 1 && (m.strides.head == 0 || one_head));
    };
    return repeats(mask_.boolean) && repeats(mask_.bias);
  }
  MaskRow<E> row(int lane) const { return {mask_, batch_, panel_.head[lane], panel_.position[lane], column_}; }

  const MaskTensors& mask_;
  const Panel& panel_;
  std::int64_t batch_;
  int column_, keys_;
};

/// Calls f(PanelMask) for the mask's element type; without a mask tensor returns `none`.
template <class Result, class F>
FT_FUNCTION Result with_mask(const MaskTensors& mask, const Panel& panel, std::int64_t batch, int column,
                             int keys, Result none, F f) {
  Result result = none;
  if (!mask.given()) return result;
  with_bias_type(mask, [&](auto bias) {
    result = f(PanelMask<typename decltype(bias)::type>(mask, panel, batch, column, keys));
  });
  return result;
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
