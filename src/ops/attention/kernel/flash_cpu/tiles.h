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
#include "src/ops/attention/kernel/flash_cpu/weights.h"

#if defined(FT_AMX)

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Panels of a task, which read each prepared block in turn. One suffices while the blocks of a
/// head stay in a core's L2 cache.
inline constexpr int kTilePanels = 4;
inline constexpr std::size_t kSecondCacheBytes = std::size_t{2} << 20;

/// Computes one panel of queries against blocks that prepare() has made ready in the workspace.
template <class T>
class TilePrefill : PanelTask<T, panel::kTileLanes> {
  static constexpr bool kInParts = kParts<T> != 1;

 public:
  /// Preparing a block pays if several panels read it. Splitting short rows into parts
  /// costs more than tiles save.
  static bool suits(const AttentionParams& p) {
    return kParts<T> == 1 ? usual_queries(p) > 2 * kLanesOfPanel
                          : usual_queries(p) > 4 * kLanesOfPanel && p.head_dim > 32;
  }
  static KeySplits splits(const AttentionParams& p) { return tasks_of(p).splits; }
  static std::int64_t tasks(const AttentionParams& p) { return tasks_of(p).count(p); }
  static std::size_t scratch_bytes(const AttentionParams& p) {
    return max(TilePrefill(p, nullptr, 0, nullptr).used_, Prefill<T>::scratch_bytes(p));
  }
  static std::size_t workspace_bytes(const AttentionParams& p, std::int64_t heads_at_once) {
    return TilePrefill(p, nullptr, 0, nullptr).partial_bytes() +
           static_cast<std::size_t>(heads_at_once * Blocks(p).of_head()) * Blocks(p).size * sizeof(float);
  }
  static std::int64_t prepare_tasks(const AttentionParams& p) {
    return Blocks(p).most_used * p.batch * p.kv_heads;
  }
  static void prepare(const AttentionParams& p, void* workspace, std::int64_t first_head, std::int64_t task,
                      void* scratch) {
    TilePrefill(p, workspace, first_head, scratch).prepare(task);
  }
  static void run(const AttentionParams& p, void* workspace, std::int64_t first_head, std::int64_t task,
                  void* scratch) {
    const Tasks tasks = tasks_of(p);
    const Tasks::Place place = tasks.place(task);
    const int queries = tasks.panels * kLanesOfPanel;
    const std::int64_t first = place.block * queries;
    if (!TilePrefill(p, workspace, first_head, scratch).attend(tasks, place, first))
      Prefill<T>::run_some(p, workspace, tasks, place, first, queries, scratch);
  }

 private:
  using Base = PanelTask<T, panel::kTileLanes>;
  using Base::batch_;
  using Base::entry_;
  using Base::keys_of;
  using Base::kv_head_;
  using Base::p_;

  using ScoresSplit = panel::Split<kParts<T>, kParts<T>>;
  using OutputSplit = panel::Split<kParts<T>, kWeightParts<T>>;

  static constexpr int kLanesOfPanel = panel::kTileLanes;
  static constexpr int kTile = 16;
  /// Does the maximum follow the scores? The error of a weight grows with its distance from 1: it stays below
  /// the precision of a bfloat, but not of a float32.
  static constexpr bool kFollows = kWeightParts<T> > 1;

  /// Layout of the prepared blocks, in 4-byte steps: each part of K by rows, then each part of V^T by rows. K
  /// is that of the block's own keys, V^T that of the keys kApart blocks before: their products alternate, and
  /// so memory is read as one stream.
  struct Blocks {
    static constexpr int kApart = 2;

    std::int64_t count;           ///< of a KV head, as far as shapes say
    std::int64_t most_used;       ///< of any: the longest entry's
    int key_steps, value_rows;    ///< steps of a row of K, rows of V^T with one of ones: whole tiles
    int value_steps = kKeys / 2;  ///< of a row of V^T
    int keys_part, values_part;   ///< floats of a part of K, of V^T
    int plain;                    ///< offset of the flag that all numbers of a block are plain
    std::size_t size;             ///< floats of a block

