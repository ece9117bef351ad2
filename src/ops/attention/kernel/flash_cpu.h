// Attention scheduled for CPUs, in the transposed form: a lane is a query, so that the softmax has no
// horizontal step, K and V are read where they lie, and one panel product serves both matrix products.
//
//   for each block of kKeys keys that the mask lets a panel of queries see:
//     S^T = K Q^T                            (keys, lanes), float32
//     scale and mask S^T where needed
//     P^T = exp2(S^T - maximum), in place;   a maximum that grew much rescales O^T and the sums
//     O^T = O^T + V^T P^T                    (output columns, lanes), float32
//   O = (O^T / sum)^T
//
// Source    Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (tiling).
#pragma once

#include "src/ops/attention/kernel/flash_cpu_mask.h"
#include "src/ops/attention/kernel/flash_cpu_split.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Panels of queries that share one reading of each block of keys: more where that reading converts, and more
/// still where it turns V for tiles.
template <class T>
inline constexpr int kPanels = kTurnsValues<T> ? 4
                               : kWidth >= 64  ? (std::is_same_v<T, float> ? 1 : 4)
                               : kWidth >= 24  ? 2
                                               : 4;

/// The queries of a problem as blocks for one task each: of one head, or, when sequences are shorter than a
/// block, of the heads of a group side by side, since they read the same keys. Few blocks are made of fewer
/// panels, and then split further, by keys.
struct Tasks {
  int group;   ///< query heads of a KV head
  int panels;  ///< of a block
  bool side_by_side;
  std::int64_t rows;    ///< queries of one unit: a head, or a group side by side
  std::int64_t blocks;  ///< of one unit
  std::int64_t units;   ///< in a batch entry
  KeySplits splits;

  Tasks(const AttentionParams& p, int most_panels)
      : group(p.query_heads / p.kv_heads),
        panels(most_panels),
        side_by_side(group > 1 && p.query_length < panels * kWidth),
        rows(std::int64_t{p.query_length} * (side_by_side ? group : 1)),
        blocks((rows + panels * kWidth - 1) / (panels * kWidth)),
        units(side_by_side ? p.kv_heads : p.query_heads),
        splits(p, p.batch * units * blocks) {
    if (panels > 1 && splits.count > 1) *this = Tasks(p, panels / 2);
  }

  std::int64_t count(const AttentionParams& p) const { return p.batch * units * blocks * splits.count; }
};

/// Computes one block of queries; its panels and blocks of keys live in the thread's scratch.
template <class T>
class Prefill {
 public:
  static KeySplits splits(const AttentionParams& p) { return Tasks(p, kPanels<T>).splits; }
  static std::int64_t tasks(const AttentionParams& p) { return Tasks(p, kPanels<T>).count(p); }
  static std::size_t scratch_bytes(const AttentionParams& p) { return Prefill(p, nullptr, nullptr).used_; }
  static void run(const AttentionParams& p, void* workspace, std::int64_t task, void* scratch) {
    Prefill(p, workspace, scratch).attend(task);
  }

 private:
  using Element = Operand<T>;

  Prefill(const AttentionParams& p, void* workspace, void* scratch)
      : p_(p),
        workspace_(workspace),
        memory_(static_cast<char*>(scratch)),
        head_steps_(steps_of<T>(p.head_dim)) {
    for (Panel& panel : panels_) {
      panel.queries = take<float>(head_steps_ * kWidth);
      panel.output = take<float>(p.value_dim * kWidth);
      for (float** lanes : {&panel.maximum, &panel.sum}) *lanes = take<float>(kWidth);
      for (std::int32_t** lanes : {&panel.position, &panel.head, &panel.reach})
        *lanes = take<std::int32_t>(kWidth);
    }
    scores_ = take<float>(kKeys * kWidth);
    staged_keys_ = take<float>(panel::in_place<T>(p.head_dim) ? 0 : kKeys * staged_key_stride<T>(p.head_dim));
    staged_values_ = take<float>(staged_value_size<T>(p.value_dim));
  }

  /// The next `count` elements of scratch, from a cache line on.
  template <class E>
  E* take(int count) {
    E* here = reinterpret_cast<E*>(memory_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(E) + 63) / 64 * 64;
    return here;
  }

