// A validated attention call: what is computed, without saying how.
#pragma once

#include <optional>

#include "flashtile/attention.h"
#include "src/core/data.h"
#include "src/ops/attention/features.h"
#include "src/ops/attention/kernel/params.h"

namespace flashtile::inline v0_2::ops {

using core::Data;

struct AttentionProblem {
  Device device;
  int threads = 1;  ///< of the queue that it will run on
  DType dtype = DType::f32;
  std::int64_t batch = 0, query_heads = 0, kv_heads = 0, query_length = 0, kv_length = 0, head_dim = 0,
               value_dim = 0;
  TensorView q, k, v;  ///< 4 dimensions each, in the order of the public call
  float scale = 1.0f;
  float softcap = 0.0f;           ///< 0: none
  std::int64_t query_offset = 0;  ///< query i is at position i + offset
  Window window;                  ///< of positions; a causal mask is one with right = 0
  Features needed;                ///< what the call asks of a way
  std::optional<TensorView> boolean,
      bias;                       ///< mask tensors of shape (B, Hq, Lq, Lkv), stride 0 where they repeat
  TensorView out;                 ///< of the call; packed, without data, where the call gives none
  std::optional<TensorView> lse;  ///< where the call wants it
  bool wants_lse = false;

  /// Which keys queries see by position.
  kernels::Band band() const;
  /// Nothing to compute: the output has no elements.
  bool empty() const { return batch == 0 || query_heads == 0 || query_length == 0; }
  /// Is there a pair of query and key that may be masked?
  bool hides_some() const;
  Dims out_shape() const { return {batch, query_heads, query_length, value_dim}; }
};

struct AttentionBuffers {
  TensorView out;
  std::optional<TensorView> lse;
  /// Where a way that `notes_rows` says that exact_rows has rows to compute again.
  std::uint32_t* broken = nullptr;
};

/// Checks the arguments of a call. Errors: invalid_argument, naming the argument and what was found.
AttentionProblem validated(const TensorView& q, const TensorView& k, const TensorView& v,
                           const AttentionOptions& options, Data data);

/// Checks the outputs against the problem, and records whether lse is wanted.
AttentionBuffers validated(AttentionProblem& problem, const AttentionOutputs& outputs, Data data);

/// The parameters that kernels take.
kernels::AttentionParams params_of(const AttentionProblem& problem, const AttentionBuffers& buffers);

}  // namespace flashtile::inline v0_2::ops