    explicit Blocks(const AttentionParams& p)
        : count((p.kv_length + kKeys - 1) / kKeys),
          most_used((p.longest_kv + kKeys - 1) / kKeys),
          key_steps(rounded_up(steps_of<bfloat>(p.head_dim), kTile)),
          value_rows(rounded_up(p.value_dim + 1, kTile)),
          keys_part(kKeys * key_steps),
          values_part(value_rows * value_steps),
          plain(kParts<T> * (keys_part + values_part)),
          size(static_cast<std::size_t>(plain + kTile)) {}

    std::int64_t of_head() const { return count + kApart; }
  };

  TilePrefill(const AttentionParams& p, void* workspace, std::int64_t first_head, void* scratch)
      : Base(p, workspace, scratch), blocks_(p), first_head_(first_head) {
    for (int i = 0; i < kTilePanels; ++i) {
      Panel& panel = panels_[i];
      this->allot(panel, totals_[i], kParts<T> * blocks_.key_steps, blocks_.value_rows);
      panel.sum = panel.output + p.value_dim * kLanesOfPanel;
    }
    for (float*& scores : scores_) scores = this->template take<float>(kWeightParts<T> * kWeightsPart);
    staged_ = this->template take<float>(kLanesOfPanel * kParts<T> * blocks_.key_steps);
  }

  static Tasks tasks_of(const AttentionParams& p) {
    const Blocks blocks(p);
    const bool cached =
        static_cast<std::size_t>(blocks.count) * blocks.size * sizeof(float) <= kSecondCacheBytes;
    return Tasks(p, cached ? 1 : kTilePanels, kLanesOfPanel);
  }
  std::size_t partial_bytes() const { return Partials(p_, nullptr, splits(p_).count).bytes(); }
  /// Block `column` / kKeys of this task's KV head.
  float* block(int column) const {
    const std::int64_t index =
        (batch_ * p_.kv_heads + kv_head_ - first_head_) * blocks_.of_head() + column / kKeys;
    return reinterpret_cast<float*>(static_cast<char*>(this->workspace_) + partial_bytes_) +
           index * static_cast<std::int64_t>(blocks_.size);
  }
  float* values_of(int column) const {
    return block(column + Blocks::kApart * kKeys) + kParts<T> * blocks_.keys_part;
  }

  void prepare(std::int64_t task) {
    const int column = static_cast<int>(task % blocks_.most_used) * kKeys;
    kv_head_ = task / blocks_.most_used % p_.kv_heads;
    batch_ = task / blocks_.most_used / p_.kv_heads;
    const int keys = min(kKeys, entry_of(p_, batch_).kv_length - column);
    if (keys <= 0) return;  // nobody sees it
    float* rows = block(column);
    if (keys < kKeys)
      std::memset(rows, 0, static_cast<std::size_t>(kParts<T> * blocks_.keys_part) * sizeof(float));
    const RowRun<const T> k = this->keys_at(column);
    for (int i = 0; i < keys; ++i) stage_row(rows + i * blocks_.key_steps, blocks_.keys_part, k[i]);
    turn_values(values_of(column), this->values_at(column), keys);
    rows[blocks_.plain] = plain_;
  }

  /// Loads `left` elements, at most kLanes, with zeros behind them. Plain numbers are 0 and those of 2^-100 to
  /// 2^40 in size; any other clears plain_, since its parts or products could vanish or overflow.
  floats load_plain(const T* from, int left) {
    const floats x = load_some(from, left);
    if constexpr (std::is_same_v<T, float>) {
      const floats size = floats_of_bits(bits_of(x) & ints(0x7fffffff));
      plain_ &= !any(!(size <= floats(0x1p40f)) | ((size < floats(0x1p-100f)) & (x != floats(0.0f))));
    }
    return x;
  }

  /// Stores the parts of a row of K or Q as pairs of bfloats, `part` floats apart, padded
  /// with zeros to whole tiles.
  void stage_row(float* to, int part, const T* from) {
    const int elements = p_.head_dim;
    if (rows_are_whole()) {
      for (int i = 0; i < blocks_.key_steps; i += kLanes)
        floats::load(reinterpret_cast<const float*>(from) + i).store(to + i);
      return;
    }
    for (int i = 0; i < 2 * blocks_.key_steps; i += kLanes) {
      floats parts[kParts<T>] = {};
      if (i < elements) panel::split_floats(load_plain(from + i, elements - i), parts);
      FT_UNROLL for (int n = 0; n < kParts<T>; ++n) {
        store_some(reinterpret_cast<bfloat*>(to + n * part) + i, parts[n], kLanes);
      }
    }
  }

