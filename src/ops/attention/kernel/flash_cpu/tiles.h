// Attention on AMX tiles: flash.cpu's transposed form with the softmax of one block of keys written between the
// tile products of its neighbours, since the vector units work while the tile unit does.
//
//   K, and V^T with a row of ones, of each block of kKeys keys, once a call:  whole tiles, padded with zeros
//   for each block that the mask lets a panel of 32 queries see:
//     S^T(next) = K Q^T                     beside  P^T = exp2(S^T - maximum), pairs of keys side by side
//     O^T = O^T + V^T P^T(before)           beside  the same
//   O = (O^T / its last row, the sums)^T
//
// Tiles hold bfloats. A float32 is split into a sum of three, a half into a sum of two, and as many products of
// these parts are added as it takes to be as exact as a float32 product, see panel::Split.
//
// For bfloat the maximum stays that of the first block, and higher scores get weights above 1, which a bfloat
// holds as precisely. For float32 and half it follows the scores. Panels with numbers that bfloats, their parts
// or their sums cannot represent are computed by prefill.h.
//
// Source    Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (tiling).
#pragma once

#include "src/ops/attention/kernel/flash_cpu/prefill.h"
#include "src/ops/attention/kernel/flash_cpu/tile_softmax.h"
#include "src/ops/attention/kernel/flash_cpu/tile_staging.h"

#if defined(FT_AMX)

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Panels of a task, which read each prepared block in turn. One suffices while the blocks of a
/// head stay in a core's L2 cache.
inline constexpr int kTilePanels = 4;
inline constexpr std::size_t kSecondCacheBytes = std::size_t{2} << 20;
/// With this many tasks for each thread, no thread waits long for the last one.
inline constexpr std::int64_t kTasksPerThread = 8;

/// Computes one block of queries against blocks of keys that the stage before has made ready.
template <class T>
class TilePrefill : PanelTask<T, panel::kTileLanes> {
 public:
  /// Preparing a block pays if several panels read it. Splitting short rows into parts
  /// costs more than tiles save.
  static bool suits(const AttentionParams& p) {
    return kParts<T> == 1 ? usual_queries(p) > 2 * kLanesOfPanel
                          : usual_queries(p) > 4 * kLanesOfPanel && p.head_dim > 32;
  }
  /// So many KV heads are worked on together that their prepared blocks are still in cache when they are used,
  /// but that no thread waits long for the last task.
  static CpuSchedule schedule(const AttentionParams& p, int threads) {
    const TileLayout<T> layout(p);
    const bool cached =
        static_cast<std::size_t>(layout.count) * layout.size * sizeof(float) <= kSecondCacheBytes;
    CpuSchedule schedule = schedule_of<T>(
        "tiles", p, tasks_of(p, cached ? 1 : kTilePanels, kLanesOfPanel),
        max(max(Memory(Scratch(), p).bytes, Prefill<T>::scratch_bytes(p)), prepare_scratch_bytes<T>(p)), run);
    const CpuTasks& tasks = schedule.tasks;
    const std::int64_t tasks_of_head = tasks.units * tasks.splits.count *
                                       blocks_by_shape(p, tasks.side_by_side, tasks.block_rows) /
                                       schedule.heads;
    schedule.prepare = {layout.most_used, prepare_block<T>};
    schedule.heads_at_once =
        threads == 1 ? 1
                     : min(schedule.heads, threads * kTasksPerThread / max<std::int64_t>(1, tasks_of_head) + 1);
    schedule.workspace_bytes += static_cast<std::size_t>(schedule.heads_at_once) * layout.bytes_of_head();
    return schedule;
  }

 private:
  using Base = PanelTask<T, panel::kTileLanes>;
  using Base::p_;
  using Base::tasks_;

  using ScoresSplit = panel::Split<kParts<T>, kParts<T>>;
  using OutputSplit = panel::Split<kParts<T>, kWeightParts<T>>;

  static constexpr int kLanesOfPanel = panel::kTileLanes;

  struct Memory {
    Panel panels[kTilePanels];
    PanelTotals<kLanesOfPanel> totals[kTilePanels];
    float* scores[2];  ///< of units, and then their weights
    Word* staged;
    std::size_t bytes;  ///< of it all

