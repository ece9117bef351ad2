#include "bench/stopwatch.h"

#include <chrono>
#include <cstring>
#include <memory>

#include "flashtile/tensor.h"

namespace flashtile::bench {

#if FLASHTILE_HAS_CUDA
Stopwatch gpu_stopwatch_of(const Queue& queue, Cache cache);  // stopwatch_cuda.cc
#endif

Stopwatch stopwatch_of(const Queue& queue, Cache cache) {
#if FLASHTILE_HAS_CUDA
  if (queue.device().type == DeviceType::cuda) return gpu_stopwatch_of(queue, cache);
#endif
  constexpr std::int64_t kFlush = std::int64_t{1} << 28;
  const Tensor other = cache == Cache::cold ? Tensor(DType::u8, {kFlush}) : Tensor();
  return [queue, other](const std::function<void()>& work) {
    if (other.data() != nullptr) std::memset(other.data(), 1, other.size_bytes());
    const auto start = std::chrono::steady_clock::now();
    work();
    queue.synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
}

#if !FLASHTILE_HAS_CUDA
double gpu_copy_bytes(const Queue&) { return 0; }  // there is no GPU to ask for
#endif

}  // namespace flashtile::bench
