// The way `flash.cpu`: our kernels scheduled for CPUs, on panel products.
#include <algorithm>
#include <cstdint>
#include <string>

#include "src/backends/cpu/isa.h"
#include "src/ops/attention/kernel/flash_cpu/schedule.h"
#include "src/ops/attention/ways.h"
#include "src/ops/common/kernel_table.h"
#include "src/ops/common/on_threads.h"

namespace flashtile::inline v0_2::kernels {
FLASHTILE_SCHEDULED_TABLES(kFlashCpuTables, FlashCpuKernels, flash_cpu_kernels)
}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {
namespace {

using kernels::AttentionParams;
using kernels::CpuSchedule;
using kernels::CpuStage;

const kernels::FlashCpuKernels* kernels_for(DType dtype) {
  for (const auto& kernels : kernels::compiled_for(backend::best_isa(dtype), kernels::kFlashCpuTables)) {
    if (kernels.dtype == dtype) return &kernels;
  }
  return nullptr;
}

/// It refers to `params`.
CpuSchedule schedule_of(const AttentionProblem& problem, const AttentionParams& params) {
  return kernels_for(problem.dtype)->schedule(params, problem.threads);
}

std::string_view declines(const AttentionProblem& problem) {
  if (kernels_for(problem.dtype) != nullptr) return {};
  return "no kernel is compiled for this element type and instruction set";
}

std::size_t workspace_bytes(const AttentionProblem& problem) {
  AttentionParams params = params_of(problem, {});
  const std::size_t bytes = schedule_of(problem, params).workspace_bytes;
  if (!problem.q_is_packed()) return bytes;
  // Packed sequences that are all short are decoded, which nobody knows before their starts are read.
  params.longest_query = std::min(params.longest_query, 1);
  return std::max(bytes, schedule_of(problem, params).workspace_bytes);
}

std::string describe(const AttentionProblem& problem) {
  return std::string("flash.cpu ") + schedule_of(problem, params_of(problem, {})).name + " " +
         name(problem.dtype) + " " + std::string(backend::name(backend::best_isa(problem.dtype)));
}

/// The shares that KV heads first ... first + heads - 1 have of a stage.
struct Share {
  const CpuSchedule& schedule;
  std::int64_t first_head, heads;
  std::byte* workspace;

  std::int64_t tasks(const CpuStage& stage) const { return stage.tasks * heads; }
  /// Task `i` of the share.
  void run(const CpuStage& stage, std::int64_t i, std::byte* scratch) const {
    stage.run(schedule, {stage.tasks * first_head + i, first_head, workspace, scratch});
  }
};

void run(const AttentionProblem& problem, const AttentionArguments& arguments, Workspace& workspace,
         const Queue& queue) {
  const AttentionParams params = params_of(problem, arguments);
  const CpuSchedule schedule = schedule_of(problem, params);
  std::byte* const memory = workspace.take(schedule.workspace_bytes);
  const double multiply_adds = static_cast<double>(problem.batch) * static_cast<double>(problem.query_heads) *
                               static_cast<double>(problem.query_length) *
                               static_cast<double>(problem.kv_length) *
                               static_cast<double>(problem.head_dim + problem.value_dim);
  const auto for_each_share = [&](std::int64_t most_heads, auto run_share) {
    for (std::int64_t head = 0; head < schedule.heads; head += most_heads)
      run_share(Share{schedule, head, std::min(most_heads, schedule.heads - head), memory});
  };
  const Share all{schedule, 0, schedule.heads, memory};

  if (is_for_one_thread(queue, multiply_adds)) {
    return on_threads(queue, 1, schedule.scratch_bytes, [&](std::int64_t, std::byte* scratch) {
      for_each_share(1, [&](const Share& share) {
        for (const CpuStage* stage : {&schedule.prepare, &schedule.attend})
          for (std::int64_t i = 0; i < share.tasks(*stage); ++i) share.run(*stage, i, scratch);
      });
      for (std::int64_t i = 0; i < all.tasks(schedule.merge); ++i) all.run(schedule.merge, i, scratch);
    });
  }
  const auto run_stage = [&](const Share& share, const CpuStage& stage) {
    on_threads(queue, share.tasks(stage), schedule.scratch_bytes,
               [&](std::int64_t i, std::byte* scratch) { share.run(stage, i, scratch); });
  };
  for_each_share(schedule.heads_at_once, [&](const Share& share) {
    run_stage(share, schedule.prepare);
    run_stage(share, schedule.attend);
  });
  run_stage(all, schedule.merge);
}

}  // namespace

const AttentionWay kAttentionFlashCpu = {
    .name = "flash.cpu",
    .about = "fused: transposed panels scheduled for this CPU, lazy online softmax, split keys for few queries",
    .device = DeviceType::cpu,
    .knows = [](DeviceType) { return Features::all().without(Feature::scores); },
    .notes_rows = true,
    .declines = declines,
    .workspace_bytes = workspace_bytes,
    .kernel = describe,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
