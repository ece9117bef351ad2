// A validated attention call: what is computed, without saying how.
#pragma once

#include <optional>

#include "flashtile/attention.h"
#include "src/core/data.h"
#include "src/ops/attention/features.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::ops {

using core::Data;

/// How a tensor lies in memory, without saying where.
struct TensorLayout {
  DType dtype = DType::f32;
  Dims shape, strides;
  bool aligned = true;  ///< its first element to 16 bytes; true where a plan does not know it

  /// No dimension repeats or runs backwards.
  bool ascends() const {
    for (int i = 0; i < shape.rank(); ++i)
      if (shape[i] > 1 && strides[i] <= 0) return false;
    return true;
  }
};

/// What a call computes and of what kind of tensors: all that choosing a way and planning it look at.
struct AttentionProblem {
  Device device;
  int threads = 1;           ///< of the queue that it will run on
  DType dtype = DType::f32;  ///< what kernels multiply: q's, or f32 where k or v are of another type
  std::int64_t batch = 0, query_heads = 0, kv_heads = 0, query_length = 0, kv_length = 0, head_dim = 0,
               value_dim = 0;
  /// 4 dimensions each, in the order of the public call. Those of packed sequences are (B, H, all rows, D), with a stride of 0
  /// from one entry to the next; those of pools of pages are (pages, Hkv, page size, D).
  TensorLayout q, k, v;
  TensorLayout out;  ///< packed, where the call gives none
  float scale = 1.0f;
  float softcap = 0.0f;  ///< 0: none
  /// Query i is at position i + offset; 0 where entries have offsets of their own.
  std::int64_t query_offset = 0;
  bool ends_together = false;                               ///< the last query of each entry is at its last key
  std::optional<TensorLayout> query_offsets;                ///< (B)
  std::optional<TensorLayout> query_lengths, kv_lengths;    ///< (B) of the rows that are there
  std::optional<TensorLayout> query_starts, kv_starts;      ///< (B + 1) of packed sequences
  std::optional<TensorLayout> block_table;                  ///< (B, most) of the pages of each entry
  std::optional<TensorLayout> query_segments, kv_segments;  ///< (B, Lq), (B, Lkv)
  std::optional<TensorLayout>
      blocks;  ///< (B, Hq, blocks of queries, blocks of keys), stride 0 where it repeats
  std::int64_t q_block = 0, kv_block = 0;  ///< rows of these
  Window window;                           ///< of positions; a causal mask is one with right = 0
  kernels::Band band;  ///< which keys queries see by position: what these and other masks come to
  std::optional<TensorLayout> alibi_slopes, sinks;  ///< (B, Hq), stride 0 where they repeat
  /// (B, Hkv, Lkv, scales of a row), stride 0 where they repeat.
  std::optional<TensorLayout> k_scales, v_scales;
  std::optional<TensorLayout> boolean,
      bias;                         ///< mask tensors of shape (B, Hq, Lq, Lkv), stride 0 where they repeat
  std::optional<TensorLayout> lse;  ///< where the call wants it
  std::optional<TensorLayout> scores;
  ScoreStage score_stage = ScoreStage::probabilities;  ///< of `scores`
  Features needed;                                     ///< what the call asks of a way

  /// Nothing to compute: the output has no elements.
  bool empty() const { return batch == 0 || query_heads == 0 || query_length == 0; }
  /// Is there a pair of query and key that may be masked?
  bool hides_some() const;
  bool is_paged() const { return block_table.has_value(); }
  std::int64_t page_size() const { return k.shape[2]; }
  bool q_is_packed() const { return query_starts.has_value(); }
  Dims out_shape() const {
    return q_is_packed() ? Dims{query_length, query_heads, value_dim}
                         : Dims{batch, query_heads, query_length, value_dim};
  }
  Dims lse_shape() const {
    return q_is_packed() ? Dims{query_length, query_heads} : Dims{batch, query_heads, query_length};
  }
};

/// Where the tensors of a call are; nullptr for those that it does not have.
struct AttentionArguments {
  void *q = nullptr, *k = nullptr, *v = nullptr, *boolean = nullptr, *bias = nullptr;
  void *query_offsets = nullptr, *query_lengths = nullptr, *kv_lengths = nullptr;
  void *query_starts = nullptr, *kv_starts = nullptr, *block_table = nullptr;
  void *query_segments = nullptr, *kv_segments = nullptr, *blocks = nullptr;
  void *alibi_slopes = nullptr, *sinks = nullptr;
  void *k_scales = nullptr, *v_scales = nullptr;
  void *out = nullptr, *lse = nullptr, *scores = nullptr;
  /// Where a way that `notes_rows` says that exact_rows has rows to compute again.
  std::uint32_t* broken = nullptr;
};

struct AttentionCall {
  AttentionProblem problem;
  AttentionArguments arguments;
};

/// Checks the arguments of a call that has no outputs yet. Errors: invalid_argument, naming the argument and what was found.
AttentionCall validated(const TensorView& q, const TensorView& k, const TensorView& v,
                        const AttentionOptions& options, Data data);

/// The same with the outputs of a call.
AttentionCall validated(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                        const TensorView& v, const AttentionOptions& options, Data data);

/// One of the call's tensors as a view.
TensorView view_of(const AttentionProblem& problem, const TensorLayout& layout, void* data);

/// The parameters that kernels take.
kernels::AttentionParams params_of(const AttentionProblem& problem, const AttentionArguments& arguments);

}  // namespace flashtile::inline v0_2::ops
