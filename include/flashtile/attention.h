// Exact scaled dot-product attention.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/mask.h"
#include "flashtile/plan.h"
#include "flashtile/result.h"
#include "flashtile/score_stage.h"
#include "flashtile/tensor.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// How many rows of each batch entry are there: tensors (B) of i32 or i64 on q's device, each number from 0 to the length
/// of q, or of k and v. What lies behind them is padding, which is not read: out is 0 there, and lse -inf. Numbers are
/// checked before a call on a CPU; a GPU reads them when the work runs, and takes those out of range as the nearest
/// that is in it.
struct Lengths {
  std::optional<TensorView> q{};   ///< unset: all rows of q
  std::optional<TensorView> kv{};  ///< unset: all rows of k and v
};

/// Where packed sequences begin: tensors (B + 1) of i32 or i64 on q's device, ascending. Sequence b is rows [b] ... [b + 1] - 1
/// of q and out, or of k and v, and its queries attend to its own keys; a causal corner is that of the sequence. Rows of no
/// sequence are not touched. Numbers are checked before a call on a CPU; a GPU takes those out of range as the nearest
/// that is in it.
struct RowStarts {
  std::optional<TensorView> q{};   ///< set: q is (Tq, Hq, D), out (Tq, Hq, Dv), lse (Tq, Hq)
  std::optional<TensorView> kv{};  ///< set, with those of q: k is (Tk, Hkv, D), v (Tk, Hkv, Dv)
};

struct AttentionOptions {
  /// Multiplies raw scores in float32; unset = 1/sqrt(D). Zero and negative values are legal.
  std::optional<float> scale{};
  /// Scores become softcap * tanh(score / softcap), after the scale and before masks and biases; unset or 0 = off.
  std::optional<float> softcap{};
  Mask mask{};
  /// Where queries lie among the keys, for windows; unset = as mask.causal says, or else 0.
  std::optional<QueryOffset> query_offset{};
  Lengths lengths{};
  RowStarts row_starts{};  ///< without mask tensors, segments and block maps in this version
  /// i32 (B, most) on q's device: k and v are pools of pages, (pages, page size, Hkv, D) and (pages, page size, Hkv, Dv), and
  /// row j of batch entry b is row j % page size of page block_table[b, j / page size]. lengths.kv says how many rows there
  /// are; pages behind them are not read, nor are their numbers. A page may be of any size, and several entries'. Numbers
  /// are checked before a call on a CPU; a GPU takes those out of range as the nearest that is in it.
  std::optional<TensorView> block_table{};
  /// f32 of shape (Hq) or (B, Hq) on q's device: a score loses its head's slope times |position of the query - key|,
  /// after the softcap and before masks (ALiBi, Press et al. 2022).
  std::optional<TensorView> alibi_slopes{};
  /// f32 of shape (Hq) on q's device: a further logit of each row of the head, which has no value. It takes its share of
  /// the weights, and lse includes it: a row without keys is 0, and its lse the sink. Leave it out where parts of the
  /// keys are merged later, and give it to merge_attention().
  std::optional<TensorView> sinks{};
  /// Scales of k and v where these are i8, int4, f8_e4m3 or f8_e5m2: f32 or f16 on q's device, which their elements are
  /// multiplied with. Of shape () or (Hkv), or of the dimensions of k (of v), each of them 1 or as long; the last one
  /// is the number of scales of a row, each of which is that of as many adjacent elements. f8 without scales: 1.
  std::optional<TensorView> k_scales{}, v_scales{};
  /// Of the result: q's, or f32; unset = q's. attention_into() takes it from its out.
  std::optional<DType> out_dtype{};
  /// Forces a way by its name ("unfused", "simdgroup", "tensor_ops", "vendor.onednn", ...); empty = the best
  /// that can. A forced way that cannot is an error (unsupported, with its reason), never replaced by another.
  std::string way{};
  /// Where to run; unset = Queue::default_for(q.device).
  std::optional<Queue> queue{};
};

