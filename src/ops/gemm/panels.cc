// The way `panels`: our kernels scheduled for CPUs, on panel products.
#include <cstdint>
#include <string>

#include "src/backends/cpu/isa.h"
#include "src/ops/common/kernel_table.h"
#include "src/ops/common/on_threads.h"
#include "src/ops/gemm/kernel/panels_table.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2::kernels {
FLASHTILE_SCHEDULED_TABLES(kPanelsTables, GemmPanelsKernels, gemm_panels_kernels)
}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {
namespace {

using kernels::GemmPanelsCall;
using kernels::GemmPanelsKernels;

constexpr int kFewestRows = 32;     ///< of C in one task
constexpr int kTasksPerThread = 4;  ///< enough for an even share

const GemmPanelsKernels* kernels_for(const GemmProblem& problem) {
  const backend::Isa isa = backend::best_isa(problem.multiplied());
  for (const GemmPanelsKernels& kernels : kernels::compiled_for(isa, kernels::kPanelsTables)) {
    if (kernels.a == problem.a_dtype && kernels.b == problem.b_dtype) return &kernels;
  }
  return nullptr;
}

std::string_view declines(const GemmProblem& problem) {
  if (kernels_for(problem) != nullptr) return {};
  return "no kernel is compiled for these element types and this instruction set";
}

/// Large blocks read and pack A and B less often, small ones keep more threads busy.
GemmPanelsCall call_of(const GemmProblem& problem, const GemmPanelsKernels& kernels) {
  GemmPanelsCall call{problem.params, problem.transpose_a, problem.transpose_b, kernels.most_rows,
                      kernels.most_panels};
  const std::int64_t panels = (problem.n() + kernels.panel_columns - 1) / kernels.panel_columns;
  const auto tasks = [&] {
    return (problem.m() + call.block_rows - 1) / call.block_rows *
           ((panels + call.block_panels - 1) / call.block_panels);
  };
  while (call.block_panels > 1 && tasks() < kTasksPerThread * problem.threads) call.block_panels /= 2;
  while (call.block_rows > kFewestRows && tasks() < kTasksPerThread * problem.threads) call.block_rows /= 2;
  return call;
}

std::string describe(const GemmProblem& problem) {
  return "panels " + std::string(name(problem.a_dtype)) + " x " + name(problem.b_dtype) + " " +
         std::string(backend::name(backend::best_isa(problem.multiplied())));
}

void run(const GemmProblem& problem, const GemmBuffers&, Workspace&, const Queue& queue) {
  const GemmPanelsKernels& kernels = *kernels_for(problem);
  const GemmPanelsCall call = call_of(problem, kernels);
  const std::int64_t tasks = kernels.tasks(call);
  const std::size_t scratch_bytes = kernels.scratch_bytes(call);
  const double multiply_adds =
      static_cast<double>(problem.m()) * static_cast<double>(problem.n()) * static_cast<double>(problem.k());
  const auto run_task = [&](std::int64_t i, std::byte* scratch) { kernels.run(call, i, scratch); };
  if (!is_for_one_thread(queue, multiply_adds)) return on_threads(queue, tasks, scratch_bytes, run_task);
  on_threads(queue, 1, scratch_bytes, [&](std::int64_t, std::byte* scratch) {
    for (std::int64_t i = 0; i < tasks; ++i) run_task(i, scratch);
  });
}

}  // namespace

const GemmWay kGemmPanels = {
    .name = "panels",
    .about = "panels packed for this CPU's vector registers; one element type for A and B",
    .device = DeviceType::cpu,
    .declines = declines,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = describe,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
