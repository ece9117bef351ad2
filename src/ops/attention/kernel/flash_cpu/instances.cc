// The kernels of flash.cpu, compiled once for each instruction set.
#include "src/ops/attention/kernel/flash_cpu/decode.h"
#include "src/ops/attention/kernel/flash_cpu/prefill.h"
#include "src/ops/attention/kernel/flash_cpu/table.h"
#include "src/ops/attention/kernel/flash_cpu/tiles.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
extern const FlashCpuKernels kFlashCpuF32, kFlashCpuF16, kFlashCpuBf16;
namespace flash_cpu {

template <class S>
struct Schedule {
  using type = S;
};

/// Chooses the schedule: Decode for a handful of queries, else TilePrefill where AMX tiles
/// suit the problem, else Prefill.
template <class T>
struct Kernels {
  /// Returns f(Schedule<the one that this problem takes>).
  template <class F>
  static auto with_schedule(const AttentionParams& p, F f) {
    if (Decode<T>::suits(p)) return f(Schedule<Decode<T>>());
#if defined(FT_AMX)
    if (TilePrefill<T>::suits(p)) return f(Schedule<TilePrefill<T>>());
#endif
    return f(Schedule<Prefill<T>>());
  }

  static const char* name(const AttentionParams& p) { return Decode<T>::suits(p) ? "decode" : "prefill"; }
  static KeySplits splits(const AttentionParams& p) {
    return with_schedule(p, [&](auto s) { return decltype(s)::type::splits(p); });
  }
  static std::size_t workspace_bytes(const AttentionParams& p, [[maybe_unused]] std::int64_t heads_at_once) {
    return with_schedule(p, [&](auto s) -> std::size_t {
      using Chosen = typename decltype(s)::type;
      if constexpr (requires { Chosen::prepare_tasks(p); })
        return Chosen::workspace_bytes(p, heads_at_once);
      else
        return Partials(p, nullptr, Chosen::splits(p).count).bytes();
    });
  }
  static std::size_t scratch_bytes(const AttentionParams& p) {
    return with_schedule(p, [&](auto s) { return decltype(s)::type::scratch_bytes(p); });
  }
  static std::int64_t prepare_tasks(const AttentionParams& p) {
    return with_schedule(p, [&](auto s) -> std::int64_t {
      using Chosen = typename decltype(s)::type;
      if constexpr (requires { Chosen::prepare_tasks(p); })
        return Chosen::prepare_tasks(p);
      else
        return 0;
    });
  }
  static std::int64_t tasks(const AttentionParams& p) {
    return with_schedule(p, [&](auto s) { return decltype(s)::type::tasks(p); });
  }
  static std::int64_t merge_tasks(const AttentionParams& p) {
    return splits(p).count == 1 ? 0 : std::int64_t{p.batch} * p.query_heads * p.longest_query;
  }
  static void prepare([[maybe_unused]] const AttentionParams& p, [[maybe_unused]] void* workspace,
                      [[maybe_unused]] std::int64_t first_head, [[maybe_unused]] std::int64_t task,
                      [[maybe_unused]] void* scratch) {
#if defined(FT_AMX)
    TilePrefill<T>::prepare(p, workspace, first_head, task, scratch);
#endif
  }
  static void run(const AttentionParams& p, void* workspace, std::int64_t first_head, std::int64_t task,
                  void* scratch) {
    with_schedule(p, [&](auto s) {
      using Chosen = typename decltype(s)::type;
      if constexpr (requires { Chosen::prepare_tasks(p); })
        Chosen::run(p, workspace, first_head, task, scratch);
      else
        Chosen::run(p, workspace, task, scratch);
    });
  }
  static void merge(const AttentionParams& p, void* workspace, std::int64_t query) {
    const int parts = splits(p).count;
    const std::int64_t length = p.longest_query;
    merge_row<T>(p, Partials(p, workspace, parts), parts, query / length / p.query_heads,
                 query / length % p.query_heads, query % length);
  }
  static constexpr FlashCpuKernels table() {
    return {&name,        &workspace_bytes, &scratch_bytes, &prepare_tasks, &tasks,
            &merge_tasks, &prepare,         &run,           &merge};
  }
};

}  // namespace flash_cpu

const FlashCpuKernels kFlashCpuF32 = flash_cpu::Kernels<float>::table();
const FlashCpuKernels kFlashCpuF16 = flash_cpu::Kernels<half>::table();
const FlashCpuKernels kFlashCpuBf16 = flash_cpu::Kernels<bfloat>::table();

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
