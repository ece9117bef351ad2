// The stopwatch and the copy rate of NVIDIA GPUs. Compiled where CUDA is; called by stopwatch.cc and peaks.cc.
#include <algorithm>
#include <memory>

#include "bench/stopwatch.h"
#include "flashtile/detail/cuda_calls.h"
#include "flashtile/tensor.h"

namespace flashtile::bench {
namespace {

using flashtile::detail::check_cuda;
using flashtile::detail::CudaDeviceGuard;

cudaStream_t stream_of(const Queue& queue) { return static_cast<cudaStream_t>(queue.native_stream()); }

/// Two events around the work on a stream.
class Events {
 public:
  explicit Events(const Queue& queue) : queue_(queue), guard_(queue.device().index) {
    check_cuda(cudaEventCreate(&start_), "cudaEventCreate");
    check_cuda(cudaEventCreate(&end_), "cudaEventCreate");
    check_cuda(cudaEventRecord(start_, stream_of(queue_)), "cudaEventRecord");
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
  }
  double seconds() const {
    float milliseconds = 0;
    check_cuda(cudaEventRecord(end_, stream_of(queue_)), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end_), "cudaEventSynchronize");
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, end_), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  const Queue& queue_;
  CudaDeviceGuard guard_;
  cudaEvent_t start_ = nullptr, end_ = nullptr;
};

}  // namespace

Stopwatch gpu_stopwatch_of(const Queue& queue, Cache cache) {
  constexpr std::int64_t kFlush = std::int64_t{1} << 28;  // several times the largest L2
  const Tensor other = cache == Cache::cold ? Tensor(DType::u8, {kFlush}, queue.device()) : Tensor();
  return [queue, other](const std::function<void()>& work) {
    if (other.data() != nullptr) {
      const CudaDeviceGuard guard(queue.device().index);
      check_cuda(cudaMemsetAsync(other.data(), 1, other.size_bytes(), stream_of(queue)), "cudaMemsetAsync");
    }
    const Events events(queue);
    work();
    return events.seconds();
  };
}

double gpu_copy_bytes(const Queue& queue) {
  constexpr std::int64_t kBytes = std::int64_t{1} << 31;
  const Tensor from(DType::u8, {kBytes}, queue.device()), to(DType::u8, {kBytes}, queue.device());
  const CudaDeviceGuard guard(queue.device().index);
  const Stopwatch stopwatch = stopwatch_of(queue);
  double best = 0;
  for (int sample = 0; sample < 10; ++sample) {
    const double seconds = stopwatch([&] {
      check_cuda(cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, stream_of(queue)),
                 "cudaMemcpyAsync");
    });
    best = std::max(best, 2.0 * static_cast<double>(kBytes) / seconds);
  }
  return best;
}

}  // namespace flashtile::bench
