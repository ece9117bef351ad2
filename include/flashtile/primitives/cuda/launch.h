// launch() for CUDA queues: one thread block a threadgroup, threadgroup memory in dynamic shared memory.
// Included by flashtile/launch.h when nvcc compiles.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "flashtile/detail/cuda_calls.h"
#include "flashtile/device.h"
#include "flashtile/error.h"

namespace flashtile::inline v0_2 {
namespace detail {
inline namespace FLASHTILE_BACKEND {

/// The shape of a grid, and the index of the first threadgroup of this launch. Threadgroups
/// are numbered with x fastest.
struct CudaGrid {
  std::uint32_t x, y;
  std::int64_t first;
};

/// Kernels may declare how many of their threadgroups should fit one multiprocessor; the
/// compiler then limits registers.
template <class Kernel>
constexpr int threadgroups_per_unit() {
  if constexpr (requires { Kernel::kThreadgroupsPerUnit; })
    return Kernel::kThreadgroupsPerUnit;
  else
    return 1;
}
template <class Kernel>
inline constexpr std::size_t threadgroup_bytes =
    std::is_empty_v<typename Kernel::Threadgroup> ? 0 : sizeof(typename Kernel::Threadgroup);

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kSimdgroups * 32, threadgroups_per_unit<Kernel>())
    run_on_cuda(const __grid_constant__ typename Kernel::Params params, const __grid_constant__ CudaGrid grid) {
  // Tiles need an alignment of 1024 bytes, which the start of dynamic shared memory has.
  extern __shared__ __align__(1024) unsigned char flashtile_threadgroup_memory[];
  __builtin_assume(blockDim.x == Kernel::kSimdgroups * 32);
  const std::int64_t number = grid.first + blockIdx.x;
  GridPosition at;
  if (number <= 0xffffffff) {  // 32-bit division where that is enough
    const std::uint32_t n = static_cast<std::uint32_t>(number), row = n / grid.x;
    at = {n % grid.x, row % grid.y, row / grid.y};
  } else {
    const std::int64_t row = number / grid.x;
    at = {number % grid.x, row % grid.y, row / grid.y};
  }
  Kernel::run(params, *reinterpret_cast<typename Kernel::Threadgroup*>(flashtile_threadgroup_memory), at);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace detail

inline namespace FLASHTILE_BACKEND {

/// Queues Kernel over a grid on a CUDA queue.
/// Errors: invalid_argument for a negative grid; unsupported when the kernel needs more threadgroup memory than
/// a multiprocessor has; device_failure.
template <class Kernel>
void launch(const Queue& queue, Grid grid, const typename Kernel::Params& params) {
  FLASHTILE_CHECK_KERNEL_NAMESPACE(Kernel);
  static_assert(std::is_trivially_copyable_v<typename Kernel::Params>, "launch: Params must be plain data");
  if (queue.device().type != DeviceType::cuda) {
    throw Error(ErrorCode::unsupported,
                "launch: this kernel was compiled for CUDA, the queue is on " + name(queue.device()));
  }
  const auto refuse = [&](const char* why) {
    throw Error(ErrorCode::invalid_argument, "launch: the grid is " + std::to_string(grid.x) + " x " +
                                                 std::to_string(grid.y) + " x " + std::to_string(grid.z) + why);
  };
  if (grid.x < 0 || grid.y < 0 || grid.z < 0) refuse("; no size may be negative");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  constexpr std::int64_t kMost = 0x7fffffff;
  std::int64_t groups;
  if (grid.x > kMost || grid.y > kMost || __builtin_mul_overflow(grid.x, grid.y, &groups) ||
      __builtin_mul_overflow(groups, grid.z, &groups))
    refuse("; that is more than a GPU counts");

  const detail::CudaDeviceGuard guard(queue.device().index);
  const auto kernel = &detail::run_on_cuda<Kernel>;
  constexpr std::size_t kBytes = detail::threadgroup_bytes<Kernel>;
  if constexpr (kBytes > 48 * 1024) {
    int most = 0;
    detail::check_cuda(
        cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, queue.device().index),
        "cudaDeviceGetAttribute");
    if (kBytes > static_cast<std::size_t>(most)) {
      throw Error(ErrorCode::unsupported, "launch: the kernel needs " + std::to_string(kBytes) +
                                              " bytes of threadgroup memory, the device has " +
                                              std::to_string(most));
    }
    detail::check_cuda(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kBytes)),
        "cudaFuncSetAttribute");
  }
  for (std::int64_t first = 0; first < groups; first += kMost) {
    const std::int64_t count = groups - first < kMost ? groups - first : kMost;
    const detail::CudaGrid shape{static_cast<std::uint32_t>(grid.x), static_cast<std::uint32_t>(grid.y), first};
    kernel<<<static_cast<unsigned>(count), Kernel::kSimdgroups * 32, kBytes,
             static_cast<cudaStream_t>(queue.native_stream())>>>(params, shape);
    detail::check_cuda(cudaGetLastError(), "launch");
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2
