#include "src/ops/attention/entries.h"

#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "src/ops/attention/checks.h"

namespace flashtile::inline v0_2::ops {

std::int64_t number_of(const TensorView& numbers, std::int64_t batch) {
  const std::int64_t at = batch * numbers.strides[0];
  return numbers.dtype == DType::i64 ? static_cast<const std::int64_t*>(numbers.data)[at]
                                     : static_cast<const std::int32_t*>(numbers.data)[at];
}

TensorView as_entries(const TensorView& view, std::int64_t batch) {
  TensorView result = view;
  result.shape = view.rank() == 3 ? Dims{batch, view.shape[1], view.shape[0], view.shape[2]}
                                  : Dims{batch, view.shape[1], view.shape[0]};
  result.strides = view.rank() == 3 ? Dims{0, view.strides[1], view.strides[0], view.strides[2]}
                                    : Dims{0, view.strides[1], view.strides[0]};
  return result;
}

void check_packing(const AttentionOptions& options) {
  const auto& [q, kv] = options.row_starts;
  if (kv && !q) refuse("row_starts.kv is given, and row_starts.q is not; packed keys need packed queries");
  const auto refuse_both = [](bool starts, bool lengths, const std::string& side) {
    if (starts && lengths)
      refuse("lengths." + side + " and row_starts." + side + " are given; packed sequences have no padding");
  };
  refuse_both(q.has_value(), options.lengths.q.has_value(), "q");
  refuse_both(kv.has_value(), options.lengths.kv.has_value(), "kv");
  const Mask& mask = options.mask;
  const char* of_pairs = mask.boolean                          ? "mask.boolean"
                         : mask.bias                           ? "mask.bias"
                         : mask.segments.q || mask.segments.kv ? "mask.segments"
                         : mask.blocks                         ? "mask.blocks"
                                                               : nullptr;
  if (q && of_pairs != nullptr)
    refuse(std::string(of_pairs) + " is given, and q is packed; this version takes it without row_starts");
}

std::int64_t batch_of(const TensorView& q, const RowStarts& starts) {
  if (!starts.q) return q.shape[0];
  if (starts.q->rank() != 1 || starts.q->shape[0] < 1)
    refuse("row_starts.q has shape " + to_string(starts.q->shape) + "; expected (B + 1)");
  return starts.q->shape[0] - 1;
}

namespace {

using core::spelled, core::with_harmless_strides;

bool may_read(const AttentionProblem& problem, Data data) {
  return data == Data::needed && problem.device.type == DeviceType::cpu;
}

/// Numbers of `count` batch entries, or of what lies between them, `least` to `most`; they are looked at on a CPU.
TensorView checked_numbers(TensorView view, const char* what, const AttentionProblem& problem,
                           std::int64_t count, const char* letters, std::int64_t least, std::int64_t most,
                           Data data) {
  if (view.dtype != DType::i32 && view.dtype != DType::i64)
    refuse(std::string(what) + " has dtype " + spelled(view.dtype) + "; expected i32 or i64");
  expect_device_of_q(view, problem.device, what);
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

/// A tensor of floats of each head, or of each head of each batch entry where `of_entries`, as (B, Hq).
TensorLayout head_numbers(const TensorView& view, const char* what, const AttentionProblem& problem,
                          bool of_entries, Data data) {
  if (view.dtype != DType::f32)
    refuse(std::string(what) + " has dtype " + spelled(view.dtype) + "; expected f32");
  expect_device_of_q(view, problem.device, what);
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

}  // namespace

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

}  // namespace flashtile::inline v0_2::ops