  /// Columns of V that are transposed together: two registers of bfloat, since two interleaved rows fill two.
  static constexpr int kColumns = kParts<T> == 1 ? 2 * kLanes : kLanes;
  using Square = floats[kLanes];

  /// Row i of the squares <- keys `key` and `key` + 1 of V as pairs of bfloats: two squares of neighbouring
  /// columns for bfloat, else one square a part.
  [[gnu::always_inline]] void load_pair(Square* squares, int i, RowRun<const T> values, int key, int keys,
                                        int left) {
    const T* row = values[key];
    if constexpr (kParts<T> == 1) {
      squares[0][i] = squares[1][i] = 0.0f;
      if (key < keys) panel::load_across(squares[0][i], squares[1][i], row, values.step, keys - key, left);
    } else {
      floats even[kParts<T>] = {}, odd[kParts<T>] = {};
      if (key < keys) panel::split_floats(load_plain(row, left), even);
      if (key + 1 < keys) panel::split_floats(load_plain(row + values.step, left), odd);
      FT_UNROLL for (int part = 0; part < kParts<T>; ++part) {
        squares[part][i] = cut_pairs(even[part], odd[part]);
      }
    }
  }
  /// Transposes the square and stores its rows, at most `left`, `pitch` floats apart.
  [[gnu::always_inline]] static void turn_square(Square& square, float* to, int pitch, int left) {
    primitives::detail::transpose(square);
    if (left >= kLanes) {
      FT_UNROLL for (int i = 0; i < kLanes; ++i) square[i].store(to + i * pitch);
    } else {
      for (int i = 0; i < left; ++i) square[i].store(to + i * pitch);
    }
  }

  /// Stores the parts of V^T for `keys` rows of V. The first part ends with a row of ones, whose
  /// product is the sum of the weights.
  void turn_values(float* to, RowRun<const T> values, int keys) {
    const int steps = blocks_.value_steps;
    for (int c = 0; c < p_.value_dim; c += kColumns) {
      for (int s = 0; s < steps; s += kLanes) {
        Square squares[kColumns / kLanes * kParts<T>];
        FT_UNROLL for (int i = 0; i < kLanes; ++i) {
          load_pair(squares, i, {values.first + c, values.step}, 2 * (s + i), keys, p_.value_dim - c);
        }
        FT_UNROLL for (int n = 0; n < kColumns / kLanes * kParts<T>; ++n) {
          const int column = c + n / kParts<T> * kLanes;
          turn_square(squares[n], to + n % kParts<T> * blocks_.values_part + column * steps + s, steps,
                      p_.value_dim - column);
        }
      }
    }
    const ints pair_of_ones = 0x3f803f80;
    for (int part = 0; part < kParts<T>; ++part) {
      float* rest = to + part * blocks_.values_part + p_.value_dim * steps;
      std::memset(rest, 0,
                  static_cast<std::size_t>((blocks_.value_rows - p_.value_dim) * steps) * sizeof(float));
      for (int i = 0; part == 0 && i < steps; i += kLanes) floats_of_bits(pair_of_ones).store(rest + i);
    }
  }