  void attend(std::int64_t task) {
    const panel::Session<typename Element::Step> session;
    const Tasks tasks(p_, kPanels<T>);
    const int split = static_cast<int>(task % tasks.splits.count);
    const std::int64_t block =
        tasks.blocks - 1 - task / tasks.splits.count % tasks.blocks;  // causal: the longest first
    const std::int64_t unit = task / tasks.splits.count / tasks.blocks % tasks.units;
    batch_ = task / tasks.splits.count / tasks.blocks / tasks.units;
    kv_head_ = tasks.side_by_side ? unit : unit / tasks.group;
    int used = 0, end = 0;
    for (; used < tasks.panels; ++used) {
      const std::int64_t first = (block * tasks.panels + used) * kWidth;
      if (first >= tasks.rows) break;
      start(panels_[used], tasks, unit, first);
      end = larger(end, keys_of(panels_[used]).end);
    }
    const int begin = split * tasks.splits.keys;
    end = smaller(end, begin + tasks.splits.keys);
    for (int column = begin; column < end; column += kKeys) {
      const int keys = smaller(kKeys, end - column);
      const RightRows k = keys_operand(keys_at(column), p_.k_strides.row, keys, p_.head_dim, staged_keys_);
      const RightRows v =
          values_operand(values_at(column), p_.v_strides.row, keys, p_.value_dim, staged_values_);
      for (int i = 0; i < used; ++i) step(panels_[i], k, v, column, keys);
    }
    for (int i = 0; i < used; ++i)
      finish(panels_[i], Partials(p_, workspace_, tasks.splits.count), tasks.splits.count, split);
  }

  const T* keys_at(int column) const {
    return static_cast<const T*>(p_.k) + batch_ * p_.k_strides.batch + kv_head_ * p_.k_strides.head +
           column * p_.k_strides.row;
  }
  const T* values_at(int column) const {
    return static_cast<const T*>(p_.v) + batch_ * p_.v_strides.batch + kv_head_ * p_.v_strides.head +
           column * p_.v_strides.row;
  }
  KeyRange keys_of(const Panel& panel) const {
    return p_.band.keys(panel.first_position, panel.last_position, p_.kv_length);
  }

  /// Queries first ... of the unit into the lanes of a panel.
  void start(Panel& panel, const Tasks& tasks, std::int64_t unit, std::int64_t first) {
    panel.count = static_cast<int>(smaller<std::int64_t>(kWidth, tasks.rows - first));
    panel.vectors = (panel.count + kLanes - 1) / kLanes;
    panel.first_position = p_.query_length;
    panel.last_position = 0;
    for (int i = 0; i < panel.vectors * kLanes; ++i) {
      const std::int64_t row = first + smaller(i, panel.count - 1);  // unused lanes repeat the last one
      panel.position[i] = static_cast<std::int32_t>(tasks.side_by_side ? row % p_.query_length : row);
      panel.head[i] =
          static_cast<std::int32_t>(tasks.side_by_side ? unit * tasks.group + row / p_.query_length : unit);
      panel.first_position = smaller(panel.first_position, panel.position[i]);
      panel.last_position = larger(panel.last_position, panel.position[i]);
      panel.maximum[i] = -3.402823466e38f;  // finite, so that a masked block leaves 0 and never NaN
      panel.sum[i] = 0.0f;
    }
    const auto row = [&](int lane) {
      return static_cast<const T*>(p_.q) + batch_ * p_.q_strides.batch + panel.head[lane] * p_.q_strides.head +
             panel.position[lane] * p_.q_strides.row;
    };
    panel::pack_lines<T>(panel.queries, row, panel.count, panel.vectors, p_.head_dim, staged_keys_);
    std::memset(panel.output, 0, static_cast<std::size_t>(p_.value_dim) * kWidth * sizeof(float));
  }

  /// One block of keys against one panel of queries.
  void step(const Panel& panel, RightRows k, RightRows v, int column, int keys) {
    const KeyRange range = keys_of(panel);
    keys = smaller(keys, range.end - column);
    if (keys <= 0) return;
    const MaskBlock mask = with_mask(p_.mask, panel, batch_, column, keys, MaskBlock::open,
                                     [](const auto& entries) { return entries.classify(); });
    if (mask == MaskBlock::hidden) return;

    const bool on_diagonal = column + keys > range.whole_end;
    if (!on_diagonal) {
      multiply_scores(panel, k, 0, keys, 0);
      const float multiplier = scale_and_mask(panel, mask, column, keys);
      softmax(panel, keys, multiplier);
      multiply_values(panel, v, 0, keys, 0);
      return;
    }
    // Registers of lanes that see none of a few keys skip their products.
    const Diagonal diagonal(panel, p_.band.offset, column);
    for (int c = 0; c < keys; c += kDiagonalKeys<T>) {
      multiply_scores(panel, k, c, smaller(kDiagonalKeys<T>, keys - c),
                      diagonal.first_vector(c, panel.vectors));
    }
    const float multiplier = scale_and_mask(panel, mask, column, keys);
    hide_future(panel, scores_, keys);
    softmax(panel, keys, multiplier);
    for (int c = 0; c < keys; c += kDiagonalKeys<T>) {
      multiply_values(panel, v, c, smaller(kDiagonalKeys<T>, keys - c),
                      diagonal.first_vector(c, panel.vectors));
    }
  }

