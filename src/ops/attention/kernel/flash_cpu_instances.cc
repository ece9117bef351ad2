// The kernels of flash.cpu, compiled once for each instruction set.
#include "src/ops/attention/kernel/flash_cpu.h"
#include "src/ops/attention/kernel/flash_cpu_decode.h"
#include "src/ops/attention/kernel/flash_cpu_table.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
extern const FlashCpuKernels kFlashCpuF32, kFlashCpuF16, kFlashCpuBf16;
namespace flash_cpu {

/// A few queries take the way of Decode, more that of Prefill.
template <class T>
struct Kernels {
  static const char* name(const AttentionParams& p) { return Decode<T>::suits(p) ? "decode" : "prefill"; }
  static KeySplits splits(const AttentionParams& p) {
    return Decode<T>::suits(p) ? Decode<T>::splits(p) : Prefill<T>::splits(p);
  }
  static std::size_t workspace_bytes(const AttentionParams& p) {
    return Partials(p, nullptr, splits(p).count).bytes();
  }
  static std::size_t scratch_bytes(const AttentionParams& p) {
    return Decode<T>::suits(p) ? Decode<T>::scratch_bytes(p) : Prefill<T>::scratch_bytes(p);
  }
  static std::int64_t tasks(const AttentionParams& p) {
    return Decode<T>::suits(p) ? Decode<T>::tasks(p) : Prefill<T>::tasks(p);
  }
  static void run(const AttentionParams& p, void* workspace, std::int64_t task, void* scratch) {
    if (Decode<T>::suits(p))
      Decode<T>::run(p, workspace, task, scratch);
    else
      Prefill<T>::run(p, workspace, task, scratch);
  }
  static void merge(const AttentionParams& p, void* workspace, std::int64_t query) {
    const int parts = splits(p).count;
    merge_row<T>(p, Partials(p, workspace, parts), parts, query / p.query_length / p.query_heads,
                 query / p.query_length % p.query_heads, query % p.query_length);
  }
  static constexpr FlashCpuKernels table() {
    return {&name, &workspace_bytes, &scratch_bytes, &tasks, &run, &merge};
  }
};

}  // namespace flash_cpu

const FlashCpuKernels kFlashCpuF32 = flash_cpu::Kernels<float>::table();
const FlashCpuKernels kFlashCpuF16 = flash_cpu::Kernels<half>::table();
const FlashCpuKernels kFlashCpuBf16 = flash_cpu::Kernels<bfloat>::table();

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