    Memory(Scratch scratch, const AttentionParams& p) {
      const TileLayout<T> layout(p);
      for (int i = 0; i < kTilePanels; ++i)
        allot(scratch, panels[i], totals[i], kParts<T> * layout.key_steps, layout.value_rows, p.kv_length);
      for (float*& of_unit : scores) of_unit = scratch.take<float>(kWeightParts<T> * kWeightsPart);
      staged = scratch.take<Word>(kLanesOfPanel * kParts<T> * layout.key_steps);
      bytes = scratch.bytes();
    }
  };

  TilePrefill(const CpuSchedule& schedule, const CpuTask& task)
      : Base(schedule, task),
        blocks_(schedule, task, this->place_.batch, this->place_.kv_head),
        memory_(Scratch(task.scratch), p_) {}

  const TileLayout<T>& layout() const { return blocks_.layout(); }

  static void run(const CpuSchedule& schedule, const CpuTask& task) {
    TilePrefill block(schedule, task);
    if (!block.attend()) Prefill<T>::run_some(schedule, task, block.first_row(), schedule.tasks.block_rows);
    block.clear_padding();
  }

  /// Returns false if a number is not plain or a sum overflows float32; some rows may be written then.
  bool attend() {
    const panel::Session<panel::AmxPairStep> session;
    const std::int64_t begin = this->first_row(), end = min(this->rows_, begin + tasks_.block_rows);
    const int together = stay_cached(begin, end) ? 1 : tasks_.block_rows / kLanesOfPanel;
    for (std::int64_t first = begin; first < end; first += together * kLanesOfPanel) {
      if (!attend_together(first, together)) return false;
    }
    return true;
  }
  /// Do the blocks that these queries see stay in cache, so that panels had better take turns with the first
  /// level?
  bool stay_cached(std::int64_t first, std::int64_t end) const {
    const Entry& entry = this->entry_;
    const KeyRange keys = tasks_.side_by_side ? entry.keys(0, p_.query_length - 1) : entry.keys(first, end - 1);
    const auto blocks = static_cast<std::size_t>((keys.end - keys.begin) / kKeys + 2);
    return blocks * layout().size * sizeof(float) <= kSecondCacheBytes / 2;
  }
  bool attend_together(std::int64_t first, int panels) {
    int begin = p_.kv_length;
    active_ = end_ = 0;
    for (; active_ < panels && first < this->rows_; first += kLanesOfPanel) {
      Panel& panel = memory_.panels[active_];
      start(panel, first);
      const KeyRange range = this->keys_of(panel);
      sights_[active_++] = TileSight<T>(range);
      begin = min(begin, range.begin);
      end_ = max(end_, range.end);
    }
    if (p_.lse == nullptr)
      blend_units<Lse::unwanted>(begin);
    else
      blend_units<Lse::wanted>(begin);
    for (int i = 0; i < active_; ++i) memory_.totals[i].finish(memory_.panels[i], p_.rule.exponent);
    bool good = plain_;
    for (int i = 0; i < active_; ++i) good &= sums_are_finite(memory_.panels[i], p_.value_dim);
    for (int i = 0; good && i < active_; ++i) this->finish(memory_.panels[i]);
    return good;
  }

  void start(Panel& panel, std::int64_t first) {
    panel.sum = panel.output + p_.value_dim * kLanesOfPanel;
    Base::start(panel, first, kLanesOfPanel, kRegisters);
    fetch_rows(panel);
    const auto query = [&](int lane) { return this->query_at(panel.head[lane], panel.position[lane]); };
    plain_ &= pack_queries<T>(layout(), panel, memory_.staged, query);
  }

  /// Prefetches the rows of O that this task writes at its end, and those of Q that are likely to be read next.
  void fetch_rows(const Panel& panel) const {
    constexpr int kLine = 64 / sizeof(T);
    for (int i = 0; i < panel.count; ++i) {
      const int head = panel.head[i], position = panel.position[i];
      with_out_type<T>(p_, [&](auto type) {
        using E = typename decltype(type)::type;
        const E* output = out_rows<E>(p_, this->place_.batch, head, position).first;
        for (int d = 0; d < p_.value_dim; d += 64 / static_cast<int>(sizeof(E)))
          __builtin_prefetch(output + d, 1);
      });
      const T* query = this->query_at(head, max(0, position - kLanesOfPanel));
      for (int d = 0; d < p_.head_dim; d += kLine) __builtin_prefetch(query + d, 0, 2);
    }
  }

