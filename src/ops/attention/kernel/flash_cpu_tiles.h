// Attention of bfloats on AMX tiles: flash.cpu's transposed form with the softmax of one block of keys written
// between the tile products of its neighbours, since the vector units work while the tile unit does.
//
//   K, and V^T with a row of ones, of each block of kKeys keys, once a call:  whole tiles, padded with zeros
//   for each block that the mask lets a panel of 32 queries see:
//     S^T(next) = K Q^T                     beside  P^T = exp2(S^T - maximum), pairs of keys side by side
//     O^T = O^T + V^T P^T(before)           beside  the same
//   O = (O^T / its last row, the sums)^T
//
// The maximum is that of the first block, and higher scores simply weigh more than 1: float32 and bfloat have
// the range. A panel whose results leave it is computed again with a maximum that follows the scores.
//
// Source    Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (tiling).
#pragma once

#include "src/ops/attention/kernel/flash_cpu_panel.h"

#if defined(FT_AMX)

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Two rows as bfloat pairs, even below odd, each cut. That errs by at most half a unit around weights that are
/// all smaller by one factor, which O^T / sums does not see.
FT_FUNCTION floats cut_pairs(floats even, floats odd) {
  return (floats::native)_mm512_mask_blend_epi16(0xaaaaaaaau, (__m512i)((ints::wrapping)bits_of(even).v >> 16),
                                                 (__m512i)odd.v);
}

/// Computes one panel of queries against blocks that prepare() has made ready in the workspace.
class TilePrefill : PanelTask<bfloat, panel::kTileLanes> {
 public:
  /// With fewer queries than two panels, nothing shares a prepared block.
  static bool suits(const AttentionParams& p) { return p.query_length > 2 * kLanesOfPanel; }
  static KeySplits splits(const AttentionParams& p) { return Tasks(p, 1, kLanesOfPanel).splits; }
  static std::int64_t tasks(const AttentionParams& p) { return Tasks(p, 1, kLanesOfPanel).count(p); }
  static std::size_t scratch_bytes(const AttentionParams& p) {
    return TilePrefill(p, nullptr, 0, nullptr).used_;
  }
  static std::size_t workspace_bytes(const AttentionParams& p, std::int64_t heads_at_once) {
    return TilePrefill(p, nullptr, 0, nullptr).partial_bytes() +
           static_cast<std::size_t>(heads_at_once * Blocks(p).count) * Blocks(p).size * sizeof(float);
  }
  static std::int64_t prepare_tasks(const AttentionParams& p) { return Blocks(p).count * p.batch * p.kv_heads; }
  static void prepare(const AttentionParams& p, void* workspace, std::int64_t first_head, std::int64_t task,
                      void* scratch) {
    TilePrefill(p, workspace, first_head, scratch).prepare(task);
  }
  static void run(const AttentionParams& p, void* workspace, std::int64_t first_head, std::int64_t task,
                  void* scratch) {
    TilePrefill prefill(p, workspace, first_head, scratch);
    if (p.lse == nullptr)
      prefill.attend<Lse::unwanted>(task);
    else
      prefill.attend<Lse::wanted>(task);
  }

 private:
  /// lse is made of a sum of its own, of weights before they are cut, so that wanting it changes no bit of the
  /// output.
  enum class Lse { unwanted, wanted };

  static constexpr int kLanesOfPanel = panel::kTileLanes;
  static constexpr int kRegisters = kLanesOfPanel / kLanes;
  static constexpr int kTile = 16;
  static constexpr int kLineElements = 64 / sizeof(bfloat);  ///< of a cache line

  /// Prepared blocks of keys: K by rows, then V^T by rows, of 4-byte steps.
  struct Blocks {
    std::int64_t count;           ///< of a KV head
    int key_steps, value_rows;    ///< steps of a row of K, rows of V^T with one of ones: whole tiles
    int value_steps = kKeys / 2;  ///< of a row of V^T
    std::size_t size;             ///< floats of a block

