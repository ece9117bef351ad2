// A matrix product from end to end: validate, choose a way, run it.
#include "flashtile/gemm.h"

#include <string>

#include "src/core/attempt.h"
#include "src/ops/common/log.h"
#include "src/ops/common/queue.h"
#include "src/ops/common/subnormals.h"
#include "src/ops/gemm/problem.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2 {
namespace {

/// "f32 = bf16 bf16, M 128, N 64, K 32".
std::string described(const ops::GemmProblem& problem) {
  return std::string(name(problem.c_dtype)) + " = " + name(problem.a_dtype) + " " + name(problem.b_dtype) +
         ", M " + std::to_string(problem.m()) + ", N " + std::to_string(problem.n()) + ", K " +
         std::to_string(problem.k());
}

}  // namespace

void gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options) {
  const core::FloatEnvironment environment(ops::subnormals_of(a.dtype, b.dtype));
  ops::GemmProblem problem = ops::validated(c, a, b, options, ops::Data::needed);
  const Queue queue = ops::queue_of("gemm", options.queue, problem.device, "c");
  problem.threads = queue.threads();
  const ops::GemmWay& way = ops::choose_and_log("gemm", ops::gemm_way_table(), problem, options.way, described);
  ops::Workspace memory("gemm", {}, queue);
  if (!problem.empty()) way.run(problem, {}, memory, queue);
}

Plan plan_gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options) {
  const core::FloatEnvironment environment;
  ops::GemmProblem problem = ops::validated(c, a, b, options, ops::Data::ignored);
  problem.threads = ops::queue_of("gemm", options.queue, problem.device, "c").threads();
  return ops::plan_of("gemm", ops::gemm_way_table(), problem, options.way);
}

Result<> try_gemm(const TensorView& c, const TensorView& a, const TensorView& b,
                  const GemmOptions& options) noexcept {
  return core::attempt([&] { gemm(c, a, b, options); });
}

Result<Plan> try_plan_gemm(const TensorView& c, const TensorView& a, const TensorView& b,
                           const GemmOptions& options) noexcept {
  return core::attempt([&] { return plan_gemm(c, a, b, options); });
}

std::vector<WayInfo> gemm_ways() { return ops::infos(ops::gemm_way_table()); }

}  // namespace flashtile::inline v0_2
