// The kernels of flash.cpu, compiled once for each instruction set.
#include <span>

#include "src/ops/attention/kernel/flash_cpu/decode.h"
#include "src/ops/attention/kernel/flash_cpu/prefill.h"
#include "src/ops/attention/kernel/flash_cpu/tiles.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Decode for a handful of queries, else tiles where the processor has them and they suit the problem, else
/// panels, which coded rows take too.
template <class T>
CpuSchedule schedule(const AttentionParams& p, [[maybe_unused]] int threads) {
  if (Decode<T>::suits(p)) return Decode<T>::schedule(p);
#if defined(FT_AMX)
  if (TilePrefill<T>::suits(p) && !p.coded_k.given()) return TilePrefill<T>::schedule(p, threads);
#endif
  return Prefill<T>::schedule(p);
}

}  // namespace flash_cpu

std::span<const FlashCpuKernels> flash_cpu_kernels() {
  static constexpr FlashCpuKernels kKernels[] = {{DType::f32, &flash_cpu::schedule<float>},
                                                 {DType::f16, &flash_cpu::schedule<half>},
                                                 {DType::bf16, &flash_cpu::schedule<bfloat>}};
  return kKernels;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