    explicit Blocks(const AttentionParams& p)
        : count((p.kv_length + kKeys - 1) / kKeys),
          key_steps(rounded_up(steps_of<bfloat>(p.head_dim), kTile)),
          value_rows(rounded_up(p.value_dim + 1, kTile)),
          size(static_cast<std::size_t>(kKeys * key_steps + value_rows * value_steps)) {}
  };

  TilePrefill(const AttentionParams& p, void* workspace, std::int64_t first_head, void* scratch)
      : PanelTask(p, workspace, scratch), blocks_(p), first_head_(first_head) {
    allot(panel_, blocks_.key_steps, blocks_.value_rows);
    panel_.sum = panel_.output + p.value_dim * kLanesOfPanel;
    for (float*& scores : scores_) scores = take<float>(kKeys * kLanesOfPanel);
    staged_ = take<float>(
        larger(kLanes * staged_key_stride<bfloat>(p.head_dim), kKeys / 2 * staged_value_stride(p.value_dim)));
  }

  std::size_t partial_bytes() const { return Partials(p_, nullptr, splits(p_).count).bytes(); }
  /// Block `column` / kKeys of the KV head that this task is about.
  float* block(int column) const {
    const std::int64_t index = (batch_ * p_.kv_heads + kv_head_ - first_head_) * blocks_.count + column / kKeys;
    return reinterpret_cast<float*>(static_cast<char*>(workspace_) + partial_bytes_) +
           index * static_cast<std::int64_t>(blocks_.size);
  }
  RightRows keys_of_block(int column) const { return {block(column), 4 * blocks_.key_steps, 4}; }
  RightRows values_of_block(int column) const {
    return {block(column) + kKeys * blocks_.key_steps, 4 * blocks_.value_steps, 4};
  }

  void prepare(std::int64_t task) {
    const int column = static_cast<int>(task % blocks_.count) * kKeys;
    kv_head_ = task / blocks_.count % p_.kv_heads;
    batch_ = task / blocks_.count / p_.kv_heads;
    const int keys = smaller(kKeys, p_.kv_length - column);
    float* rows = block(column);
    float* columns = rows + kKeys * blocks_.key_steps;
    if (keys < kKeys || blocks_.key_steps * 2 != p_.head_dim)
      std::memset(rows, 0, static_cast<std::size_t>(kKeys * blocks_.key_steps) * sizeof(float));
    for (int i = 0; i < keys; ++i)
      panel::stage_line(rows + i * blocks_.key_steps, keys_at(column) + i * p_.k_strides.row, p_.head_dim);

    const int stride = staged_value_stride(p_.value_dim);
    for (int i = 0; i < keys; i += 2)
      panel::stage_across(staged_ + i / 2 * stride, values_at(column) + i * p_.v_strides.row, p_.v_strides.row,
                          smaller(2, keys - i), p_.value_dim);
    turn_steps(columns, blocks_.value_steps, staged_, stride, (keys + 1) / 2, stride);
    columns += p_.value_dim * blocks_.value_steps;
    const ints pair_of_ones = 0x3f803f80;
    for (int i = 0; i < blocks_.value_steps; i += kLanes) floats_of_bits(pair_of_ones).store(columns + i);
    columns += blocks_.value_steps;
    std::memset(columns, 0,
                static_cast<std::size_t>((blocks_.value_rows - p_.value_dim - 1) * blocks_.value_steps) *
                    sizeof(float));
  }

  template <Lse kLse>
  void attend(std::int64_t task) {
    const panel::Session<Operand<bfloat>::Step> session;
    const Tasks tasks(p_, 1, kLanesOfPanel);
    const auto [split, block, unit, batch, kv_head] = tasks.place(task);
    batch_ = batch;
    kv_head_ = kv_head;
    const auto run = [&, unit = unit, block = block, split = split](Maximum kind) {
      start(panel_, tasks, unit, block * kLanesOfPanel, staged_, kRegisters);
      fetch_rows();
      std::memset(panel_.queries + steps_of<bfloat>(p_.head_dim) * kLanesOfPanel, 0,
                  static_cast<std::size_t>(blocks_.key_steps - steps_of<bfloat>(p_.head_dim)) * kLanesOfPanel *
                      sizeof(float));
      blend_blocks<kLse>(split * tasks.splits.keys, tasks.splits.keys, kind);
    };
    run(Maximum::first);
    if (!in_range()) run(Maximum::following);
    finish(panel_, Partials(p_, workspace_, tasks.splits.count), tasks.splits.count, split);
  }

