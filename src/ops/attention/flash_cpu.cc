// The way `flash.cpu`: our kernels scheduled for CPUs, on panel products.
#include <algorithm>
#include <cstdint>
#include <string>

#include "flashtile/detail/run_on_cpu.h"
#include "src/backends/backend.h"
#include "src/backends/cpu/isa.h"
#include "src/ops/attention/kernel/flash_cpu/table.h"
#include "src/ops/attention/ways.h"

namespace flashtile::inline v0_2::kernels {

/// The instruction sets that these kernels are compiled for: X(enumerator of backend::Isa, namespace).
#if defined(__x86_64__)
#define FLASHTILE_FLASH_CPU_BACKENDS(X) \
  X(scalar, cpu_scalar) X(avx2, cpu_avx2) X(avx512, cpu_avx512) X(avx512_bf16, cpu_avx512_bf16) X(amx, cpu_amx)
#elif defined(__aarch64__)
#define FLASHTILE_FLASH_CPU_BACKENDS(X) X(neon, cpu_neon)
#else
#define FLASHTILE_FLASH_CPU_BACKENDS(X) X(scalar, cpu_scalar)
#endif

#define FLASHTILE_DECLARE(isa_name, namespace_name) \
  namespace namespace_name {                        \
  extern const FlashCpuKernels kFlashCpuF32;        \
  extern const FlashCpuKernels kFlashCpuF16;        \
  extern const FlashCpuKernels kFlashCpuBf16;       \
  }
FLASHTILE_FLASH_CPU_BACKENDS(FLASHTILE_DECLARE)
#undef FLASHTILE_DECLARE

}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {
namespace {

using kernels::AttentionParams;
using kernels::FlashCpuKernels;

/// Below this many multiply-adds a call is over before a second thread has woken up.
constexpr double kWorthThreads = 1e6;
/// With this many tasks for each thread, no thread waits long for the last one.
constexpr std::int64_t kTasksPerThread = 8;

const FlashCpuKernels* table_for(DType dtype) {
  switch (backend::best_isa(dtype)) {
#define FLASHTILE_TABLE(isa_name, namespace_name)                           \
  case backend::Isa::isa_name:                                              \
    return dtype == DType::f32    ? &kernels::namespace_name::kFlashCpuF32  \
           : dtype == DType::f16  ? &kernels::namespace_name::kFlashCpuF16  \
           : dtype == DType::bf16 ? &kernels::namespace_name::kFlashCpuBf16 \
                                  : nullptr;
    FLASHTILE_FLASH_CPU_BACKENDS(FLASHTILE_TABLE)
#undef FLASHTILE_TABLE
    default: return nullptr;
  }
}

std::string_view declines(const AttentionProblem& problem) {
  if (problem.device.type != DeviceType::cpu) return "it is for CPUs";
  if (table_for(problem.dtype) == nullptr)
    return "no kernel is compiled for this element type and instruction set";
  return unknown(problem.needed, kScoreRuleFeatures);
}

/// KV heads over all batch entries, at least 1.
std::int64_t heads_of(const AttentionProblem& problem) {
  return std::max<std::int64_t>(1, problem.batch * problem.kv_heads);
}

/// How many KV heads are worked on together: few enough that their prepared blocks are still in cache when they
/// are used, but enough that no thread waits long for the last task.
std::int64_t heads_at_once(const AttentionProblem& problem) {
  if (problem.threads == 1 || problem.empty()) return 1;
  const AttentionParams params = params_of(problem, {});
  const FlashCpuKernels& kernels = *table_for(problem.dtype);
  if (kernels.prepare_tasks(params) == 0) return heads_of(problem);
  std::int64_t tasks = kernels.tasks(params) / heads_of(problem);
  if (problem.q_is_packed())
    tasks = std::max<std::int64_t>(1, tasks / std::max<std::int64_t>(1, problem.batch));
  return std::min(heads_of(problem), problem.threads * kTasksPerThread / tasks + 1);
}

std::size_t workspace_bytes(const AttentionProblem& problem) {
  return table_for(problem.dtype)->workspace_bytes(params_of(problem, {}), heads_at_once(problem));
}

std::string describe(const AttentionProblem& problem) {
  return "flash.cpu " + std::string(table_for(problem.dtype)->name(params_of(problem, {}))) + " " +
         name(problem.dtype) + " " + std::string(backend::name(backend::best_isa(problem.dtype)));
}

/// What the threads of one call share: the KV heads that are worked on together, from `first_head` on.
struct Call {
  const FlashCpuKernels& kernels;
  AttentionParams params;
  void* workspace;
  std::int64_t prepare_tasks, tasks;  ///< of one KV head
  std::int64_t merge_tasks;           ///< of all
  std::int64_t first_head, heads;
};

void prepare_task(const void* context, std::int64_t i, void* scratch) {
  const Call& call = *static_cast<const Call*>(context);
  const std::int64_t first = call.first_head * call.prepare_tasks;
  call.kernels.prepare(call.params, call.workspace, call.first_head, first + i, scratch);
}
void run_task(const void* context, std::int64_t i, void* scratch) {
  const Call& call = *static_cast<const Call*>(context);
  const std::int64_t first = call.first_head * call.tasks;
  call.kernels.run(call.params, call.workspace, call.first_head, first + i, scratch);
}
void merge_query(const void* context, std::int64_t i, void*) {
  const Call& call = *static_cast<const Call*>(context);
  call.kernels.merge(call.params, call.workspace, i);
}
/// The whole call on one thread, the caller's.
void run_all(const void* context, std::int64_t, void* scratch) {
  Call head = *static_cast<const Call*>(context);
  for (; head.first_head < head.heads; ++head.first_head) {
    for (std::int64_t i = 0; i < head.prepare_tasks; ++i) prepare_task(&head, i, scratch);
    for (std::int64_t i = 0; i < head.tasks; ++i) run_task(&head, i, scratch);
  }
  for (std::int64_t i = 0; i < head.merge_tasks; ++i) merge_query(&head, i, scratch);
}

void run(const AttentionProblem& problem, const AttentionArguments& arguments, std::span<std::byte> workspace,
         const Queue& queue) {
  const FlashCpuKernels& kernels = *table_for(problem.dtype);
  const AttentionParams params = params_of(problem, arguments);
  const std::int64_t heads = heads_of(problem);
  Call call{kernels,
            params,
            workspace.data(),
            kernels.prepare_tasks(params) / heads,
            kernels.tasks(params) / heads,
            kernels.merge_tasks(params),
            0,
            heads};
  const std::size_t scratch = kernels.scratch_bytes(params);
  const double multiply_adds = static_cast<double>(problem.batch) * static_cast<double>(problem.query_heads) *
                               static_cast<double>(problem.query_length) *
                               static_cast<double>(problem.kv_length) *
                               static_cast<double>(problem.head_dim + problem.value_dim);
  if (multiply_adds < kWorthThreads || (queue.threads() == 1 && !queue.state().may_stop()))
    return detail::run_on_cpu(queue, 1, scratch, 1, run_all, &call);
  const std::int64_t at_once = heads_at_once(problem);
  for (; call.first_head < heads; call.first_head += at_once) {
    call.heads = std::min(at_once, heads - call.first_head);
    detail::run_on_cpu(queue, call.heads * call.prepare_tasks, scratch, 1, prepare_task, &call);
    detail::run_on_cpu(queue, call.heads * call.tasks, scratch, 1, run_task, &call);
  }
  detail::run_on_cpu(queue, call.merge_tasks, 0, 1, merge_query, &call);
}

}  // namespace

const AttentionWay kAttentionFlashCpu = {
    .name = "flash.cpu",
    .about = "fused: transposed panels scheduled for this CPU, lazy online softmax, split keys for few queries",
    .notes_rows = true,
    .declines = declines,
    .workspace_bytes = workspace_bytes,
    .kernel = describe,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
