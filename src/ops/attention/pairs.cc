#include "src/ops/attention/pairs.h"

#include <algorithm>
#include <optional>
#include <string>

#include "src/ops/attention/checks.h"

namespace flashtile::inline v0_2::ops {
namespace {

using core::spelled, core::with_harmless_strides;

/// Ids of `length` rows of each batch entry.
TensorLayout ids_of(const TensorView& view, const char* what, const char* letters,
                    const AttentionProblem& problem, std::int64_t length, Data data) {
  if (view.dtype != DType::i32)
    refuse(std::string(what) + " has dtype " + spelled(view.dtype) + "; expected i32");
  expect_device_of_q(view, problem.device, what);
  core::check_rows({kOp, what, view}, letters, data);
  const Dims expected{problem.batch, length};
  if (view.shape != expected) {
    refuse(std::string(what) + " has shape " + to_string(view.shape) + "; expected " + letters + " = " +
           to_string(expected));
  }
  return layout_of(with_harmless_strides(view));
}

/// At most kLongest, as rows are: a larger block is no different.
std::int64_t rows_of_block(std::int64_t given, const char* what) {
  if (given < 1) refuse(std::string(what) + " is " + text(given) + "; expected 1 or more");
  return std::min(given, std::int64_t{1} << 30);
}

}  // namespace

void set_segments(AttentionCall& call, const Segments& segments, Data data) {
  if (!segments.q && !segments.kv) return;
  if (!segments.q || !segments.kv) {
    const char* given = segments.q ? "q" : "kv";
    const char* missing = segments.q ? "kv" : "q";
    refuse(std::string("mask.segments.") + given + " is given, and mask.segments." + missing +
           " is not; a pair is compared by both");
  }
  AttentionProblem& problem = call.problem;
  problem.query_segments =
      ids_of(*segments.q, "mask.segments.q", "(B, Lq)", problem, problem.query_length, data);
  problem.kv_segments = ids_of(*segments.kv, "mask.segments.kv", "(B, Lkv)", problem, problem.kv_length, data);
  call.arguments.query_segments = segments.q->data;
  call.arguments.kv_segments = segments.kv->data;
}

void set_blocks(AttentionCall& call, const std::optional<BlockMap>& blocks, Data data) {
  if (!blocks) return;
  AttentionProblem& problem = call.problem;
  const TensorView& view = blocks->view;
  problem.q_block = rows_of_block(blocks->q_block, "mask.blocks.q_block");
  problem.kv_block = rows_of_block(blocks->kv_block, "mask.blocks.kv_block");
  if (view.dtype != DType::u8) refuse("mask.blocks has dtype " + spelled(view.dtype) + "; expected u8");
  expect_device_of_q(view, problem.device, "mask.blocks");
  check_memory(view, "mask.blocks", data);
  const auto blocks_of = [](std::int64_t rows, std::int64_t size) { return (rows + size - 1) / size; };
  const Dims full{problem.batch, problem.query_heads, blocks_of(problem.query_length, problem.q_block),
                  blocks_of(problem.kv_length, problem.kv_block)};
  const auto repeats = [&](int i) { return i < 2 && view.shape[i] == 1; };
  bool fits = view.rank() == 4;
  for (int i = 0; fits && i < 4; ++i) fits = view.shape[i] == full[i] || repeats(i);
  if (!fits) {
    refuse("mask.blocks has shape " + to_string(view.shape) +
           "; expected (1 or B, 1 or Hq, ceil(Lq / q_block), ceil(Lkv / kv_block)), B and so on being " +
           to_string(full));
  }
  TensorView whole = with_harmless_strides(view);
  for (int i = 0; i < 2; ++i)
    if (repeats(i)) whole.strides[i] = 0;
  whole.shape = full;
  problem.blocks = layout_of(whole);
  call.arguments.blocks = view.data;
}

}  // namespace flashtile::inline v0_2::ops