  /// Fetches the rows that this task writes at its end, and those of Q that are likely read next.
  void fetch_rows() const {
    for (int i = 0; i < panel_.count; ++i) {
      const int head = panel_.head[i], position = panel_.position[i];
      const bfloat* output = out_row<bfloat>(p_, batch_, head, position);
      for (int d = 0; d < p_.value_dim; d += kLineElements) __builtin_prefetch(output + d, 1);
      const int next = larger(0, position - kLanesOfPanel);
      const bfloat* query = static_cast<const bfloat*>(p_.q) + batch_ * p_.q_strides.batch +
                            head * p_.q_strides.head + next * p_.q_strides.row;
      for (int d = 0; d < p_.head_dim; d += kLineElements) __builtin_prefetch(query + d, 0, 2);
    }
  }

  /// What is subtracted from scores: the maximum of the first block, or one that follows the scores.
  enum class Maximum { first, following };

  /// A block of keys that the panel sees some of.
  struct Block {
    int column = 0, keys = 0;  ///< keys: 0 for none
    MaskBlock mask = MaskBlock::open;

    int rows() const { return rounded_up(keys, kKeys / 2); }
  };
  /// The first block from `column` on.
  [[gnu::noinline]] Block block_from(int column, int end) const {
    for (; column < end; column += kKeys) {
      const int keys = smaller(kKeys, end - column);
      const MaskBlock mask = with_mask(p_.mask, panel_, batch_, column, keys, MaskBlock::open,
                                       [](const auto& entries) { return entries.classify(); });
      if (mask != MaskBlock::hidden) return {column, keys, mask};
    }
    return {};
  }

  template <Lse kLse>
  void blend_blocks(int begin, int count, Maximum kind) {
    const int end = smaller(keys_of(panel_).end, begin + count);
    Block before, now = block_from(begin, end);
    const auto nothing = [] {};
    if (now.keys > 0) multiply_scores(now, scores_[0], nothing);
    while (now.keys > 0) {
      const Block next = block_from(now.column + kKeys, end);
      const float multiplier = settle(now, before, kind);
      Weights<kLse> weights(panel_, scores_[0], multiplier, now.rows() / 2);
      const auto beside = weights.over(products_of(before, next));
      if (before.keys > 0) multiply_values(before, scores_[1], beside);
      if (next.keys > 0) multiply_scores(next, scores_[1], beside);
      weights.finish();
      before = now;
      now = next;
      float* const weighed = scores_[0];
      scores_[0] = scores_[1];
      scores_[1] = weighed;
    }
    if (before.keys > 0) multiply_values(before, scores_[1], nothing);
  }

  template <class Beside>
  [[gnu::always_inline]] void multiply_scores(const Block& b, float* scores, Beside beside) {
    panel::multiply_tiles<panel::Mode::overwrite, kLanesOfPanel>(
        scores, keys_of_block(b.column), panel_.queries, b.rows(), blocks_.key_steps, beside);
  }
  template <class Beside>
  [[gnu::always_inline]] void multiply_values(const Block& b, const float* weights, Beside beside) {
    panel::multiply_tiles<panel::Mode::accumulate, kLanesOfPanel>(
        panel_.output, values_of_block(b.column), weights, blocks_.value_rows, b.rows() / 2, beside);
  }
  /// Tile products of a block before and a block to come.
  int products_of(const Block& before, const Block& next) const {
    return (blocks_.value_rows * before.rows() / 2 + blocks_.key_steps * next.rows()) / (kTile * kTile / 2);
  }