  /// Returns false if a number is not plain or a sum overflows float32; some rows may be written then.
  bool attend(const Tasks& tasks, const Tasks::Place& place, std::int64_t first) {
    const panel::Session<panel::AmxPairStep> session;
    this->go_to(tasks, place);
    const std::int64_t count = tasks.panels * kLanesOfPanel, end = min(this->rows_, first + count);
    if (place.split == 0) this->clear_padding(tasks, place, first, count);
    const int together = stay_cached(tasks, first, end) ? 1 : tasks.panels;
    for (; first < end; first += together * kLanesOfPanel) {
      if (!attend_together(tasks, place, first, together)) return false;
    }
    return true;
  }
  /// Do the blocks that these queries see stay in cache, so that panels had better take turns with the first level?
  bool stay_cached(const Tasks& tasks, std::int64_t first, std::int64_t end) const {
    const KeyRange keys =
        tasks.side_by_side ? entry_.keys(0, p_.query_length - 1) : entry_.keys(first, end - 1);
    const auto blocks = static_cast<std::size_t>((keys.end - keys.begin) / kKeys + 2);
    return blocks * blocks_.size * sizeof(float) <= kSecondCacheBytes / 2;
  }
  bool attend_together(const Tasks& tasks, const Tasks::Place& place, std::int64_t first, int panels) {
    const int first_of_split = tasks.splits.begin(place.split),
              end_of_split = tasks.splits.begin(place.split + 1);
    int begin = end_of_split;
    active_ = end_ = 0;
    for (; active_ < panels && first < this->rows_; first += kLanesOfPanel) {
      Panel& panel = panels_[active_];
      start(panel, tasks, place.unit, first);
      KeyRange range = keys_of(panel);
      range.begin = max(range.begin, first_of_split);
      range.end = min(range.end, end_of_split);
      range.whole_end = min(range.whole_end, range.end);
      sights_[active_++] = {.range = range};
      begin = min(begin, range.begin);
      end_ = max(end_, range.end);
    }
    if (p_.lse == nullptr)
      blend_units<Lse::unwanted>(begin);
    else
      blend_units<Lse::wanted>(begin);
    for (int i = 0; i < active_; ++i) totals_[i].finish(panels_[i], p_.rule.exponent);
    bool good = plain_;
    for (int i = 0; i < active_; ++i) good &= in_range(panels_[i]);
    const int splits = tasks.splits.count;
    for (int i = 0; good && i < active_; ++i)
      this->finish(panels_[i], Partials(p_, this->workspace_, splits), splits, place.split);
    return good;
  }

  void start(Panel& panel, const Tasks& tasks, std::int64_t unit, std::int64_t first) {
    Base::start(panel, tasks, unit, first, kLanesOfPanel, kRegisters);
    fetch_rows(panel);
    const auto query = [&](int lane) { return this->query_at(panel.head[lane], panel.position[lane]); };
    if (rows_are_whole())
      return panel::pack_rows<kLanesOfPanel>(panel.queries, query, panel.count, blocks_.key_steps, kRegisters);
    const int line = kParts<T> * blocks_.key_steps;
    for (int i = 0; i < panel.count; ++i) stage_row(staged_ + i * line, blocks_.key_steps, query(i));
    for (int part = 0; part < kParts<T>; ++part) {
      const float* lines = staged_ + part * blocks_.key_steps;
      panel::pack_rows<kLanesOfPanel>(
          panel.queries + part * queries_part(), [&](int lane) { return lines + lane * line; }, panel.count,
          blocks_.key_steps, kRegisters);
    }
  }
  /// Do rows of K and Q fill whole tiles as they lie in memory, without splitting or padding?
  bool rows_are_whole() const { return kParts<T> == 1 && p_.head_dim == 2 * blocks_.key_steps; }
  int queries_part() const { return blocks_.key_steps * kLanesOfPanel; }

  /// Prefetches the rows of O that this task writes at its end, and those of Q that are likely to be read next.
  void fetch_rows(const Panel& panel) const {
    constexpr int kLine = 64 / sizeof(T);
    for (int i = 0; i < panel.count; ++i) {
      const int head = panel.head[i], position = panel.position[i];
      with_out_type<T>(p_, [&](auto type) {
        using E = typename decltype(type)::type;
        const E* output = out_rows<E>(p_, batch_, head, position).first;
        for (int d = 0; d < p_.value_dim; d += 64 / static_cast<int>(sizeof(E)))
          __builtin_prefetch(output + d, 1);
      });
      const T* query = this->query_at(head, max(0, position - kLanesOfPanel));
      for (int d = 0; d < p_.head_dim; d += kLine) __builtin_prefetch(query + d, 0, 2);
    }
  }

  /// The keys of this task that a panel sees.
  struct Sight {
    KeyRange range;
    bool settled = false;  ///< every lane has a maximum that stays, and blocks that all lanes see need no rule
    bool blank_is_new = true;  ///< lanes without a maximum have only met scores of -inf
  };
  /// Keys of a block for a panel that sees some of them: its rows, or half of them where the others are seen by none.
  struct Unit {
    static constexpr int kHalf = kKeys / 2;

