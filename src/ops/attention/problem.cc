#include "src/ops/attention/problem.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "src/ops/attention/checks.h"
#include "src/ops/attention/entries.h"
#include "src/ops/attention/pages.h"
#include "src/ops/attention/pairs.h"
#include "src/ops/attention/quantised.h"

namespace flashtile::inline v0_2::ops {
namespace {

using core::Argument, core::check_apart, core::check_written, core::spelled, core::with_harmless_strides;

/// Kernels count rows in 32 bits and look one tile ahead.
constexpr std::int64_t kLongest = std::int64_t{1} << 30;
/// The longest rows of q and k, and of v.
struct Widest {
  std::int64_t head_dim, value_dim;
};
Widest widest_on(Device device) { return device.type == DeviceType::cpu ? Widest{576, 512} : Widest{256, 256}; }

void check_rows(const TensorView& view, const char* what, const char* letters, Data data) {
  core::check_rows({kOp, what, view}, letters, data);
}

void expect_equal(std::int64_t found, std::int64_t expected, const char* what, const char* quantity,
                  const char* other) {
  if (found != expected) {
    refuse(std::string(what) + " has " + quantity + " " + text(found) + ", " + other + " has " +
           text(expected) + "; they must match");
  }
}

/// Results are of q's type or of float32.
void expect_result_type(DType dtype, DType of_q, const char* what) {
  if (dtype == of_q || dtype == DType::f32) return;
  const std::string of = of_q == DType::f32 ? "" : std::string(" or ") + name(of_q) + ", as q has";
  refuse(std::string(what) + " " + spelled(dtype) + "; expected f32" + of);
}

void expect_size(std::int64_t size, std::int64_t low, std::int64_t high, const char* what,
                 const char* quantity) {
  if (size >= low && size <= high) return;
  const bool too_small = size < low;
  refuse(std::string(what) + " has " + quantity + " " + text(size) + "; " +
             (too_small ? "expected " : "this version takes ") + text(low) + " ... " + text(high),
         too_small ? ErrorCode::invalid_argument : ErrorCode::unsupported);
}

/// A mask tensor as 4 dimensions with stride 0 where it repeats.
TensorView broadcast(const TensorView& view, const char* what, const AttentionProblem& problem, Data data) {
  const Dims full{problem.batch, problem.query_heads, problem.query_length, problem.kv_length};
  expect_device_of_q(view, problem.device, what);
  bool fits = view.rank() <= 4;
  for (int i = 0; fits && i < view.rank(); ++i) {
    const std::int64_t size = view.shape[i];
    fits = size == 1 || size == full[4 - view.rank() + i];
  }
  if (!fits) {
    refuse(std::string(what) + " has shape " + to_string(view.shape) +
           "; expected one that broadcasts to (B, Hq, Lq, Lkv) = " + to_string(full));
  }
  check_memory(view, what, data);
  TensorView result = view;
  result.shape = full;
  result.strides = {0, 0, 0, 0};
  for (int i = 0; i < view.rank(); ++i) {
    if (view.shape[i] > 1) result.strides[4 - view.rank() + i] = view.strides[i];
  }
  if (const std::int64_t step = result.strides[3]; step != 0 && step != 1) {
    refuse(std::string(what) + " has stride " + text(step) +
           " in its last dimension; expected 1, or 0 to repeat");
  }
  return result;
}

void set_masks(AttentionCall& call, const Mask& mask, Data data) {
  AttentionProblem& problem = call.problem;
  if (mask.boolean) {
    if (mask.boolean->dtype != DType::u8)
      refuse("mask.boolean has dtype " + spelled(mask.boolean->dtype) + "; expected u8");
    problem.boolean = layout_of(broadcast(*mask.boolean, "mask.boolean", problem, data));
    call.arguments.boolean = mask.boolean->data;
  }
  if (mask.bias) {
    core::check_floats({kOp, "mask.bias", *mask.bias});
    problem.bias = layout_of(broadcast(*mask.bias, "mask.bias", problem, data));
    call.arguments.bias = mask.bias->data;
  }
}

/// The result of a call that gives none: packed.
TensorLayout packed_out(const AttentionProblem& problem, DType dtype) {
  TensorLayout out{dtype, problem.out_shape(), {}};
  std::int64_t bits_of_all = bits(dtype);
  bool fits = true;
  for (const std::int64_t size : out.shape) {
    fits = fits && !__builtin_mul_overflow(bits_of_all, std::max<std::int64_t>(size, 1), &bits_of_all);
  }
  if (!fits && !problem.empty())
    refuse("out would have shape " + to_string(out.shape) + ", more than memory holds");
  if (!fits) {  // nothing to compute
    out.strides = Dims{0, 0, 0, 0};
    return out;
  }
  const TensorView view{nullptr, dtype, out.shape, packed_strides(out.shape), problem.device};
  return layout_of(problem.q_is_packed() ? as_entries(view, problem.batch) : view);
}

const TensorView* tensor_of(const std::optional<QueryOffset>& offset) {
  return offset ? std::get_if<TensorView>(&*offset) : nullptr;
}

/// The tensors that a call reads, as they were given.
struct Inputs {
  const TensorView &q, &k, &v;
  const AttentionOptions& options;

