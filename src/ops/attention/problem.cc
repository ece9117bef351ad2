#include "src/ops/attention/problem.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "flashtile/error.h"
#include "src/core/arguments.h"
#include "src/core/checked.h"
#include "src/core/memory.h"

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

constexpr char kOp[] = "attention";

[[noreturn]] void refuse(const std::string& message, ErrorCode code = ErrorCode::invalid_argument) {
  throw Error(code, std::string(kOp) + ": " + message);
}

std::string text(std::int64_t value) { return std::to_string(value); }

void check_memory(const TensorView& view, const char* what, Data data) {
  core::check_memory({kOp, what, view}, data);
}

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

void expect_device_of_q(const TensorView& view, const TensorView& q, const char* what) {
  if (view.device != q.device) {
    refuse(std::string(what) + " is on " + name(view.device) + ", q is on " + name(q.device) +
           "; they must match");
  }
}

void expect_like_q(const TensorView& view, const TensorView& q, const char* what) {
  if (view.dtype != q.dtype) {
    refuse(std::string(what) + " has dtype " + spelled(view.dtype) + ", q has " + spelled(q.dtype) +
           "; they must match");
  }
  expect_device_of_q(view, q, what);
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
  if (view.device != problem.device) {
    refuse(std::string(what) + " is on " + name(view.device) + ", q is on " + name(problem.device) +
           "; they must match");
  }
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

TensorLayout layout_of(const TensorView& view) {
  return {view.dtype, view.shape, view.strides, reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0};
}

/// The number of a batch entry, in memory of a CPU.
std::int64_t number_of(const TensorView& numbers, std::int64_t batch) {
  const std::int64_t at = batch * numbers.strides[0];
  return numbers.dtype == DType::i64 ? static_cast<const std::int64_t*>(numbers.data)[at]
                                     : static_cast<const std::int32_t*>(numbers.data)[at];
}

bool may_read(const AttentionProblem& problem, Data data) {
  return data == Data::needed && problem.device.type == DeviceType::cpu;
}

/// Numbers of `count` batch entries, or of what lies between them, `least` to `most`; they are looked at on a CPU.
TensorView checked_numbers(TensorView view, const char* what, const AttentionProblem& problem,
                           std::int64_t count, const char* letters, std::int64_t least, std::int64_t most,
                           Data data) {
  if (view.dtype != DType::i32 && view.dtype != DType::i64)
    refuse(std::string(what) + " has dtype " + spelled(view.dtype) + "; expected i32 or i64");
  if (view.device != problem.device) {
    refuse(std::string(what) + " is on " + name(view.device) + ", q is on " + name(problem.device) +
           "; they must match");
  }
  check_memory(view, what, data);
  if (view.shape != Dims{count})
    refuse(std::string(what) + " has shape " + to_string(view.shape) + "; expected " + letters + " = " +
           to_string({count}));
  view = with_harmless_strides(view);
  for (std::int64_t b = 0; may_read(problem, data) && b < count; ++b) {
    if (const std::int64_t number = number_of(view, b); number < least || number > most) {
      refuse(std::string(what) + "[" + text(b) + "] is " + text(number) + "; expected " + text(least) +
             " ... " + text(most));
    }
  }
  return view;
}

TensorView entry_numbers(const TensorView& view, const char* what, const AttentionProblem& problem,
                         std::int64_t least, std::int64_t most, Data data) {
  return checked_numbers(view, what, problem, problem.batch, "(B)", least, most, data);
}

/// Where packed sequences begin in a tensor of `rows` rows.
TensorLayout row_starts_of(const TensorView& view, const char* what, const AttentionProblem& problem,
                           std::int64_t rows, Data data) {
  const TensorView starts = checked_numbers(view, what, problem, problem.batch + 1, "(B + 1)", 0, rows, data);
  for (std::int64_t b = 0; may_read(problem, data) && b < problem.batch; ++b) {
    if (number_of(starts, b + 1) < number_of(starts, b)) {
      refuse(std::string(what) + "[" + text(b + 1) + "] is " + text(number_of(starts, b + 1)) +
             ", less than the one before, " + text(number_of(starts, b)) + "; they must ascend");
    }
  }
  return layout_of(starts);
}

/// The most rows of a sequence; all rows where nobody has looked.
std::int64_t longest_of(const std::optional<TensorLayout>& layout, void* data, const AttentionProblem& problem,
                        std::int64_t rows) {
  if (!layout || data == nullptr || problem.device.type != DeviceType::cpu) return rows;
  const TensorView starts = view_of(problem, *layout, data);
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < problem.batch; ++b)
    longest = std::max(longest, number_of(starts, b + 1) - number_of(starts, b));
  return longest;
}

