// The score rule on a block of transposed scores, where a lane is a query and a row a key. A row of mask entries
// belongs to a lane, so entries are transposed in registers. Blocks whose entries are all open or all hidden are
// recognised first and cost next to nothing.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/softmax.h"
#include "src/ops/attention/kernel/walk_cpu.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// What mask tensors, segments and block maps do to a block: nothing, hide it from every query, or anything in between.
enum class MaskBlock { open, hidden, mixed };

/// The entries of mask tensors for one panel of queries from key `column` on, where the bias has type E; -inf too where
/// segments or the block map hide a pair.
template <class E>
class PanelEntries {
 public:
  PanelEntries(const ScoreRule& rule, const Panel& panel, std::int64_t batch, int column)
      : rule_(rule), mask_(rule.mask), panel_(panel), batch_(batch), column_(column) {}

  /// By mask tensors alone.
  MaskBlock classify(int count) const {
    bool some_open = false, some_bias = false;
    const int lanes = repeats_over_lanes() ? 1 : panel_.count;
    const bool one_column = mask_.boolean.columns <= 1 && mask_.bias.columns <= 1;
    const int keys = one_column ? 1 : count;
    for (int i = 0; i < lanes && !(some_open && some_bias); ++i) {
      const MaskRow<E> entries = row(i);
      for (int c = 0; c < keys; c += kLanes) {
        const floats entry = entries(c, keys - c);
        const bools inside = lane_indices() < ints(keys - c);
        some_open |= any((entry != kMinusInfinity) & inside);
        some_bias |= any((entry != 0.0f) & inside);
      }
    }
    return !some_open ? MaskBlock::hidden : some_bias ? MaskBlock::mixed : MaskBlock::open;
  }

  /// to[i] <- those of key c + i for a register of lanes, the first of which is `first`.
  void load(floats (&to)[kLanes], int first, int c, int left) const {
    for (int i = 0; i < kLanes; ++i) {
      to[i] = first + i >= panel_.count ? floats(0.0f) : row(first + i)(c, left);
      if (rule_.hides_pairs() && first + i < panel_.count)
        to[i] = where_visible(to[i], pairs(first + i)(c, left));
    }
    primitives::transpose(to);
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

  PairRow pairs(int lane) const { return {rule_, batch_, panel_.head[lane], panel_.position[lane], column_}; }

  const ScoreRule& rule_;
  const MaskTensors& mask_;
  const Panel& panel_;
  std::int64_t batch_;
  int column_;
};

/// What segments and block maps let a panel see of keys column ... column + keys - 1, of which there is one. A panel of
/// several heads counts as all their queries between its first position and its last.
FT_FUNCTION Seen seen_by(const ScoreRule& rule, const Panel& panel, std::int64_t batch, int column, int keys) {
  const int head = panel.head[0], heads = panel.head[panel.count - 1] - head + 1;
  return seen_by(rule, QuerySpan{batch, head, heads, panel.first_position, panel.last_position}, column,
                 column + keys);
}

/// What happens to keys column ... column + keys - 1.
FT_FUNCTION MaskBlock classify(const ScoreRule& rule, const Panel& panel, std::int64_t batch, int column,
                               int keys) {
  const Seen pairs = rule.hides_pairs() ? seen_by(rule, panel, batch, column, keys) : Seen::all;
  if (pairs == Seen::none) return MaskBlock::hidden;
  MaskBlock result = MaskBlock::open;
  if (rule.mask.given()) {
    with_bias_type(rule.mask, [&](auto type) {
      result = PanelEntries<typename decltype(type)::type>(rule, panel, batch, column).classify(keys);
    });
  }
  return pairs == Seen::some && result == MaskBlock::open ? MaskBlock::mixed : result;
}

/// Scores that the band hides <- -inf. Keys that every lane sees are passed over: most of a block on an edge.
template <int Width>
FT_FUNCTION void hide_unseen(const TileBand& band, const Panel& panel, int keys, float* scores) {
  const int whole_begin = max(0, min(keys, band.first(panel.last_position - panel.first_position))),
            whole_end = max(whole_begin, min(keys, band.last(0) + 1));
  for (int first = 0; first < panel.vectors * kLanes; first += kLanes) {
    const ints rows = ints::load(panel.position + first) - ints(panel.first_position);
    const auto hide = [&](int begin, int end) {
      for (int c = begin; c < end; ++c) {
        float* const at = scores + c * Width + first;
        where_visible(floats::load(at), band.visible(rows, ints(c))).store(at);
      }
    };
    hide(0, whole_begin);
    hide(whole_end, keys);
  }
}

/// Those of the lanes of a register, the first of which is `first`.
FT_FUNCTION floats slopes_of(const HeadNumbers& slopes, const Panel& panel, std::int64_t batch, int first) {
  float of_lanes[kLanes] = {};
  for (int i = 0; slopes.given() && i < kLanes; ++i) of_lanes[i] = slopes.of(batch, panel.head[first + i]);
  return floats::load(of_lanes);
}

/// Applies the rule to q·k of keys column ... column + keys - 1.
template <int Width>
void apply_rule(const ScoreRule& p_rule, const Entry& entry, const Panel& panel, std::int64_t batch, int column,
                int keys, MaskBlock block, float* scores) {
  const ScoreRule rule = p_rule;
  const TileBand band = entry.band.tile(panel.first_position, column, column + keys);
  if (rule.is_factor && block != MaskBlock::mixed) return hide_unseen<Width>(band, panel, keys, scores);
  const float start = static_cast<float>(entry.offset + panel.first_position - column);
  const auto for_each_score = [&](auto entries_of) {
    for (int first = 0; first < panel.vectors * kLanes; first += kLanes) {
      const ints rows = ints::load(panel.position + first) - ints(panel.first_position);
      const floats slope = slopes_of(rule.slopes, panel, batch, first);
      for (int c = 0; c < keys; c += kLanes) {
        floats entries[kLanes];
        entries_of(entries, first, c);
        for (int i = 0; i < kLanes && c + i < keys; ++i) {
          float* const at = scores + (c + i) * Width + first;
          const Slopes slopes{slope, start, rows - ints(c + i)};
          apply_rule(rule, floats::load(at), slopes, entries[i], band.visible(rows, ints(c + i))).store(at);
        }
      }
    }
  };
  if (block == MaskBlock::mixed) {
    with_bias_type(rule.mask, [&](auto type) {
      const PanelEntries<typename decltype(type)::type> entries(p_rule, panel, batch, column);
      for_each_score([&](floats(&to)[kLanes], int first, int c) { entries.load(to, first, c, keys - c); });
    });
  } else {
    for_each_score([](floats(&to)[kLanes], int, int) {
      for (floats& open : to) open = 0.0f;
    });
  }
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
