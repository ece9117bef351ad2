// A merge from end to end: validate, then launch the kernel for up to kMostMergedParts parts at a time.
#include "flashtile/merge_attention.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "src/backends/backend.h"
#include "src/core/attempt.h"
#include "src/core/checked.h"
#include "src/core/float_environment.h"
#include "src/ops/common/floats.h"
#include "src/ops/common/queue.h"
#include "src/ops/common/row_strides.h"
#include "src/ops/merge_attention/kernels.h"

namespace flashtile::inline v0_2 {
namespace ops {
namespace {

using core::Argument;
using Views = std::span<const TensorView>;

constexpr char kOp[] = "merge_attention";

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, std::string(kOp) + ": " + message);
}

std::string numbered(const char* what, std::size_t i) {
  return std::string(what) + "[" + std::to_string(i) + "]";
}

Dims shape_of_lse(const Dims& out) { return {out[0], out[1], out[2]}; }

void check_lse(const Argument& lse, const TensorView& out, const char* out_name) {
  core::check_memory(lse, core::Data::needed);
  if (lse.view.shape != shape_of_lse(out.shape)) {
    lse.refuse("has shape " + to_string(lse.view.shape) +
               "; expected (B, Hq, L) = " + to_string(shape_of_lse(out.shape)));
  }
  if (lse.view.dtype != DType::f32) lse.refuse("has dtype " + core::spelled(lse.view.dtype) + "; expected f32");
  core::check_device(lse, out.device, out_name);
}

/// Checks the parts against a tensor of the result's shape, which a message calls `like_name`.
void check_parts(Views outs, Views lses, const TensorView& like, const char* like_name) {
  for (std::size_t i = 0; i < outs.size(); ++i) {
    const std::string out_name = numbered("outs", i), lse_name = numbered("lses", i);
    const Argument out(kOp, out_name.c_str(), outs[i]);
    core::check_rows(out, "(B, Hq, L, Dv)", core::Data::needed);
    float_type_of(out);
    if (outs[i].shape != like.shape) {
      out.refuse("has shape " + to_string(outs[i].shape) + ", " + like_name + " has " + to_string(like.shape) +
                 "; they must match");
    }
    core::check_device(out, like.device, like_name);
    check_lse({kOp, lse_name.c_str(), lses[i]}, outs[i], out_name.c_str());
  }
}

void check_sinks(const Argument& sinks, const TensorView& like, const char* like_name) {
  core::check_memory(sinks, core::Data::needed);
  if (sinks.view.shape != Dims{like.shape[1]}) {
    sinks.refuse("has shape " + to_string(sinks.view.shape) +
                 "; expected (Hq) = " + to_string(Dims{like.shape[1]}));
  }
  if (sinks.view.dtype != DType::f32)
    sinks.refuse("has dtype " + core::spelled(sinks.view.dtype) + "; expected f32");
  core::check_device(sinks, like.device, like_name);
}

/// What every form of the call checks first.
void check_inputs(Views outs, Views lses, const TensorView& like, const char* like_name,
                  const MergeAttentionOptions& options) {
  if (outs.size() != lses.size()) {
    refuse("outs has " + std::to_string(outs.size()) + " parts, lses has " + std::to_string(lses.size()) +
           "; they must match");
  }
  const Argument first(kOp, like_name, like);
  core::check_rows(first, "(B, Hq, L, Dv)", core::Data::needed);
  check_has_kernel(first);
  check_sizes(first);
  check_parts(outs, lses, like, like_name);
  if (options.sinks) check_sinks({kOp, "sinks", *options.sinks}, like, like_name);
}

/// What is written lies apart from itself and from all that is read.
void check_results(const MergeAttentionOutputs& outputs, Views outs, Views lses,
                   const MergeAttentionOptions& options) {
  const auto check = [&](const Argument& written) {
    core::check_written(written);
    for (std::size_t i = 0; i < outs.size(); ++i) {
      core::check_apart(written, {kOp, numbered("outs", i).c_str(), outs[i]});
      core::check_apart(written, {kOp, numbered("lses", i).c_str(), lses[i]});
    }
    if (options.sinks) core::check_apart(written, {kOp, "sinks", *options.sinks});
  };
  const Argument out(kOp, "out", outputs.out);
  float_type_of(out);
  check(out);
  if (!outputs.lse) return;
  const Argument lse(kOp, "lse", *outputs.lse);
  check_lse(lse, outputs.out, "out");
  check(lse);
  core::check_apart(lse, out);
}

kernels::MergedPart part_of(const TensorView& out, const TensorView& lse) {
  return {out.data, static_cast<const float*>(lse.data), row_strides(out), row_strides(lse),
          float_type_of({kOp, "outs", out})};
}

void set_result(kernels::MergeAttentionParams& params, const MergeAttentionOutputs& outputs) {
  params.out = outputs.out.data;
  params.type = float_type_of({kOp, "out", outputs.out});
  params.out_strides = row_strides(outputs.out);
  params.lse = outputs.lse ? static_cast<float*>(outputs.lse->data) : nullptr;
  if (outputs.lse) params.lse_strides = row_strides(*outputs.lse);
}

/// Float32 memory for what the first parts of very many come to.
MergeAttentionOutputs take_sums(const TensorView& out, const Queue& queue, std::shared_ptr<void>& memory) {
  const std::int64_t rows = element_count(shape_of_lse(out.shape));
  const std::int64_t floats = core::checked_multiply(rows, out.shape[3] + 1, "merge_attention: sums of parts");
  const std::int64_t bytes = core::checked_multiply(floats, sizeof(float), "merge_attention: sums of parts");
  memory = backend::of(out.device.type).allocate_for(queue, static_cast<std::size_t>(bytes));
  float* const data = static_cast<float*>(memory.get());
  return {packed_view(data, DType::f32, out.shape, out.device),
          packed_view(data + rows * out.shape[3], DType::f32, shape_of_lse(out.shape), out.device)};
}

/// All arguments have been checked.
void run(const MergeAttentionOutputs& outputs, Views outs, Views lses, const MergeAttentionOptions& options,
         const Queue& queue) {
  if (core::has_no_elements({nullptr, DType::f32, shape_of_lse(outputs.out.shape), {}, {}})) return;
  constexpr std::size_t kMost = kernels::kMostMergedParts;
  std::shared_ptr<void> memory;
  MergeAttentionOutputs sums;
  if (outs.size() > kMost) sums = take_sums(outputs.out, queue, memory);
  kernels::MergeAttentionParams params{};
  params.batch = outputs.out.shape[0];
  params.heads = outputs.out.shape[1];
  params.length = outputs.out.shape[2];
  params.value_dim = outputs.out.shape[3];
  for (std::size_t next = 0;;) {
    params.count = 0;
    if (next > 0) params.parts[params.count++] = part_of(sums.out, *sums.lse);
    while (next < outs.size() && params.count < kernels::kMostMergedParts) {
      params.parts[params.count++] = part_of(outs[next], lses[next]);
      ++next;
    }
    const bool last = next == outs.size();
    set_result(params, last ? outputs : sums);
    if (last && options.sinks) {
      params.sinks = static_cast<const float*>(options.sinks->data);
      params.sink_stride = core::with_harmless_strides(*options.sinks).strides[0];
    }
    kernels::launch_merge_attention(queue, params);
    if (last) return;
  }
}

}  // namespace
}  // namespace ops