    int column = 0, panel = 0, keys = 0;  ///< keys: 0 for none
    MaskBlock mask = MaskBlock::open;

    int rows() const { return rounded_up(keys, kHalf); }
    int before() const { return column % kKeys; }  ///< keys of the block that are left out
  };
  /// The first unit from panel `panel` on of the block that `column` is in. All panels see a block before the next
  /// block begins.
  Unit unit_from(int column, int panel) const {
    for (column = column / kKeys * kKeys; column < end_; column += kKeys, panel = 0) {
      for (; panel < active_; ++panel) {
        const KeyRange& range = sights_[panel].range;
        const int first = range.begin < column + Unit::kHalf ? column : column + Unit::kHalf;
        const int keys = min(column + kKeys, range.end) - first;
        if (keys <= 0 || first + keys <= range.begin) continue;
        const MaskBlock mask = !p_.rule.mask.given() ? MaskBlock::open : classify(panels_[panel], first, keys);
        if (mask != MaskBlock::hidden) return {first, panel, keys, mask};
      }
    }
    return {};
  }
  [[gnu::noinline]] MaskBlock classify(const Panel& panel, int column, int keys) const {
    return flash_cpu::classify(p_.rule.mask, panel, batch_, column, keys);
  }

  template <Lse kLse>
  void blend_units(int begin) {
    Unit before, now = unit_from(begin, 0);
    const auto nothing = [] {};
    if (now.keys > 0) multiply_scores(now, scores_[0], nothing);
    while (now.keys > 0) {
      if constexpr (kInParts) plain_ &= block(now.column)[blocks_.plain] != 0.0f;
      const Unit next = unit_from(now.column, now.panel + 1);
      const float exponent = p_.rule.exponent, of_maximum = is_settled(now) ? exponent : settle(now, before);
      Weights<T, kLse> weights(panels_[now.panel], scores_[0], exponent, of_maximum, now.rows() / 2,
                               products_of(before, next));
      if (before.keys > 0) multiply_values(before, scores_[1], weights);
      if (next.keys > 0) multiply_scores(next, scores_[1], weights);
      weights.finish();
      if (next.keys > 0 && ends_chain(now.column, next.column)) {
        // What the products of this unit's weights add later, under the same maximum, begins the next chain.
        for (int i = 0; i < active_; ++i) totals_[i].add(panels_[i], exponent);
      }
      before = now;
      now = next;
      float* const weighed = scores_[0];
      scores_[0] = scores_[1];
      scores_[1] = weighed;
    }
    if (before.keys > 0) multiply_values(before, scores_[1], nothing);
  }

  template <class Beside>
  [[gnu::always_inline]] void multiply_scores(const Unit& u, float* scores, Beside&& beside) {
    panel::multiply_tiles<panel::Mode::overwrite, kLanesOfPanel, ScoresSplit>(
        scores, {block(u.column) + u.before() * blocks_.key_steps, 4 * blocks_.key_steps, 4},
        panels_[u.panel].queries, u.rows(), blocks_.key_steps, beside, blocks_.keys_part, queries_part());
  }
  template <class Beside>
  [[gnu::always_inline]] void multiply_values(const Unit& u, const float* weights, Beside&& beside) {
    panel::multiply_tiles<panel::Mode::accumulate, kLanesOfPanel, OutputSplit>(
        panels_[u.panel].output, {values_of(u.column) + u.before() / 2, 4 * blocks_.value_steps, 4}, weights,
        blocks_.value_rows, u.rows() / 2, beside, blocks_.values_part, kWeightsPart);
  }
  /// Number of tile products that run beside one softmax: of the unit before and of the next.
  int products_of(const Unit& before, const Unit& next) const {
    return panel::tile_products<OutputSplit>(blocks_.value_rows, before.rows() / 2) +
           panel::tile_products<ScoresSplit>(next.rows(), blocks_.key_steps);
  }

