// An attention call from end to end: validate, choose a way, run it, and compute again the rows that tiled kernels
// get wrong.
#include "flashtile/attention.h"

#include <cstdint>
#include <string>

#include "flashtile/error.h"
#include "src/backends/backend.h"
#include "src/core/attempt.h"
#include "src/ops/attention/kernels.h"
#include "src/ops/attention/problem.h"
#include "src/ops/attention/quantised.h"
#include "src/ops/attention/ways.h"
#include "src/ops/common/log.h"
#include "src/ops/common/queue.h"
#include "src/ops/common/subnormals.h"

namespace flashtile::inline v0_2 {
namespace ops {
namespace {

/// Computes again the rows that are not finite, where there may be some that should be.
void compute_exact_rows(const AttentionProblem& problem, const AttentionArguments& arguments,
                        const AttentionWay& way, const Queue& queue) {
  const bool on_cpu = problem.device.type == DeviceType::cpu;
  if (problem.kv_length > 0) {
    if (way.finishes_rows != nullptr && way.finishes_rows(problem)) return;
    if (arguments.broken != nullptr && *arguments.broken == 0) return;
    if (!on_cpu && !problem.hides_some()) return;
  }
  kernels::AttentionParams params = params_of(problem, arguments);
  if (problem.kv_length == 0) params.broken = nullptr;
  find_kernel(AttentionText::exact_rows, problem)->launch(queue, params);
}

/// "f32 q (1, 8, 100, 64), k (1, 2, 300, 64), q8_0 v (1, 2, 300, 64), with a softcap, lse": each with its type where that
/// is not q's.
std::string described(const AttentionProblem& problem) {
  const auto spelled = [&](const char* what, const TensorLayout& tensor) {
    const std::string type = tensor.dtype == problem.q.dtype ? "" : std::string(name(tensor.dtype)) + " ";
    return ", " + type + what + to_string(tensor.shape);
  };
  std::string text = std::string(name(problem.q.dtype)) + " q " + to_string(problem.q.shape) +
                     spelled("k ", problem.k) + spelled("v ", problem.v);
  const char* before = ", with ";
  for (const FeatureRow& row : kFeatureRows) {
    if (!problem.needed.has(row.feature)) continue;
    text += before + std::string(row.name);
    before = ", ";
  }
  return text;
}

void run(AttentionCall& call, std::span<std::byte> workspace, const AttentionOptions& options,
         const Queue& queue) {
  auto& [problem, arguments] = call;
  problem.threads = queue.threads();
  const AttentionWay& way = choose_and_log("attention", attention_way_table(), problem, options.way, described);
  if (problem.empty()) return;
  Workspace memory("attention", workspace, queue);
  std::uint32_t broken = 0;
  if (way.notes_rows && problem.device.type == DeviceType::cpu) arguments.broken = &broken;
  if (problem.kv_length > 0) way.run(problem, arguments, memory, queue);
  compute_exact_rows(problem, arguments, way, queue);
}

Plan plan(AttentionProblem problem, const AttentionOptions& options) {
  problem.threads = queue_of("attention", options.queue, problem.device, "q").threads();
  return plan_of("attention", attention_way_table(), problem, options.way);
}

}  // namespace
}  // namespace ops

Tensor attention(const TensorView& q, const TensorView& k, const TensorView& v,
                 const AttentionOptions& options) {
  const core::FloatEnvironment environment(ops::subnormals_of(ops::product_type(q, k, v), q.dtype));
  ops::AttentionCall call = ops::validated(q, k, v, options, ops::Data::needed);
  const Queue queue = ops::queue_of("attention", options.queue, q.device, "q");
  Tensor out(call.problem.out.dtype, call.problem.out_shape(), q.device);
  call.arguments.out = out.data();
  ops::run(call, {}, options, queue);
  return out;
}

void attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                    const TensorView& v, const AttentionOptions& options) {
  const core::FloatEnvironment environment(ops::subnormals_of(ops::product_type(q, k, v), q.dtype));
  ops::AttentionCall call = ops::validated(outputs, q, k, v, options, ops::Data::needed);
  ops::run(call, outputs.workspace, options, ops::queue_of("attention", options.queue, q.device, "q"));
}

Plan plan_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                    const AttentionOptions& options) {
  const core::FloatEnvironment environment;
  return ops::plan(ops::validated(q, k, v, options, ops::Data::ignored).problem, options);
}

Plan plan_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                         const TensorView& v, const AttentionOptions& options) {
  const core::FloatEnvironment environment;
  return ops::plan(ops::validated(outputs, q, k, v, options, ops::Data::ignored).problem, options);
}

Result<Tensor> try_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                             const AttentionOptions& options) noexcept {
  return core::attempt([&] { return attention(q, k, v, options); });
}

Result<> try_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                            const TensorView& v, const AttentionOptions& options) noexcept {
  return core::attempt([&] { attention_into(outputs, q, k, v, options); });
}

Result<Plan> try_plan_attention(const TensorView& q, const TensorView& k, const TensorView& v,
                                const AttentionOptions& options) noexcept {
  return core::attempt([&] { return plan_attention(q, k, v, options); });
}

Result<Plan> try_plan_attention_into(const AttentionOutputs& outputs, const TensorView& q, const TensorView& k,
                                     const TensorView& v, const AttentionOptions& options) noexcept {
  return core::attempt([&] { return plan_attention_into(outputs, q, k, v, options); });
}

std::vector<WayInfo> attention_ways() { return ops::infos(ops::attention_way_table()); }

}  // namespace flashtile::inline v0_2