/// A tensor of packed rows (T, H, D), or (T, H) of lse, as one of batch entries, which all begin at its first row.
TensorView as_entries(const TensorView& view, std::int64_t batch) {
  TensorView result = view;
  result.shape = view.rank() == 3 ? Dims{batch, view.shape[1], view.shape[0], view.shape[2]}
                                  : Dims{batch, view.shape[1], view.shape[0]};
  result.strides = view.rank() == 3 ? Dims{0, view.strides[1], view.strides[0], view.strides[2]}
                                    : Dims{0, view.strides[1], view.strides[0]};
  return result;
}

/// Packed keys need packed queries, and what would say the same again, or has a batch of its own, is refused.
void check_packing(const AttentionOptions& options) {
  const auto& [q, kv] = options.row_starts;
  if (kv && !q) refuse("row_starts.kv is given, and row_starts.q is not; packed keys need packed queries");
  const auto refuse_both = [](bool starts, bool lengths, const std::string& side) {
    if (starts && lengths)
      refuse("lengths." + side + " and row_starts." + side + " are given; packed sequences have no padding");
  };
  refuse_both(q.has_value(), options.lengths.q.has_value(), "q");
  refuse_both(kv.has_value(), options.lengths.kv.has_value(), "kv");
  const char* mask = options.mask.boolean ? "mask.boolean" : options.mask.bias ? "mask.bias" : nullptr;
  if (q && mask != nullptr)
    refuse(std::string(mask) +
           " is given, and q is packed; this version takes mask tensors without row_starts");
}

/// Batch entries of a call.
std::int64_t batch_of(const TensorView& q, const RowStarts& starts) {
  if (!starts.q) return q.shape[0];
  if (starts.q->rank() != 1 || starts.q->shape[0] < 1)
    refuse("row_starts.q has shape " + to_string(starts.q->shape) + "; expected (B + 1)");
  return starts.q->shape[0] - 1;
}

/// What a query offset says: a number, one of each batch entry, or that ends lie together, as lengths say.
struct Positions {
  std::int64_t number = 0;
  bool ends_together = false;
  std::optional<TensorView> each{};
};

Positions positions_of(const QueryOffset& given, const char* what, const AttentionProblem& problem, Data data) {
  constexpr std::int64_t kFar = kernels::kFarthestOffset;
  if (const auto* each = std::get_if<TensorView>(&given))
    return {.each = entry_numbers(*each, what, problem, -kFar, kFar, data)};
  if (const auto* offset = std::get_if<std::int64_t>(&given)) {
    if (*offset < -kFar || *offset > kFar)
      refuse(std::string(what) + " is " + text(*offset) + "; expected -2^40 ... 2^40");
    return {.number = *offset};
  }
  switch (std::get<CausalCorner>(given)) {
    case CausalCorner::top_left: return {};
    case CausalCorner::bottom_right:
      if (problem.query_lengths || problem.kv_lengths || problem.query_starts) return {.ends_together = true};
      return {.number = problem.kv_length - problem.query_length};
  }
  refuse(std::string(what) + " is CausalCorner(" + text(static_cast<int>(std::get<CausalCorner>(given))) +
         "); expected top_left or bottom_right");
}

/// Do both say the same of every entry? Numbers in memory are compared where they may be read.
bool same(const Positions& a, const Positions& b, const AttentionProblem& problem, Data data) {
  if (a.each.has_value() != b.each.has_value()) return false;
  if (!a.each) return a.number == b.number && a.ends_together == b.ends_together;
  if (!may_read(problem, data)) return true;
  for (std::int64_t i = 0; i < problem.batch; ++i) {
    if (number_of(*a.each, i) != number_of(*b.each, i)) return false;
  }
  return true;
}

std::string spelled(const Positions& positions) {
  if (positions.each) return "a tensor";
  return positions.ends_together ? "bottom_right" : text(positions.number);
}

std::int64_t limit_of(std::int64_t given, const char* what) {
  if (given < -1) refuse(std::string(what) + " is " + text(given) + "; expected -1 (no limit), 0 or more");
  return std::min(given, kernels::kFarthestOffset);
}

