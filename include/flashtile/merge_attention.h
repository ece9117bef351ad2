// Attention over all keys, from what attention over parts of them came to.
#pragma once

#include <optional>
#include <span>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/result.h"
#include "flashtile/tensor.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

struct MergeAttentionOptions {
  /// (Hq) f32: a logit for each head that only the denominator counts, as if a further key had this score and a
  /// value of 0. The parts must have been computed without it.
  std::optional<TensorView> sinks{};
  /// Where to run; unset = Queue::default_for(the parts' device).
  std::optional<Queue> queue{};
};

/// Merges attention over parts of the keys: the result is that of one call over the keys of all parts.
///
/// Shapes    outs (B, Hq, L, Dv) each, lses (B, Hq, L) each, as many of one as of the other -> (B, Hq, L, Dv).
///           Any number of parts, each over any number of keys; a row may have keys in some parts only.
/// Strides   Any, also 0; the last one of outs is 1.
/// Types     Each of outs is f32, f16 or bf16, whatever the others are, and lses are f32. The result has the type
///           of the first part. Parts that were rounded to 16 bits have lost what was rounded.
/// Numerics  out = sum exp(lse_i - lse) out_i with lse = log(sum exp(lse_i) + exp(sink)), in float32, rounded once at
///           the end. A part whose lse is -inf is not read: it had no keys. A row without keys gives exactly 0 and
///           lse -inf, or lse = sink. Every element lies between those of the parts. An lse of NaN or +inf makes its
///           row NaN.
/// Errors    invalid_argument names the argument and what was found, for no parts too; unsupported on devices that
///           are not CPUs or NVIDIA GPUs.
/// Threads   Safe from any thread.
/// Source    Milakov & Gimelshein 2018.
Tensor merge_attention(std::span<const TensorView> outs, std::span<const TensorView> lses,
                       const MergeAttentionOptions& options = {});

/// The caller's memory for results. Its elements lie apart and share no memory with an input.
struct MergeAttentionOutputs {
  TensorView out;                   ///< (B, Hq, L, Dv), f32, f16 or bf16, innermost stride 1
  std::optional<TensorView> lse{};  ///< (B, Hq, L) f32: natural log of the sum of exp(scores), sinks included
};

/// merge_attention() into the caller's memory; no parts at all are rows without keys. Asynchronous on a GPU queue.
/// Up to 32 parts it allocates nothing. Same errors.
void merge_attention_into(const MergeAttentionOutputs& outputs, std::span<const TensorView> outs,
                          std::span<const TensorView> lses, const MergeAttentionOptions& options = {});

/// The same for a program without exceptions.
Result<Tensor> try_merge_attention(std::span<const TensorView> outs, std::span<const TensorView> lses,
                                   const MergeAttentionOptions& options = {}) noexcept;
Result<> try_merge_attention_into(const MergeAttentionOutputs& outputs, std::span<const TensorView> outs,
                                  std::span<const TensorView> lses,
                                  const MergeAttentionOptions& options = {}) noexcept;

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
