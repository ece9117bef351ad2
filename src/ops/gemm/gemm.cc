// A matrix product from end to end: validate, choose a way, run it.
#include "flashtile/gemm.h"

#include "src/core/attempt.h"
#include "src/ops/common/queue.h"
#include "src/ops/common/subnormals.h"
#include "src/ops/gemm/problem.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2 {

void gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options) {
  const core::FloatEnvironment environment(ops::subnormals_of(a.dtype, b.dtype));
  ops::GemmProblem problem = ops::validated(c, a, b, options, ops::Data::needed);
  const Queue queue = ops::queue_of("gemm", options.queue, problem.device, "c");
  problem.threads = queue.threads();
  const ops::GemmWay& way = ops::choose("gemm", ops::gemm_way_table(), problem, options.way);
  if (!problem.empty()) way.run(problem, {}, {}, queue);
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
