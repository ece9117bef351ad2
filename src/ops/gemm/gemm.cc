// A matrix product from end to end: validate, choose a way, run it.
#include "flashtile/gemm.h"

#include "src/ops/gemm/problem.h"
#include "src/ops/gemm/ways.h"

namespace flashtile {
namespace {

Queue queue_of(const ops::GemmProblem& problem, const GemmOptions& options) {
  return options.queue ? *options.queue : Queue::default_for(problem.device);
}

}  // namespace

void gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options) {
  ops::GemmProblem problem = ops::validated(c, a, b, options, ops::Data::needed);
  const Queue queue = queue_of(problem, options);
  problem.threads = queue.threads();
  const ops::GemmWay& way = ops::choose("gemm", ops::gemm_way_table(), problem, options.way);
  if (problem.m() > 0 && problem.n() > 0) way.run(problem, {}, {}, queue);
}

Plan plan_gemm(const TensorView& c, const TensorView& a, const TensorView& b, const GemmOptions& options) {
  ops::GemmProblem problem = ops::validated(c, a, b, options, ops::Data::ignored);
  problem.threads = queue_of(problem, options).threads();
  return ops::plan_of("gemm", ops::gemm_way_table(), problem, options.way);
}

std::vector<WayInfo> gemm_ways() { return ops::infos(ops::gemm_way_table()); }

}  // namespace flashtile