void set_lengths(AttentionCall& call, const Lengths& lengths, Data data) {
  AttentionProblem& problem = call.problem;
  if (lengths.q) {
    problem.query_lengths =
        layout_of(entry_numbers(*lengths.q, "lengths.q", problem, 0, problem.query_length, data));
    call.arguments.query_lengths = lengths.q->data;
  }
  if (lengths.kv) {
    problem.kv_lengths =
        layout_of(entry_numbers(*lengths.kv, "lengths.kv", problem, 0, problem.kv_length, data));
    call.arguments.kv_lengths = lengths.kv->data;
  }
}

void set_row_starts(AttentionCall& call, const RowStarts& starts, Data data) {
  AttentionProblem& problem = call.problem;
  if (starts.q) {
    problem.query_starts = row_starts_of(*starts.q, "row_starts.q", problem, problem.query_length, data);
    call.arguments.query_starts = starts.q->data;
  }
  if (starts.kv) {
    problem.kv_starts = row_starts_of(*starts.kv, "row_starts.kv", problem, problem.kv_length, data);
    call.arguments.kv_starts = starts.kv->data;
  }
}

/// A tensor of floats of each head, or of each head of each batch entry where `of_entries`, as (B, Hq).
TensorLayout head_numbers(const TensorView& view, const char* what, const AttentionProblem& problem,
                          bool of_entries, Data data) {
  if (view.dtype != DType::f32)
    refuse(std::string(what) + " has dtype " + spelled(view.dtype) + "; expected f32");
  core::check_device({kOp, what, view}, problem.device, "q");
  check_memory(view, what, data);
  const Dims of_heads{problem.query_heads}, full{problem.batch, problem.query_heads};
  if (view.shape != of_heads && !(of_entries && view.shape == full)) {
    refuse(std::string(what) + " has shape " + to_string(view.shape) +
           "; expected (Hq) = " + to_string(of_heads) + (of_entries ? " or (B, Hq) = " + to_string(full) : ""));
  }
  TensorLayout layout = layout_of(with_harmless_strides(view));
  if (view.rank() == 1) layout.strides = {0, layout.strides[0]};
  layout.shape = full;
  return layout;
}

void set_head_numbers(AttentionCall& call, const AttentionOptions& options, Data data) {
  AttentionProblem& problem = call.problem;
  if (options.alibi_slopes) {
    problem.alibi_slopes = head_numbers(*options.alibi_slopes, "alibi_slopes", problem, true, data);
    call.arguments.alibi_slopes = options.alibi_slopes->data;
  }
  if (options.sinks) {
    problem.sinks = head_numbers(*options.sinks, "sinks", problem, false, data);
    call.arguments.sinks = options.sinks->data;
  }
}

/// After set_lengths, which corners follow from.
void set_positions(AttentionCall& call, const AttentionOptions& options, Data data) {
  AttentionProblem& problem = call.problem;
  const Mask& mask = options.mask;
  Positions positions;
  if (mask.causal) positions = positions_of(*mask.causal, "mask.causal", problem, data);
  if (options.query_offset) {
    const Positions given = positions_of(*options.query_offset, "query_offset", problem, data);
    if (mask.causal && !same(given, positions, problem, data)) {
      refuse("query_offset is " + spelled(given) + ", mask.causal is " + spelled(positions) +
             "; give one of them, or the same");
    }
    positions = given;
  }
  problem.query_offset = positions.number;
  problem.ends_together = positions.ends_together;
  if (positions.each) {
    problem.query_offsets = layout_of(*positions.each);
    call.arguments.query_offsets = positions.each->data;
  }
  if (mask.window) {
    problem.window = {limit_of(mask.window->left, "mask.window.left"),
                      limit_of(mask.window->right, "mask.window.right")};
  }
  if (mask.causal) problem.window.right = 0;
  problem.band = {
      problem.window.left < 0 ? -kernels::Band::kOpen : problem.query_offset - problem.window.left,
      problem.window.right < 0 ? kernels::Band::kOpen : problem.query_offset + problem.window.right};
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
    const DType dtype = mask.bias->dtype;
    if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
      refuse("mask.bias has dtype " + spelled(dtype) + "; expected f32, f16 or bf16");
    problem.bias = layout_of(broadcast(*mask.bias, "mask.bias", problem, data));
    call.arguments.bias = mask.bias->data;
  }
}

kernels::EntryType entry_type(DType dtype) {
  switch (dtype) {
    case DType::u8: return kernels::EntryType::u8;
    case DType::f16: return kernels::EntryType::f16;
    case DType::bf16: return kernels::EntryType::bf16;
    default: return kernels::EntryType::f32;
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
    if (options.alibi_slopes) f("alibi_slopes", *options.alibi_slopes);
    if (options.sinks) f("sinks", *options.sinks);
    if (const TensorView* each = tensor_of(options.mask.causal)) f("mask.causal", *each);
    if (const TensorView* each = tensor_of(options.query_offset)) f("query_offset", *each);
  }
};

