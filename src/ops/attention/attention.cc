// An attention call from end to end: validate, choose a way, run it, and compute again the rows
// that tiled kernels get wrong.
#include "flashtile/attention.h"

#include <cstdint>
#include <memory>
#include <string>

#include "flashtile/error.h"
#include "src/backends/backend.h"
#include "src/ops/attention/kernels.h"
#include "src/ops/attention/problem.h"
#include "src/ops/attention/ways.h"

namespace flashtile {
namespace ops {
namespace {

Queue queue_of(const AttentionProblem& problem, const AttentionOptions& options) {
  return options.queue ? *options.queue : Queue::default_for(problem.device);
}

std::span<std::byte> checked_workspace(std::span<std::byte> given, std::size_t needed) {
  if (given.size() < needed) {
    throw Error(ErrorCode::invalid_argument, "attention: workspace has " + std::to_string(given.size()) +
                                                 " bytes; this call needs " + std::to_string(needed));
  }
  if (reinterpret_cast<std::uintptr_t>(given.data()) % 64 != 0) {
    throw Error(ErrorCode::invalid_argument, "attention: workspace is not aligned to 64 bytes");
  }
  return given.first(needed);
}

void run(const AttentionProblem& problem, const AttentionBuffers& buffers, std::span<std::byte> workspace,
         const AttentionOptions& options, const Queue& queue) {
  const AttentionWay& way = choose("attention", attention_way_table(), problem, options.way);
  if (problem.empty()) return;
  std::shared_ptr<void> taken;
  if (const std::size_t needed = way.workspace_bytes(problem); needed > 0) {
    if (workspace.empty()) {
      taken = backend::of(problem.device.type).allocate_for(queue, needed);
      workspace = {static_cast<std::byte*>(taken.get()), needed};
    }
    workspace = checked_workspace(workspace, needed);
  }
  if (problem.kv_length > 0) way.run(problem, buffers, workspace, queue);
  if (problem.hides_some()) find_kernel("exact_rows", problem)->launch(queue, params_of(problem, buffers));
}

}  // namespace
}  // namespace ops

Tensor attention(const TensorView& q, const TensorView& k, const TensorView& v,
                 const AttentionOptions& options) {
  ops::AttentionProblem problem = ops::validated(q, k, v, options, ops::Data::needed);
  const Queue queue = ops::queue_of(problem, options);
  problem.threads = queue.threads();
  Tensor out(problem.dtype, problem.out_shape(), problem.device);
  ops::run(problem, {out.view(), {}}, {}, options, queue);
  return out;
}

void attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                    const TensorView& v, const AttentionOptions& options) {
  ops::AttentionProblem problem = ops::validated(q, k, v, options, ops::Data::needed);
  const ops::AttentionBuffers buffers = ops::validated(problem, outputs, ops::Data::needed);
  const Queue queue = ops::queue_of(problem, options);
  problem.threads = queue.threads();
  ops::run(problem, buffers, outputs.workspace, options, queue);
}

Plan plan_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                    const AttentionOptions& options) {
  ops::AttentionProblem problem = ops::validated(q, k, v, options, ops::Data::ignored);
  problem.threads = ops::queue_of(problem, options).threads();
  return ops::plan_of("attention", ops::attention_way_table(), problem, options.way);
}

Plan plan_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                         const TensorView& v, const AttentionOptions& options) {
  ops::AttentionProblem problem = ops::validated(q, k, v, options, ops::Data::ignored);
  ops::validated(problem, outputs, ops::Data::ignored);
  problem.threads = ops::queue_of(problem, options).threads();
  return ops::plan_of("attention", ops::attention_way_table(), problem, options.way);
}

std::vector<WayInfo> attention_ways() { return ops::infos(ops::attention_way_table()); }

}  // namespace flashtile