/// Scaled dot-product attention: O = softmax(scale * Q K^T + mask) V. Forward only: there are no gradients.
///
/// Shapes    q (B, Hq, Lq, D), k (B, Hkv, Lkv, D), v (B, Hkv, Lkv, Dv) -> O (B, Hq, Lq, Dv).
///           Packed sequences have 3 dimensions, see RowStarts, and k and v may be pools of pages, see block_table. Other layouts, such as BSHD, are strided views of these. Hq is a multiple of Hkv: query head h
///           reads KV head h / (Hq / Hkv). Any length may be 0. D is 1 ... 576 and Dv
///           1 ... 512 on CPUs, both 1 ... 256 on GPUs.
/// Strides   Any, also 0, in all dimensions but the last, whose stride is 1.
/// Types     q is f32, f16 or bf16, and so is O, which may be f32 whatever q is. k and v are of q's type, or each of f32, f16,
///           bf16, i8, int4, f8_e4m3, f8_e5m2, q8_0 or q4_0, read where they lie. Rows of q8_0 and q4_0 are whole
///           blocks of 32 elements, and those of int4 begin at whole bytes.
/// Numerics  Scores, softmax and sums are float32; on CPUs over many keys these are sums of sums, and a mean is
///           right though its sum overflows on the way. A query with no key to attend to gives exactly 0, and lse
///           -inf. A masked position never reaches the result, even if it holds NaN; NaN in an attended
///           position reaches the rows that attend to it. On CPUs, whatever their instruction set, bfloats and
///           their sums below 2^-126 count as 0, as Intel's and AMD's bfloat units take them; GPUs keep them.
///           Where k or v are of another type than q, codes and scales are taken as exact, and all products and weights are
///           float32: an element is code * scale, rounded once, or for a few queries on a CPU a scale is multiplied with the
///           sum of the products of its elements, and with their weight.
/// Errors    invalid_argument names the argument and what was found; unsupported lists each way and its reason.
/// Threads   Safe from any thread, also on one queue. Nobody may write an input, or touch a result, before the work is done.
/// Source    Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022 (tiling).
Tensor attention(const TensorView& q, const TensorView& k, const TensorView& v,
                 const AttentionOptions& options = {});

/// Scores that a call is to write beside its result. Pairs with a padding row have 0, or -inf in stage `biased`. The way
/// `unfused` alone has them: the call stores the whole score matrix of a head.
struct ScoreOutput {
  TensorView view{};  ///< (B, Hq, Lq, Lkv), dtype of q or f32, innermost stride 1; not of packed sequences
  ScoreStage stage = ScoreStage::probabilities;
};

/// Memory for results and scratch, all of it the caller's.
///
/// Layout    Elements of out, lse and scores lie apart: each stride steps over all that the smaller ones span.
/// Aliasing  out, lse, scores and workspace share no memory with each other or with an input. Columns of one buffer are
///           memory of their own: out may lie beside q, k and v in the rows of one packed projection.
struct AttentionOutputs {
  TensorView out;                   ///< (B, Hq, Lq, Dv), dtype of q or f32, innermost stride 1
  std::optional<TensorView> lse{};  ///< (B, Hq, Lq) f32: natural log of the sum of exp(scores)
  std::optional<ScoreOutput> scores{};
  std::span<std::byte> workspace{};  ///< at least plan_attention_into().workspace_bytes, 64-byte aligned, on
                                     ///< the device; empty = the library takes memory when it needs some. For
                                     ///< several lengths: the most of their plans, as fewer keys may need more
};

/// attention() into the caller's memory. Allocates nothing if given a workspace. Asynchronous on a GPU queue.
/// Same errors; invalid_argument also for outputs that overlap, and a workspace that is too small or misaligned. As safe from
/// several threads, each of whose calls has results and a workspace of its own.
void attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                    const TensorView& v, const AttentionOptions& options = {});

/// What attention() would do for these arguments; data pointers may be null. Same errors. Safe from any thread.
Plan plan_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                    const AttentionOptions& options = {});

/// What attention_into() would do. A wanted lse, wanted scores or the layout of out may change the way, and so the workspace. Safe from any
/// thread.
Plan plan_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                         const TensorView& v, const AttentionOptions& options = {});

/// The same for a program without exceptions.
Result<Tensor> try_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                             const AttentionOptions& options = {}) noexcept;
Result<> try_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                            const TensorView& v, const AttentionOptions& options = {}) noexcept;
Result<Plan> try_plan_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                                const AttentionOptions& options = {}) noexcept;
Result<Plan> try_plan_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                                     const TensorView& v, const AttentionOptions& options = {}) noexcept;

/// Every way to compute attention that this version knows, best first. Safe from any thread.
std::vector<WayInfo> attention_ways();

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