/// What the call writes lies apart: from itself, from its inputs and from what else it writes.
void check_results(const Inputs& inputs, const AttentionOutputs& outputs, Data data) {
  const TensorView bytes = core::checked_workspace(
      kOp, data == Data::needed ? outputs.workspace : std::span<std::byte>(), inputs.q.device);
  const Argument out(kOp, "out", outputs.out), workspace(kOp, "workspace", bytes);
  const auto lse =
      outputs.lse ? std::optional<Argument>(std::in_place, kOp, "lse", *outputs.lse) : std::nullopt;
  check_written(out);
  check_apart(workspace, out);
  if (lse) {
    check_written(*lse);
    check_apart(*lse, out);
    check_apart(workspace, *lse);
  }
  inputs.for_each([&](const char* name, const TensorView& view) {
    const Argument input(kOp, name, view);
    check_apart(out, input);
    if (lse) check_apart(*lse, input);
    check_apart(workspace, input);
  });
}

kernels::RowStrides row_strides(const TensorLayout& layout) {
  return {layout.strides[0], layout.strides[1], layout.strides[2]};
}

kernels::MaskEntries entries_of(const TensorLayout& view, const void* data) {
  return {data, row_strides(view),
          view.strides[2] == 0 ? 1 : core::narrow(view.shape[2], "attention: mask rows"),
          view.strides[3] == 0 ? 1 : core::narrow(view.shape[3], "attention: mask columns"),
          entry_type(view.dtype)};
}

kernels::EntryNumbers numbers_of(const std::optional<TensorLayout>& layout, const void* data) {
  if (!layout) return {nullptr, 0, kernels::NumberType::none};
  return {data, layout->strides[0],
          layout->dtype == DType::i64 ? kernels::NumberType::i64 : kernels::NumberType::i32};
}

kernels::HeadNumbers numbers_of_heads(const std::optional<TensorLayout>& layout, const void* data) {
  if (!layout) return {};
  return {static_cast<const float*>(data), layout->strides[0], layout->strides[1]};
}

}  // namespace

AttentionCall validated(const TensorView& given_q, const TensorView& given_k, const TensorView& given_v,
                        const AttentionOptions& options, Data data) {
  if (given_q.dtype != DType::f32 && given_q.dtype != DType::f16 && given_q.dtype != DType::bf16) {
    refuse("q has dtype " + spelled(given_q.dtype) + "; expected f32, f16 or bf16");
  }
  const RowStarts& starts = options.row_starts;
  check_packing(options);
  check_rows(given_q, "q", starts.q ? "(Tq, Hq, D)" : "(B, Hq, Lq, D)", data);
  check_rows(given_k, "k", starts.kv ? "(Tk, Hkv, D)" : "(B, Hkv, Lkv, D)", data);
  check_rows(given_v, "v", starts.kv ? "(Tk, Hkv, Dv)" : "(B, Hkv, Lkv, Dv)", data);
  const std::int64_t batch = batch_of(given_q, starts);
  const TensorView q = starts.q ? as_entries(given_q, batch) : given_q,
                   k = starts.kv ? as_entries(given_k, batch) : given_k,
                   v = starts.kv ? as_entries(given_v, batch) : given_v;
  expect_like_q(k, q, "k");
  expect_like_q(v, q, "v");
  expect_equal(k.shape[0], q.shape[0], "k", "batch", "q");
  expect_equal(v.shape[0], q.shape[0], "v", "batch", "q");
  expect_equal(v.shape[1], k.shape[1], "v", "heads", "k");
  expect_equal(v.shape[2], k.shape[2], "v", "length", "k");
  expect_equal(k.shape[3], q.shape[3], "k", "head_dim", "q");
  const Widest widest = widest_on(q.device);
  expect_size(q.shape[3], 1, widest.head_dim, "q", "head_dim");
  expect_size(v.shape[3], 1, widest.value_dim, "v", "value_dim");
  expect_size(q.shape[0], 0, kLongest, "q", "batch");
  expect_size(q.shape[1], 0, kLongest, "q", "heads");
  expect_size(q.shape[2], 0, kLongest, "q", "length");
  expect_size(k.shape[1], 0, kLongest, "k", "heads");
  expect_size(k.shape[2], 0, kLongest, "k", "length");
  if (q.shape[1] > 0 && (k.shape[1] == 0 || q.shape[1] % k.shape[1] != 0)) {
    refuse("q has " + text(q.shape[1]) + " heads, k has " + text(k.shape[1]) +
           "; query heads must be a multiple of KV heads");
  }

  AttentionCall call;
  AttentionProblem& problem = call.problem;
  problem.device = q.device;
  problem.dtype = q.dtype;
  problem.batch = q.shape[0];
  problem.query_heads = q.shape[1];
  problem.kv_heads = k.shape[1];
  problem.query_length = q.shape[2];
  problem.kv_length = k.shape[2];
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
  if (problem.out.dtype != problem.dtype) problem.needed.add(Feature::out_f32);
  set_lengths(call, options.lengths, data);
  set_positions(call, options, data);
  set_head_numbers(call, options, data);
  call.arguments.q = q.data;
  call.arguments.k = k.data;
  call.arguments.v = v.data;
  set_masks(call, options.mask, data);
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
  expect_device_of_q(out, q, "out");
  if (outputs.lse) {
    const TensorView& lse = *outputs.lse;
    check_memory(lse, "lse", data);
    if (lse.shape != problem.lse_shape()) {
      refuse("lse has shape " + to_string(lse.shape) + "; expected " + (packed ? "(Tq, Hq)" : "(B, Hq, Lq)") +
             " = " + to_string(problem.lse_shape()));
    }
    if (lse.dtype != DType::f32) refuse("lse has dtype " + spelled(lse.dtype) + "; expected f32");
    if (lse.device != problem.device) {
      refuse("lse is on " + name(lse.device) + ", q is on " + name(problem.device) + "; they must match");
    }
  }
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
  return boolean || bias || query_offsets || query_lengths || kv_lengths || query_starts || kv_length == 0 ||
         band.hides_some(static_cast<std::int32_t>(query_length), static_cast<std::int32_t>(kv_length));
}

