// The score rule on vectors of a CPU: the entries of one query, a lane a key, and the rule for scores in any order.
#pragma once

#include "src/ops/attention/kernel/mask_entries.h"
#include "src/ops/attention/kernel/score_rule.h"
#include "src/ops/attention/kernel/sight.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// The mask tensors' entries of one query from key `column` on: the bias, of type E, or -inf where the boolean
/// hides.
template <class E>
class MaskRow {
 public:
  FT_FUNCTION MaskRow(const MaskTensors& mask, int64_t batch, int64_t head, int64_t row, int column) {
    if (mask.bias.given()) {
      bias_ = entries_from<E>(mask.bias, batch, head, row, column).data();
      bias_repeats_ = mask.bias.columns == 1;
    }
    if (mask.boolean.given()) {
      attend_ = entries_from<uint8_t>(mask.boolean, batch, head, row, column).data();
      attend_repeats_ = mask.boolean.columns == 1;
    }
  }

  /// Those of keys c ... c + kLanes - 1, of which `left` are there.
  FT_FUNCTION floats operator()(int c, int left) const {
    floats entry = 0.0f;
    if (bias_ != nullptr)
      entry = bias_repeats_ ? floats(static_cast<float>(*bias_)) : load<float>(bias_ + c, left);
    if (attend_ != nullptr) {
      const ints attend = attend_repeats_ ? ints(*attend_) : load<int32_t>(attend_ + c, left);
      entry = select(entry, floats(kMinusInfinity), attend == ints(0));
    }
    return entry;
  }

 private:
  template <class To, class From>
  static FT_FUNCTION auto load(const From* from, int left) {
    return left >= kLanes ? primitives::load_lanes<To>(from) : primitives::load_lanes<To>(from, left);
  }

  const E* bias_ = nullptr;
  const uint8_t* attend_ = nullptr;
  bool bias_repeats_ = false, attend_repeats_ = false;
};

/// Which keys from key `column` on segments and the block map let one query see.
class PairRow {
 public:
  FT_FUNCTION PairRow(const ScoreRule& rule, int64_t batch, int64_t head, int row, int column)
      : column_(column) {
    if (rule.segments.given()) {
      id_ = rule.segments.q.of(batch)[row];
      ids_ = rule.segments.kv.of(batch) + column;
    }
    if (rule.blocks.given()) {
      const BlockMap& map = rule.blocks;
      blocks_ =
          map.data + batch * map.strides.batch + head * map.strides.head + row / map.q_block * map.strides.row;
      step_ = map.column;
      kv_block_ = map.kv_block;
    }
  }

  /// Those of keys c ... c + kLanes - 1, of which `left` are there.
  FT_FUNCTION bools operator()(int c, int left) const {
    bools seen = true;
    if (ids_ != nullptr)
      seen = (left >= kLanes ? primitives::load_lanes<int32_t>(ids_ + c)
                             : primitives::load_lanes<int32_t>(ids_ + c, left)) == ints(id_);
    if (blocks_ != nullptr) {
      int32_t open[kLanes] = {};
      for (int i = 0; i < kLanes && i < left; ++i) open[i] = blocks_[(column_ + c + i) / kv_block_ * step_];
      seen = seen & (ints::load(open) != ints(0));
    }
    return seen;
  }

 private:
  const int32_t* ids_ = nullptr;
  const uint8_t* blocks_ = nullptr;
  int64_t step_ = 0;
  int32_t id_ = 0, kv_block_ = 1;
  int column_;
};

/// The slopes of a vector of scores, and how far their queries are ahead of their keys: `start` + `ahead`. Looked at
/// where the call has slopes.
struct Slopes {
  floats slope;
  float start;
  ints ahead;
};

/// The whole rule for a vector of q·k, given their slopes, their entries and which of them are visible.
FT_FUNCTION floats apply_rule(const ScoreRule& rule, floats dot, const Slopes& slopes, floats entry,
                              bools visible) {
  floats score = score_of(rule, dot);
  if (rule.slopes.given()) score = with_slope(score, slopes.slope, slopes.start, slopes.ahead);
  return where_visible(with_entry(score, entry), visible);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