  /// The first unit from panel `panel` on of the block that `column` is in. All panels see a block before the
  /// next block begins.
  TileUnit unit_from(int column, int panel) const {
    for (column = column / kKeys * kKeys; column < end_; column += kKeys, panel = 0) {
      for (; panel < active_; ++panel) {
        TileUnit unit = sights_[panel].unit(column, panel);
        if (unit.keys == 0) continue;
        if (p_.rule.mask.given() || p_.rule.hides_pairs()) unit.mask = classify(unit);
        if (unit.mask != MaskBlock::hidden) return unit;
      }
    }
    return {};
  }
  [[gnu::noinline]] MaskBlock classify(const TileUnit& u) const {
    return flash_cpu::classify(p_.rule, memory_.panels[u.panel], this->place_.batch, u.column, u.keys);
  }

  template <Lse kLse>
  void blend_units(int begin) {
    TileUnit before, now = unit_from(begin, 0);
    const auto nothing = [] {};
    if (now.keys > 0) multiply_scores(now, memory_.scores[0], nothing);
    while (now.keys > 0) {
      if constexpr (kParts<T> != 1) plain_ &= blocks_.plain(now.column) != 0;
      const TileUnit next = unit_from(now.column, now.panel + 1);
      const float exponent = p_.rule.exponent,
                  of_maximum = sights_[now.panel].is_settled(now) ? exponent : settle(now, before);
      Weights<T, kLse> weights(memory_.panels[now.panel], memory_.scores[0], exponent, of_maximum,
                               now.rows() / 2, products_of(before, next));
      if (before.keys > 0) multiply_values(before, memory_.scores[1], weights);
      if (next.keys > 0) multiply_scores(next, memory_.scores[1], weights);
      weights.finish();
      if (next.keys > 0 && ends_chain(now.column, next.column)) {
        // What the products of this unit's weights add later, under the same maximum, begins the next chain.
        for (int i = 0; i < active_; ++i) memory_.totals[i].add(memory_.panels[i], exponent);
      }
      before = now;
      now = next;
      float* const weighed = memory_.scores[0];
      memory_.scores[0] = memory_.scores[1];
      memory_.scores[1] = weighed;
    }
    if (before.keys > 0) multiply_values(before, memory_.scores[1], nothing);
  }

  template <class Beside>
  [[gnu::always_inline]] void multiply_scores(const TileUnit& u, float* scores, Beside&& beside) {
    panel::multiply_tiles<panel::Mode::overwrite, kLanesOfPanel, ScoresSplit>(
        scores, {blocks_.keys(u.column) + u.before() * layout().key_steps, 4 * layout().key_steps, 4},
        memory_.panels[u.panel].queries, u.rows(), layout().key_steps, beside, layout().keys_part,
        layout().queries_part);
  }
  template <class Beside>
  [[gnu::always_inline]] void multiply_values(const TileUnit& u, const float* weights, Beside&& beside) {
    panel::multiply_tiles<panel::Mode::accumulate, kLanesOfPanel, OutputSplit>(
        memory_.panels[u.panel].output,
        {blocks_.values(u.column) + u.before() / 2, 4 * layout().value_steps, 4}, panel::words_of(weights),
        layout().value_rows, u.rows() / 2, beside, layout().values_part, kWeightsPart);
  }
  /// Number of tile products that run beside one softmax: of the unit before and of the next.
  int products_of(const TileUnit& before, const TileUnit& next) const {
    return panel::tile_products<OutputSplit>(layout().value_rows, before.rows() / 2) +
           panel::tile_products<ScoresSplit>(next.rows(), layout().key_steps);
  }

  /// See TileSight. Before a maximum rises, the weights of the unit before, which belong to the old one, are
  /// added to O^T.
  float settle(const TileUnit& now, TileUnit& before) {
    const auto add_before = [&] {
      if (before.keys == 0 || before.panel != now.panel) return;
      multiply_values(before, memory_.scores[1], [] {});
      before.keys = 0;
    };
    return sights_[now.panel].settle(p_, this->entry_, this->place_.batch, memory_.panels[now.panel], now,
                                     memory_.scores[0], add_before);
  }

  TileBlocks<T> blocks_;
  Memory memory_;
  int active_ = 0;  ///< panels in use
  TileSight<T> sights_[kTilePanels];
  int end_ = 0;        ///< the key after the last that any panel sees
  bool plain_ = true;  ///< are all numbers so far plain?
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#endif