Tensor merge_attention(std::span<const TensorView> outs, std::span<const TensorView> lses,
                       const MergeAttentionOptions& options) {
  const core::FloatEnvironment environment;
  if (outs.empty()) ops::refuse("outs is empty; the shape of the result is that of the first part");
  const TensorView& first = outs.front();
  ops::check_inputs(outs, lses, first, "outs[0]", options);
  const Queue queue = ops::queue_of(ops::kOp, options.queue, first.device, "outs[0]");
  Tensor out(first.dtype, first.shape, first.device);
  ops::run({out, {}}, outs, lses, options, queue);
  return out;
}

void merge_attention_into(const MergeAttentionOutputs& outputs, std::span<const TensorView> outs,
                          std::span<const TensorView> lses, const MergeAttentionOptions& options) {
  const core::FloatEnvironment environment;
  ops::check_inputs(outs, lses, outputs.out, "out", options);
  ops::check_results(outputs, outs, lses, options);
  ops::run(outputs, outs, lses, options, ops::queue_of(ops::kOp, options.queue, outputs.out.device, "out"));
}

Result<Tensor> try_merge_attention(std::span<const TensorView> outs, std::span<const TensorView> lses,
                                   const MergeAttentionOptions& options) noexcept {
  return core::attempt([&] { return merge_attention(outs, lses, options); });
}

Result<> try_merge_attention_into(const MergeAttentionOutputs& outputs, std::span<const TensorView> outs,
                                  std::span<const TensorView> lses,
                                  const MergeAttentionOptions& options) noexcept {
  return core::attempt([&] { merge_attention_into(outputs, outs, lses, options); });
}

}  // namespace flashtile::inline v0_2
