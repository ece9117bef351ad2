// Mask tensors on a block of transposed scores. A mask row belongs to a lane, so its entries are transposed in
// registers. Blocks whose entries are all open or all hidden are recognised first and cost next to nothing.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/softmax.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// What the mask tensor does to a block: nothing, hides it from every query, or anything in between.
enum class MaskBlock { open, hidden, mixed };

/// Mask entries as addends of scores in base 2: bias * log2 e, or 0 and -inf of booleans. A finite bias,
/// however low, stays finite; NaN stays NaN.
template <class E>
FT_FUNCTION floats bias_of(const E* from, int left) {
  if constexpr (std::is_same_v<E, std::uint8_t>) {
    const ints entries = left >= kLanes ? primitives::detail::load_lanes<std::int32_t>(from)
                                        : primitives::detail::load_lanes<std::int32_t>(from, left);
    return select(floats(0.0f), floats(kMinusInfinity), entries == ints(0));
  } else {
    const floats entries = load_some(from, left);
    return select(max(floats(kLowest), entries * floats(kLog2E)), entries, entries == kMinusInfinity);
  }
}

/// Address of a query's mask entries from key `column` on, or of the one entry that repeats over keys. `first`
/// is the tensor's first entry.
template <class E>
FT_FUNCTION const E* mask_row(const E* first, const MaskTensorParams& mask, std::int64_t batch,
                              std::int64_t head, std::int64_t position, std::int64_t column) {
  return first + batch * mask.strides.batch + head * mask.strides.head +
         (mask.rows == 1 ? 0 : position) * mask.strides.row + (mask.columns == 1 ? 0 : column);
}

/// A mask tensor as one panel of queries sees it, keys `column` ... `column + keys - 1`.
template <class E>
class PanelMask {
 public:
  PanelMask(const MaskTensorParams& mask, const Panel& panel, std::int64_t batch, int column, int keys)
      : mask_(mask), panel_(panel), batch_(batch), column_(column), keys_(keys) {}

  MaskBlock classify() const {
    bool some_open = false, some_bias = false;
    const int lanes = repeats_over_lanes() ? 1 : panel_.count;
    const int keys = mask_.columns == 1 ? 1 : keys_;
    for (int i = 0; i < lanes && !(some_open && some_bias); ++i) {
      const E* from = row(i);
      for (int c = 0; c < keys; c += kLanes) {
        const floats bias = entries(from, c, keys - c);
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
          bias[i] = first + i >= panel_.count ? floats(0.0f)
                    : mask_.columns == 1      ? repeated(row(first + i))
                                              : entries(row(first + i), c, left);
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
    return mask_.rows == 1 && (mask_.strides.head == 0 || panel_.head[0] == panel_.head[panel_.count - 1]);
  }
  const E* row(int lane) const {
    return mask_row(static_cast<const E*>(mask_.data), mask_, batch_, panel_.head[lane], panel_.position[lane],
                    column_);
  }
  static floats entries(const E* from, int c, int left) { return bias_of(from + c, left); }
  static floats repeated(const E* from) { return bias_of(from, 1)[0]; }

  const MaskTensorParams& mask_;
  const Panel& panel_;
  std::int64_t batch_;
  int column_, keys_;
};

/// Calls f(pointer to the first entry) if there is a mask tensor.
template <class F>
FT_FUNCTION void with_mask_entries(const MaskTensorParams& mask, F f) {
  switch (mask.kind) {
    case MaskTensorKind::boolean_u8: return f(static_cast<const std::uint8_t*>(mask.data));
    case MaskTensorKind::additive_f32: return f(static_cast<const float*>(mask.data));
    case MaskTensorKind::additive_f16: return f(static_cast<const half*>(mask.data));
    case MaskTensorKind::additive_bf16: return f(static_cast<const bfloat*>(mask.data));
    case MaskTensorKind::none: return;
  }
}

/// Calls f(PanelMask) for the mask's element type; without a mask tensor returns `none`.
template <class Result, class F>
FT_FUNCTION Result with_mask(const MaskTensorParams& mask, const Panel& panel, std::int64_t batch, int column,
                             int keys, Result none, F f) {
  Result result = none;
  with_mask_entries(mask,
                    [&]<class E>(const E*) { result = f(PanelMask<E>(mask, panel, batch, column, keys)); });
  return result;
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