  /// Calls f(name, view) for each.
  template <class F>
  void for_each(F&& f) const {
    f("q", q);
    f("k", k);
    f("v", v);
    if (options.mask.boolean) f("mask.boolean", *options.mask.boolean);
    if (options.mask.bias) f("mask.bias", *options.mask.bias);
    if (options.lengths.q) f("lengths.q", *options.lengths.q);
    if (options.lengths.kv) f("lengths.kv", *options.lengths.kv);
    if (options.row_starts.q) f("row_starts.q", *options.row_starts.q);
    if (options.row_starts.kv) f("row_starts.kv", *options.row_starts.kv);
    if (options.block_table) f("block_table", *options.block_table);
    if (options.mask.segments.q) f("mask.segments.q", *options.mask.segments.q);
    if (options.mask.segments.kv) f("mask.segments.kv", *options.mask.segments.kv);
    if (options.mask.blocks) f("mask.blocks", options.mask.blocks->view);
    if (options.alibi_slopes) f("alibi_slopes", *options.alibi_slopes);
    if (options.sinks) f("sinks", *options.sinks);
    if (options.k_scales) f("k_scales", *options.k_scales);
    if (options.v_scales) f("v_scales", *options.v_scales);
    if (const TensorView* each = tensor_of(options.mask.causal)) f("mask.causal", *each);
    if (const TensorView* each = tensor_of(options.query_offset)) f("query_offset", *each);
  }
};

/// What the call writes lies apart: from itself, from its inputs and from what else it writes.
void check_results(const Inputs& inputs, const AttentionOutputs& outputs, Data data) {
  const TensorView bytes = core::checked_workspace(
      kOp, data == Data::needed ? outputs.workspace : std::span<std::byte>(), inputs.q.device);
  const Argument workspace(kOp, "workspace", bytes);
  std::array<std::optional<Argument>, 3> results;
  results[0].emplace(kOp, "out", outputs.out);
  if (outputs.lse) results[1].emplace(kOp, "lse", *outputs.lse);
  if (outputs.scores) results[2].emplace(kOp, "scores", outputs.scores->view);
  for (auto result = results.begin(); result != results.end(); ++result) {
    if (!*result) continue;
    check_written(**result);
    for (auto before = results.begin(); before != result; ++before) {
      if (*before) check_apart(**result, **before);
    }
    check_apart(workspace, **result);
  }
  inputs.for_each([&](const char* name, const TensorView& view) {
    const Argument input(kOp, name, view);
    for (const auto& result : results) {
      if (result) check_apart(*result, input);
    }
    check_apart(workspace, input);
  });
}

/// Takes the scores that the call wants.
void set_scores(AttentionCall& call, const ScoreOutput& wanted, Data data) {
  AttentionProblem& problem = call.problem;
  if (problem.q_is_packed() || problem.kv_starts)
    refuse("scores and row_starts are given; this version has no scores of packed sequences");
  const TensorView& view = wanted.view;
  check_rows(view, "scores", "(B, Hq, Lq, Lkv)", data);
  const Dims expected{problem.batch, problem.query_heads, problem.query_length, problem.kv_length};
  if (view.shape != expected) {
    refuse("scores has shape " + to_string(view.shape) +
           "; expected (B, Hq, Lq, Lkv) = " + to_string(expected));
  }
  expect_result_type(view.dtype, problem.dtype, "scores has dtype");
  expect_device_of_q(view, problem.device, "scores");
  if (wanted.stage < ScoreStage::raw || wanted.stage > ScoreStage::probabilities) {
    refuse("scores has stage " + text(static_cast<int>(wanted.stage)) +
           "; expected raw, capped, biased or probabilities (0 ... 3)");
  }
  problem.scores = layout_of(with_harmless_strides(view));
  problem.score_stage = wanted.stage;
  problem.needed.add(Feature::scores);
  call.arguments.scores = view.data;
}

}  // namespace

AttentionCall validated(const TensorView& given_q, const TensorView& given_k, const TensorView& given_v,
                        const AttentionOptions& options, Data data) {
  core::check_floats({kOp, "q", given_q});
  const RowStarts& starts = options.row_starts;
  check_packing(options);
  check_paging(options);
  const bool paged = options.block_table.has_value();
  check_rows(given_q, "q", starts.q ? "(Tq, Hq, D)" : "(B, Hq, Lq, D)", data);
  check_rows(given_k, "k",
             paged       ? "(pages, page size, Hkv, D)"
             : starts.kv ? "(Tk, Hkv, D)"
                         : "(B, Hkv, Lkv, D)",
             data);
  check_rows(given_v, "v",
             paged       ? "(pages, page size, Hkv, Dv)"
             : starts.kv ? "(Tk, Hkv, Dv)"
                         : "(B, Hkv, Lkv, Dv)",
             data);
  const std::int64_t batch = batch_of(given_q, starts);
  const auto keys_as_entries = [&](const TensorView& given) {
    return paged ? pages_as_entries(given) : starts.kv ? as_entries(given, batch) : given;
  };
  const TensorView q = starts.q ? as_entries(given_q, batch) : given_q, k = keys_as_entries(given_k),
                   v = keys_as_entries(given_v);
  check_stored(k, q, "k");
  check_stored(v, q, "v");
  if (paged) {
    expect_equal(v.shape[0], k.shape[0], "v", "pages", "k");
    expect_size(k.shape[2], 1, kLongest, "k", "page size");
    expect_size(k.shape[0], 0, kLongest, "k", "pages");
  } else {
    expect_equal(k.shape[0], q.shape[0], "k", "batch", "q");
    expect_equal(v.shape[0], q.shape[0], "v", "batch", "q");
  }
  expect_equal(v.shape[1], k.shape[1], "v", "heads", "k");
  expect_equal(v.shape[2], k.shape[2], "v", paged ? "page size" : "length", "k");
  expect_equal(k.shape[3], q.shape[3], "k", "head_dim", "q");
  const Widest widest = widest_on(q.device);
  expect_size(q.shape[3], 1, widest.head_dim, "q", "head_dim");
  expect_size(v.shape[3], 1, widest.value_dim, "v", "value_dim");
  expect_size(q.shape[0], 0, kLongest, "q", "batch");
  expect_size(q.shape[1], 0, kLongest, "q", "heads");
  expect_size(q.shape[2], 0, kLongest, "q", "length");
  expect_size(k.shape[1], 0, kLongest, "k", "heads");
  const std::int64_t kv_length =
      paged ? rows_of_table(*options.block_table, batch, k.shape[2], q.device, data) : k.shape[2];
  expect_size(kv_length, 0, kLongest, paged ? "block_table" : "k", paged ? "rows of pages," : "length");
  if (q.shape[1] > 0 && (k.shape[1] == 0 || q.shape[1] % k.shape[1] != 0)) {
    refuse("q has " + text(q.shape[1]) + " heads, k has " + text(k.shape[1]) +
           "; query heads must be a multiple of KV heads");
  }

  AttentionCall call;
  AttentionProblem& problem = call.problem;
  problem.device = q.device;
  problem.dtype = product_type(q, k, v);
  problem.batch = q.shape[0];
  problem.query_heads = q.shape[1];
  problem.kv_heads = k.shape[1];
  problem.query_length = q.shape[2];
  problem.kv_length = kv_length;
  problem.head_dim = q.shape[3];
  problem.value_dim = v.shape[3];
  problem.q = layout_of(with_harmless_strides(q));
  problem.k = layout_of(with_harmless_strides(k));
  problem.v = layout_of(with_harmless_strides(v));
  if (options.out_dtype) expect_result_type(*options.out_dtype, q.dtype, "out_dtype is");
  set_row_starts(call, starts, data);
  problem.out = packed_out(problem, options.out_dtype.value_or(q.dtype));
  problem.scale = options.scale.value_or(1.0f / std::sqrt(static_cast<float>(problem.head_dim)));
  if (!std::isfinite(problem.scale))
    refuse("scale is " + std::to_string(problem.scale) + "; expected a finite number");
  problem.softcap = options.softcap.value_or(0.0f);
  if (!std::isfinite(problem.softcap) || problem.softcap < 0.0f) {
    refuse("softcap is " + std::to_string(problem.softcap) + "; expected 0 (none) or a positive finite number");
  }
  problem.needed = needed_by(options);
  if (problem.out.dtype != q.dtype) problem.needed.add(Feature::out_f32);
  set_scales(call, options, data);
  set_lengths(call, options.lengths, data);
  set_pages(call, options, data);
  set_positions(call, options, data);
  set_head_numbers(call, options, data);
  call.arguments.q = q.data;
  call.arguments.k = k.data;
  call.arguments.v = v.data;
  set_masks(call, options.mask, data);
  set_segments(call, options.mask.segments, data);
  set_blocks(call, options.mask.blocks, data);
  return call;
}

AttentionCall validated(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                        const TensorView& v, const AttentionOptions& options, Data data) {
  AttentionCall call = validated(q, k, v, options, data);
  AttentionProblem& problem = call.problem;
  const TensorView& out = outputs.out;
  const bool packed = problem.q_is_packed();
  const char* letters = packed ? "(Tq, Hq, Dv)" : "(B, Hq, Lq, Dv)";
  check_rows(out, "out", letters, data);
  if (out.shape != problem.out_shape()) {
    refuse("out has shape " + to_string(out.shape) + "; expected " + letters + " = " +
           to_string(problem.out_shape()));
  }
  expect_result_type(out.dtype, q.dtype, "out has dtype");
  if (options.out_dtype && out.dtype != *options.out_dtype) {
    refuse("out has dtype " + spelled(out.dtype) + ", out_dtype is " + spelled(*options.out_dtype) +
           "; give one of them, or the same");
  }
  expect_device_of_q(out, q.device, "out");
  if (outputs.lse) {
    const TensorView& lse = *outputs.lse;
    check_memory(lse, "lse", data);
    if (lse.shape != problem.lse_shape()) {
      refuse("lse has shape " + to_string(lse.shape) + "; expected " + (packed ? "(Tq, Hq)" : "(B, Hq, Lq)") +
             " = " + to_string(problem.lse_shape()));
    }
    if (lse.dtype != DType::f32) refuse("lse has dtype " + spelled(lse.dtype) + "; expected f32");
    expect_device_of_q(lse, problem.device, "lse");
  }
  if (outputs.scores) set_scores(call, *outputs.scores, data);
  check_results({q, k, v, options}, outputs, data);
  const auto layout = [&](const TensorView& view) {
    return layout_of(with_harmless_strides(packed ? as_entries(view, problem.batch) : view));
  };
  problem.out = layout(out);
  if (out.dtype != q.dtype) problem.needed.add(Feature::out_f32);
  call.arguments.out = out.data;
  if (outputs.lse) {
    problem.lse = layout(*outputs.lse);
    call.arguments.lse = outputs.lse->data;
    problem.needed.add(Feature::lse);
  }
  return call;
}

TensorView view_of(const AttentionProblem& problem, const TensorLayout& layout, void* data) {
  return {data, layout.dtype, layout.shape, layout.strides, problem.device};
}

bool AttentionProblem::hides_some() const {
  return boolean || bias || query_segments || blocks || query_offsets || query_lengths || kv_lengths ||
         query_starts || kv_length == 0 ||
         band.hides_some(static_cast<std::int32_t>(query_length), static_cast<std::int32_t>(kv_length));
}

}  // namespace flashtile::inline v0_2::ops