kernels::AttentionParams params_of(const AttentionProblem& problem, const AttentionArguments& arguments) {
  kernels::AttentionParams p{};
  p.q = arguments.q;
  p.k = arguments.k;
  p.v = arguments.v;
  p.out = arguments.out;
  p.q_strides = row_strides(problem.q);
  p.k_strides = row_strides(problem.k);
  p.v_strides = row_strides(problem.v);
  p.out_is_f32 = problem.out.dtype == DType::f32;
  p.out_strides = row_strides(problem.out);
  if (problem.lse) {
    p.lse = static_cast<float*>(arguments.lse);
    p.lse_strides = row_strides(*problem.lse);
  }
  p.broken = arguments.broken;
  kernels::MaskTensors mask{};
  if (problem.boolean) mask.boolean = entries_of(*problem.boolean, arguments.boolean);
  if (problem.bias) mask.bias = entries_of(*problem.bias, arguments.bias);
  p.rule = kernels::ScoreRule(problem.scale, problem.softcap, mask,
                              numbers_of_heads(problem.alibi_slopes, arguments.alibi_slopes));
  p.sinks = numbers_of_heads(problem.sinks, arguments.sinks);
  p.band = problem.band;
  p.query_lengths = numbers_of(problem.query_lengths, arguments.query_lengths);
  p.kv_lengths = numbers_of(problem.kv_lengths, arguments.kv_lengths);
  p.query_offsets = numbers_of(problem.query_offsets, arguments.query_offsets);
  p.query_offset = problem.query_offset;
  p.ends_together = problem.ends_together;
  p.query_starts = numbers_of(problem.query_starts, arguments.query_starts);
  p.kv_starts = numbers_of(problem.kv_starts, arguments.kv_starts);
  p.batch = core::narrow(problem.batch, "attention: batch");
  p.query_heads = core::narrow(problem.query_heads, "attention: query heads");
  p.kv_heads = core::narrow(problem.kv_heads, "attention: KV heads");
  p.query_length = core::narrow(problem.query_length, "attention: query length");
  p.kv_length = core::narrow(problem.kv_length, "attention: KV length");
  p.longest_query = static_cast<std::int32_t>(
      longest_of(problem.query_starts, arguments.query_starts, problem, problem.query_length));
  p.longest_kv =
      static_cast<std::int32_t>(longest_of(problem.kv_starts, arguments.kv_starts, problem, problem.kv_length));
  p.head_dim = core::narrow(problem.head_dim, "attention: head_dim");
  p.value_dim = core::narrow(problem.value_dim, "attention: value_dim");
  return p;
}

}  // namespace flashtile::inline v0_2::ops