  /// True if this unit needs no rule and its maximum stays.
  bool is_settled(const Unit& u) const {
    const Sight& sight = sights_[u.panel];
    return sight.settled && u.mask == MaskBlock::open && sight.range.all_see(u.column, kKeys);
  }
  /// Applies the rule and updates the maximum; returns what the maximum is multiplied with in the exponent, 0 where
  /// it has been subtracted already. Before a maximum rises, the weights of the unit before, which belong to the
  /// old one, are added to O^T.
  [[gnu::noinline]] float settle(const Unit& now, Unit& before) {
    const Panel& panel = panels_[now.panel];
    const ScoreRule& rule = p_.rule;
    Sight& sight = sights_[now.panel];
    float* scores = scores_[0];
    if (!rule.is_factor || now.mask == MaskBlock::mixed || !sight.range.all_see(now.column, now.keys))
      apply_rule<kLanesOfPanel>(rule, entry_, panel, batch_, now.column, now.keys, now.mask, scores);
    for (int i = now.keys * kLanesOfPanel; i < now.rows() * kLanesOfPanel; i += kLanes)
      floats(kMinusInfinity).store(scores + i);
    const bool stays = !kFollows && all_have_a_maximum(panel);
    if (!stays) raise_maximum(now, before, scores);
    bool subtract = !rule.is_factor;
    for (int i = 0; i < kLanesOfPanel; i += kLanes)
      subtract |= any(is_far(floats::load(panel.maximum + i) * floats(rule.exponent)));
    sight.settled = stays && !subtract;
    if (!subtract) return rule.exponent;
    subtract_maximum<kRegisters, kLanesOfPanel>(panel, scores, now.rows());
    return 0.0f;
  }
  void raise_maximum(const Unit& now, Unit& before, const float* scores) {
    const Panel& panel = panels_[now.panel];
    Sight& sight = sights_[now.panel];
    const float exponent = p_.rule.exponent;
    floats top[kRegisters];
    block_maximum<kRegisters, kLanesOfPanel>(scores, now.rows(), top);
    bool grew = false, rescales = !sight.blank_is_new;
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      const floats maximum = floats::load(panel.maximum + j * kLanes);
      const bools grown = outgrown(top[j], maximum, exponent), blank = maximum == floats(kLowest);
      grew |= any(grown);
      rescales |= any(grown & !blank);
      sight.blank_is_new &= !any(blank & !grown & (top[j] > floats(kMinusInfinity)));
    }
    if (!grew) return;
    if (!rescales) {  // what the lanes that get their first maximum have summed is 0
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        const floats maximum = floats::load(panel.maximum + j * kLanes);
        select(maximum, top[j], outgrown(top[j], maximum, exponent)).store(panel.maximum + j * kLanes);
      }
      return;
    }
    if (before.keys > 0 && before.panel == now.panel) {
      multiply_values(before, scores_[1], [] {});
      before.keys = 0;
    }
    rescale<kRegisters, kLanesOfPanel>(panel, top, exponent, p_.value_dim);
  }

  /// Has every lane left kLowest, where its maximum started?
  bool all_have_a_maximum(const Panel& panel) const {
    bool all = true;
    for (int i = 0; i < kLanesOfPanel; i += kLanes)
      all &= !any(floats::load(panel.maximum + i) == floats(kLowest));
    return all;
  }
  /// Are outputs and sums finite?
  bool in_range(const Panel& panel) const {
    floats probe = 0.0f;
    for (int i = 0; i < (p_.value_dim + 1) * kLanesOfPanel; i += kLanes)
      probe = fma(floats::load(panel.output + i), 0.0f, probe);
    for (int i = 0; i < kLanesOfPanel; i += kLanes) probe = fma(floats::load(panel.lse_sum + i), 0.0f, probe);
    return !any(probe != floats(0.0f));
  }

  Blocks blocks_;
  std::int64_t first_head_;
  Panel panels_[kTilePanels];
  PanelTotals<kLanesOfPanel> totals_[kTilePanels];
  int active_ = 0;  ///< panels in use
  Sight sights_[kTilePanels];
  int end_ = 0;        ///< the key after the last that any panel sees
  bool plain_ = true;  ///< are all numbers so far plain? see load_plain
  float *scores_[2], *staged_;
  std::size_t partial_bytes_ = partial_bytes();
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels

#endif
