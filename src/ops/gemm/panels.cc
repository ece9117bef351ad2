// The way `panels`: our kernels scheduled for CPUs, on panel products.
#include <cstdint>
#include <string>

#include "flashtile/detail/run_on_cpu.h"
#include "src/backends/backend.h"
#include "src/backends/cpu/isa.h"
#include "src/ops/gemm/kernel/panels_table.h"
#include "src/ops/gemm/ways.h"

namespace flashtile::inline v0_2::kernels {

/// The instruction sets that these kernels are compiled for: X(enumerator of backend::Isa, namespace).
#if defined(__x86_64__)
#define FLASHTILE_PANELS_BACKENDS(X) \
  X(scalar, cpu_scalar)              \
  X(avx2, cpu_avx2) X(avx512, cpu_avx512) X(avx512_bf16, cpu_avx512_bf16) X(amx, cpu_amx)
#elif defined(__aarch64__)
#define FLASHTILE_PANELS_BACKENDS(X) X(neon, cpu_neon)
#else
#define FLASHTILE_PANELS_BACKENDS(X) X(scalar, cpu_scalar)
#endif

#define FLASHTILE_DECLARE(isa_name, namespace_name)                                              \
  namespace namespace_name {                                                                     \
  extern const GemmPanelsKernels kGemmPanelsF32, kGemmPanelsF16, kGemmPanelsBf16, kGemmPanelsI8, \
      kGemmPanelsU8, kGemmPanelsU8I8, kGemmPanelsI8U8;                                           \
  }
FLASHTILE_PANELS_BACKENDS(FLASHTILE_DECLARE)
#undef FLASHTILE_DECLARE

}  // namespace flashtile::inline v0_2::kernels

namespace flashtile::inline v0_2::ops {
namespace {

using kernels::GemmPanelsCall;
using kernels::GemmPanelsKernels;

constexpr int kFewestRows = 32;     ///< of C in one task
constexpr int kTasksPerThread = 4;  ///< enough for an even share
/// Below this many multiply-adds a call is over before a second thread has woken up.
constexpr double kWorthThreads = 1e6;

const GemmPanelsKernels* table_for(const GemmProblem& problem) {
  const DType a = problem.a_dtype, b = problem.b_dtype;
  const auto is = [&](DType a_dtype, DType b_dtype) { return a == a_dtype && b == b_dtype; };
  const auto compiled = [](const GemmPanelsKernels& table) { return table.run != nullptr ? &table : nullptr; };
  switch (backend::best_isa(problem.multiplied())) {
#define FLASHTILE_TABLE(isa_name, namespace_name)                                            \
  case backend::Isa::isa_name:                                                               \
    if (is(DType::f32, DType::f32)) return &kernels::namespace_name::kGemmPanelsF32;         \
    if (is(DType::f16, DType::f16)) return &kernels::namespace_name::kGemmPanelsF16;         \
    if (is(DType::bf16, DType::bf16)) return &kernels::namespace_name::kGemmPanelsBf16;      \
    if (is(DType::i8, DType::i8)) return compiled(kernels::namespace_name::kGemmPanelsI8);   \
    if (is(DType::u8, DType::u8)) return compiled(kernels::namespace_name::kGemmPanelsU8);   \
    if (is(DType::u8, DType::i8)) return compiled(kernels::namespace_name::kGemmPanelsU8I8); \
    if (is(DType::i8, DType::u8)) return compiled(kernels::namespace_name::kGemmPanelsI8U8); \
    return nullptr;
    FLASHTILE_PANELS_BACKENDS(FLASHTILE_TABLE)
#undef FLASHTILE_TABLE
    default: return nullptr;
  }
}

std::string_view declines(const GemmProblem& problem) {
  if (problem.device.type != DeviceType::cpu) return "it is for CPUs";
  if (table_for(problem) == nullptr)
    return "no kernel is compiled for these element types and this instruction set";
  return {};
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

struct Call {
  const GemmPanelsKernels& kernels;
  GemmPanelsCall product;
  std::int64_t tasks;
};

void run_task(const void* context, std::int64_t i, void* scratch) {
  const Call& call = *static_cast<const Call*>(context);
  call.kernels.run(call.product, i, scratch);
}
void run_all(const void* context, std::int64_t, void* scratch) {
  const std::int64_t tasks = static_cast<const Call*>(context)->tasks;
  for (std::int64_t i = 0; i < tasks; ++i) run_task(context, i, scratch);
}

void run(const GemmProblem& problem, const GemmBuffers&, std::span<std::byte>, const Queue& queue) {
  const GemmPanelsKernels& kernels = *table_for(problem);
  const GemmPanelsCall product = call_of(problem, kernels);
  const Call call{kernels, product, kernels.tasks(product)};
  const std::size_t scratch = kernels.scratch_bytes(product);
  const double multiply_adds =
      static_cast<double>(problem.m()) * static_cast<double>(problem.n()) * static_cast<double>(problem.k());
  const bool alone = multiply_adds < kWorthThreads || (queue.threads() == 1 && !queue.state().may_stop());
  if (alone)
    detail::run_on_cpu(queue, 1, scratch, 1, run_all, &call);
  else
    detail::run_on_cpu(queue, call.tasks, scratch, 1, run_task, &call);
}

}  // namespace

const GemmWay kGemmPanels = {
    .name = "panels",
    .about = "panels packed for this CPU's vector registers; one element type for A and B",
    .declines = declines,
    .workspace_bytes = no_workspace<GemmProblem>,
    .kernel = describe,
    .run = run,
};

}  // namespace flashtile::inline v0_2::ops