  /// Scores of keys c ... c + count - 1 of the block, for the registers of lanes from `first` on.
  void multiply_scores(const Panel& panel, RightRows k, int c, int count, int first) {
    float* to = scores_ + c * kWidth + first * kLanes;
    const float* queries = panel.queries + first * kLanes;
    using panel::Mode;
    for (int d = 0; d < head_steps_; d += kDepthSteps) {
      const int steps = smaller(kDepthSteps, head_steps_ - d);
      const auto rows = k.from(c, d);
      if (d == 0)
        panel::multiply<typename Element::Step, Mode::overwrite>(to, rows, queries, count, steps,
                                                                 panel.vectors - first);
      else
        panel::multiply<typename Element::Step, Mode::accumulate>(to, rows, queries + d * kWidth, count, steps,
                                                                  panel.vectors - first);
    }
  }

  void multiply_values(const Panel& panel, RightRows v, int c, int count, int first) {
    constexpr int kPer = Element::kPerStep;
    panel::multiply<typename Element::Step, panel::Mode::accumulate>(
        panel.output + first * kLanes, v.from(0, c / kPer), scores_ + c / kPer * kWidth + first * kLanes,
        p_.value_dim, (count + kPer - 1) / kPer, panel.vectors - first);
  }

  /// Applies scale and mask tensor where they cannot wait; returns what is left to multiply scores with.
  float scale_and_mask(const Panel& panel, MaskBlock mask, int column, int keys) {
    if (mask == MaskBlock::mixed) {
      with_mask(p_.mask, panel, batch_, column, keys, 0, [&](const auto& entries) {
        entries.apply(scores_, p_.scale_log2);
        return 0;
      });
      return 1.0f;
    }
    if (p_.scale_log2 > 0.0f) return p_.scale_log2;
    for (int i = 0; i < keys * kWidth; i += kLanes)
      (floats::load(scores_ + i) * floats(p_.scale_log2)).store(scores_ + i);
    return 1.0f;
  }

  void softmax(const Panel& panel, int keys, float multiplier) {
    panel::with_vectors(panel.vectors, [&](auto v) {
      softmax_step<T, decltype(v)::value>(panel, scores_, keys, multiplier, p_.value_dim);
    });
  }

  /// O^T / sum into the rows of O, and lse; or the parts of this split into the workspace.
  void finish(const Panel& panel, const Partials& partials, int splits, int split) {
    for (int first = 0; first < panel.count; first += kLanes) {
      const floats factor = splits > 1 ? floats(1.0f) : floats(1.0f) / floats::load(panel.sum + first);
      const int lanes = smaller(kLanes, panel.count - first);
      for (int d = 0; d < p_.value_dim; d += kLanes) {
        const int columns = smaller(kLanes, p_.value_dim - d);
        floats square[kLanes];
        for (int i = 0; i < kLanes; ++i) {
          square[i] =
              i < columns ? floats::load(panel.output + (d + i) * kWidth + first) * factor : floats(0.0f);
        }
        primitives::detail::transpose(square);
        for (int i = 0; i < lanes; ++i) {
          if (splits > 1)
            square[i].store(
                partials.row(batch_, panel.head[first + i], panel.position[first + i], split).output() + d);
          else
            store_some(out_row<T>(p_, batch_, panel.head[first + i], panel.position[first + i]) + d, square[i],
                       columns);
        }
      }
    }
    for (int i = 0; i < panel.count; ++i) {
      if (splits > 1) {
        const PartialRow part = partials.row(batch_, panel.head[i], panel.position[i], split);
        part.maximum() = panel.maximum[i];
        part.sum() = panel.sum[i];
      } else {
        store_lse(p_, batch_, panel.head[i], panel.position[i], panel.maximum[i], panel.sum[i]);
      }
    }
  }

  const AttentionParams& p_;
  void* workspace_;
  char* memory_;
  std::size_t used_ = 0;
  int head_steps_;
  std::int64_t batch_ = 0, kv_head_ = 0;
  Panel panels_[kPanels<T>];
  float *scores_, *staged_keys_, *staged_values_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
