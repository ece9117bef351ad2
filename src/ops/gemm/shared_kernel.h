// The common part of the ways that launch one compiled kernel text. Called by tensor_ops.cc and simdgroup.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "src/backends/backend.h"
#include "src/ops/common/workspace.h"
#include "src/ops/gemm/kernels.h"

namespace flashtile::inline v0_2::ops {

template <GemmText kText>
std::string_view declines_without_kernel(const GemmProblem& problem) {
  const std::string_view why = backend::of(problem.device.type).cannot_run(name(kText), problem.device.index);
  if (!why.empty()) return why;
  if (find_kernel(kText, problem) != nullptr) return {};
  return "no kernel is compiled for this device, these element types and their order";
}

template <GemmText kText>
std::string describe_kernel(const GemmProblem& problem) {
  return describe(*find_kernel(kText, problem), problem);
}

template <GemmText kText>
void launch_kernel(const GemmProblem& problem, const GemmBuffers&, Workspace&, const Queue& queue) {
  find_kernel(kText, problem)->launch(queue, problem.params);
}

}  // namespace flashtile::inline v0_2::ops
