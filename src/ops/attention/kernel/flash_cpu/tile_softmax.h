// What happens to the scores of a panel between the tile products of tiles.h, before they become weights: the
// score rule and the maximum.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/walk.h"
#include "src/ops/attention/kernel/flash_cpu/weights.h"

#if defined(FT_AMX)

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Keys of a block for a panel that sees some of them: its rows, or half of them where the others are seen by
/// none.
struct TileUnit {
  static constexpr int kHalf = kKeys / 2;

  int column = 0, panel = 0, keys = 0;  ///< keys: 0 for none
  MaskBlock mask = MaskBlock::open;

  int rows() const { return rounded_up(keys, kHalf); }
  int before() const { return column % kKeys; }  ///< keys of the block that are left out
};

/// Are a panel's outputs and sums finite?
inline bool sums_are_finite(const Panel& panel, int value_dim) {
  constexpr int kLanesOfPanel = panel::kTileLanes;
  floats probe = 0.0f;
  for (int i = 0; i < (value_dim + 1) * kLanesOfPanel; i += kLanes)
    probe = fma(floats::load(panel.output + i), 0.0f, probe);
  for (int i = 0; i < kLanesOfPanel; i += kLanes) probe = fma(floats::load(panel.lse_sum + i), 0.0f, probe);
  return !any(probe != floats(0.0f));
}

/// The keys of a task that a panel sees, and the maximum of its scores so far.
template <class T>
class TileSight {
 public:
  TileSight() = default;
  explicit TileSight(const KeyRange& range) : range_(range) {}

  /// The unit of the block that `column` starts; without keys where the panel sees none.
  TileUnit unit(int column, int panel) const {
    const int first = range_.begin < column + TileUnit::kHalf ? column : column + TileUnit::kHalf;
    const int keys = min(column + kKeys, range_.end) - first;
    if (keys <= 0 || first + keys <= range_.begin) return {};
    return {first, panel, keys};
  }

  /// True if a unit needs no rule and its maximum stays.
  bool is_settled(const TileUnit& u) const {
    return settled_ && u.mask == MaskBlock::open && range_.all_see(u.column, kKeys);
  }

  /// Applies the rule and updates the maximum; returns what the maximum is multiplied with in the exponent, 0
  /// where it has been subtracted already. before_rescaling() is called before a maximum rises under which
  /// something was summed.
  template <class F>
  [[gnu::noinline]] float settle(const AttentionParams& p, const Entry& entry, std::int64_t batch,
                                 const Panel& panel, const TileUnit& now, float* scores, F before_rescaling) {
    const ScoreRule& rule = p.rule;
    if (!rule.is_factor || now.mask == MaskBlock::mixed || !range_.all_see(now.column, now.keys))
      apply_rule<kLanesOfPanel>(rule, entry, panel, batch, now.column, now.keys, now.mask, scores);
    for (int i = now.keys * kLanesOfPanel; i < now.rows() * kLanesOfPanel; i += kLanes)
      floats(kMinusInfinity).store(scores + i);
    const bool stays = !kFollows && all_have_a_maximum(panel);
    if (!stays) raise_maximum(panel, scores, now.rows(), rule.exponent, p.value_dim, before_rescaling);
    bool subtract = !rule.is_factor;
    for (int i = 0; i < kLanesOfPanel; i += kLanes)
      subtract |= any(is_far(floats::load(panel.maximum + i) * floats(rule.exponent)));
    settled_ = stays && !subtract;
    if (!subtract) return rule.exponent;
    subtract_maximum<kRegisters, kLanesOfPanel>(panel, scores, now.rows());
    return 0.0f;
  }

 private:
  static constexpr int kLanesOfPanel = panel::kTileLanes;
  /// Does the maximum follow the scores? The error of a weight grows with its distance from 1: it stays below
  /// the precision of a bfloat, but not of a float32.
  static constexpr bool kFollows = kWeightParts<T> > 1;

  template <class F>
  void raise_maximum(const Panel& panel, const float* scores, int rows, float exponent, int value_dim,
                     F before_rescaling) {
    floats top[kRegisters];
    block_maximum<kRegisters, kLanesOfPanel>(scores, rows, top);
    bool grew = false, rescales = !blank_is_new_;
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      const floats maximum = floats::load(panel.maximum + j * kLanes);
      const bools grown = outgrown(top[j], maximum, exponent), blank = maximum == floats(kLowest);
      grew |= any(grown);
      rescales |= any(grown & !blank);
      blank_is_new_ &= !any(blank & !grown & (top[j] > floats(kMinusInfinity)));
    }
    if (!grew) return;
    if (!rescales) {  // what the lanes that get their first maximum have summed is 0
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        const floats maximum = floats::load(panel.maximum + j * kLanes);
        select(maximum, top[j], outgrown(top[j], maximum, exponent)).store(panel.maximum + j * kLanes);
      }
      return;
    }
    before_rescaling();
    rescale<kRegisters, kLanesOfPanel>(panel, top, exponent, value_dim);
  }

  /// Has every lane left kLowest, where its maximum started?
  static bool all_have_a_maximum(const Panel& panel) {
    bool all = true;
    for (int i = 0; i < kLanesOfPanel; i += kLanes)
      all &= !any(floats::load(panel.maximum + i) == floats(kLowest));
    return all;
  }

  KeyRange range_{};
  bool settled_ = false;  ///< every lane has a maximum that stays, and blocks that all lanes see need no rule
  bool blank_is_new_ = true;  ///< lanes without a maximum have only met scores of -inf
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#endif