  /// Masks the scores and sees to the maximum; returns what is left to multiply scores with. A maximum that
  /// rises needs the weights of the block before in O^T first.
  float settle(const Block& now, Block& before, Maximum kind) {
    float* scores = scores_[0];
    const float multiplier = scale_and_mask(panel_, scores, now.mask, now.column, now.keys);
    const bool on_diagonal = now.column + now.keys > keys_of(panel_).whole_end;
    if (on_diagonal) {
      const Diagonal diagonal(panel_, p_.band.offset, now.column);
      hide_future<kLanesOfPanel>(panel_, scores, now.keys);
    }
    for (int i = now.keys * kLanesOfPanel; i < now.rows() * kLanesOfPanel; i += kLanes)
      floats(kMinusInfinity).store(scores + i);
    if (kind == Maximum::first && all_have_a_maximum()) return multiplier;

    floats top[kRegisters];
    block_maximum<kRegisters, kLanesOfPanel>(scores, now.rows(), top);
    bool grew = false;
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      top[j] = top[j] * floats(multiplier);
      grew |= any(top[j] > floats::load(panel_.maximum + j * kLanes) + floats(kSlackBits));
    }
    if (!grew) return multiplier;
    if (before.keys > 0) multiply_values(before, scores_[1], [] {});
    before.keys = 0;
    rescale<kRegisters, kLanesOfPanel>(panel_, top, p_.value_dim);
    return multiplier;
  }

  bool all_have_a_maximum() const {
    bool all = true;
    for (int i = 0; i < kLanesOfPanel; i += kLanes)
      all &= !any(floats(-3.0e38f) > floats::load(panel_.maximum + i));
    return all;
  }
  /// Are outputs and sums finite?
  bool in_range() const {
    floats probe = 0.0f;
    for (int i = 0; i < (p_.value_dim + 1) * kLanesOfPanel; i += kLanes)
      probe = fma(floats::load(panel_.output + i), 0.0f, probe);
    for (int i = 0; i < kLanesOfPanel; i += kLanes) probe = fma(floats::load(panel_.lse_sum + i), 0.0f, probe);
    return !any(probe != floats(0.0f));
  }

  /// Turns the scores of a block into weights in place, two keys at a time.
  template <Lse kLse>
  class Weights {
   public:
    Weights(const Panel& panel, float* scores, float multiplier, int pairs)
        : panel_(panel), from_(scores), to_(scores), scale_(multiplier), left_(pairs) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        minus_maximum_[j] = -floats::load(panel.maximum + j * kLanes);
        lse_sum_[j] = floats::load(panel.lse_sum + j * kLanes);
      }
    }
    /// What runs beside tile products: a pair of keys every `period` of them.
    struct Share {
      Weights& weights;
      int period, countdown;

      [[gnu::always_inline]] void operator()() {
        if (--countdown > 0) return;
        countdown = period;
        if (weights.left_ > 0) weights.pair();
      }
    };
    /// An even share for each of `products`.
    Share over(int products) {
      const int period = larger(1, products / left_);
      return {*this, period, period};
    }
    [[gnu::always_inline]] void finish() {
      while (left_ > 0) pair();
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) lse_sum_[j].store(panel_.lse_sum + j * kLanes);
    }

   private:
    [[gnu::always_inline]] void pair() {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        const floats even = weight(from_, j), odd = weight(from_ + kLanesOfPanel, j);
        cut_pairs(even, odd).store(to_ + j * kLanes);
        if constexpr (kLse == Lse::wanted) lse_sum_[j] = lse_sum_[j] + (even + odd);
      }
      from_ += 2 * kLanesOfPanel;
      to_ += kLanesOfPanel;
      --left_;
    }
    [[gnu::always_inline]] floats weight(const float* row, int j) {
      return exp2_weight(fma(floats::load(row + j * kLanes), scale_, minus_maximum_[j]));
    }

    const Panel& panel_;
    const float* from_;
    float* to_;
    floats scale_, minus_maximum_[kRegisters], lse_sum_[kRegisters];
    int left_;
  };

  Blocks blocks_;
  std::int64_t first_head_;
  Panel panel_;
  float *scores_[2], *staged_;
  std::size_t partial_bytes_ = partial_bytes();
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels

#endif
