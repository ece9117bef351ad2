// NVIDIA GPUs as a backend: devices, memory, queues. Works without a driver, and then says why there is no GPU.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "flashtile/detail/cuda_calls.h"
#include "flashtile/error.h"
#include "src/backends/cuda/queue.h"

namespace flashtile::inline v0_2::backend {
namespace {

using detail::check_cuda;
using detail::CudaDeviceGuard;

/// The first GPU architecture that this build has code for.
constexpr int kOldestMajor = 8;

/// Why there is no GPU, or nothing when there are some.
std::string reason_for_none(cudaError_t status, int count) {
  if (status == cudaSuccess && count > 0) return "";
  if (status == cudaSuccess || status == cudaErrorNoDevice) return "this machine has no NVIDIA GPU";
  if (status == cudaErrorInsufficientDriver) {
    int version = 0;
    cudaDriverGetVersion(&version);
    cudaGetLastError();
    return version == 0
               ? "this machine has no NVIDIA driver"
               : "the NVIDIA driver is too old: it knows CUDA " + std::to_string(version / 1000) + "." +
                     std::to_string(version % 1000 / 10) + ", this build needs " +
                     std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);
  }
  return std::string("cudaGetDeviceCount: ") + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) +
         ")";
}

class CudaBackend final : public Backend {
 public:
  BackendInfo info() const override {
    BackendInfo result{DeviceType::cuda, {}, ""};
    try {
      int count = 0;
      const cudaError_t status = cudaGetDeviceCount(&count);
      if (status != cudaSuccess) cudaGetLastError();
      result.unavailable_reason = reason_for_none(status, count);
      for (int i = 0; result.unavailable_reason.empty() && i < count; ++i) {
        cudaDeviceProp properties;
        check_cuda(cudaGetDeviceProperties(&properties, i), "cudaGetDeviceProperties");
        result.devices.push_back({Device::cuda(i), properties.name,
                                  "sm_" + std::to_string(properties.major) + std::to_string(properties.minor),
                                  properties.totalGlobalMem, properties.multiProcessorCount});
      }
    } catch (const std::exception& e) {
      result.unavailable_reason = e.what();
    }
    return result;
  }

  /// From cudaMalloc: any stream may use it, and cudaFree waits for work that still does.
  std::shared_ptr<void> allocate(std::size_t bytes, int device_index) const override {
    const CudaDeviceGuard guard(existing(device_index));
    void* memory = nullptr;
    check_memory(cudaMalloc(&memory, bytes > 0 ? bytes : 1), bytes, "cudaMalloc");
    return {memory, [](void* owned) { cudaFree(owned); }};
  }

  /// From a pool of the library's own, in the order of the stream: nothing waits.
  std::shared_ptr<void> allocate_for(const Queue& queue, std::size_t bytes) const override {
    const int device = existing(queue.device().index);
    const CudaDeviceGuard guard(device);
    const cudaMemPool_t pool = pool_of(device);
    const auto stream = static_cast<cudaStream_t>(queue.native_stream());
    void* memory = nullptr;
    check_memory(cudaMallocFromPoolAsync(&memory, bytes > 0 ? bytes : 1, pool, stream), bytes,
                 "cudaMallocFromPoolAsync");
    return {memory, [stream](void* owned) { cudaFreeAsync(owned, stream); }};
  }

  void release_unused(int device_index) const override {
    const int device = existing(device_index);
    const CudaDeviceGuard guard(device);
    check_cuda(cudaMemPoolTrimTo(pool_of(device), 0), "cudaMemPoolTrimTo");
  }

  void copy_from_host(int device_index, void* to, const void* from, std::size_t bytes) const override {
    copy(device_index, to, from, bytes, cudaMemcpyHostToDevice);
  }
  void copy_to_host(int device_index, void* to, const void* from, std::size_t bytes) const override {
    copy(device_index, to, from, bytes, cudaMemcpyDeviceToHost);
  }

  std::string cannot_use(int device_index, const void* data) const override {
    cudaPointerAttributes found;
    if (cudaPointerGetAttributes(&found, data) != cudaSuccess) {
      cudaGetLastError();
      return {};
    }
    if (found.type == cudaMemoryTypeDevice && found.device != device_index)
      return "is on " + name(Device::cuda(found.device));
    if (found.type != cudaMemoryTypeUnregistered) return {};
    int shared = 0;  // some GPUs read all of the host's memory
    check_cuda(cudaDeviceGetAttribute(&shared, cudaDevAttrPageableMemoryAccess, device_index),
               "cudaDeviceGetAttribute");
    return shared != 0 ? "" : "is memory of the host";
  }

  std::size_t most_threadgroup_bytes(int device_index) const override {
    int bytes = 0;
    check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, existing(device_index)),
               "cudaDeviceGetAttribute");
    return static_cast<std::size_t>(bytes);
  }

  int compute_units(int device_index) const override {
    int units = 0;
    check_cuda(cudaDeviceGetAttribute(&units, cudaDevAttrMultiProcessorCount, existing(device_index)),
               "cudaDeviceGetAttribute");
    return units;
  }

  Queue default_queue(int device_index) const override { return queue_over(device_index, nullptr); }
  Queue queue_over(int device_index, void* stream) const override {
    return Queue(std::make_shared<const CudaQueue>(existing(device_index), stream));
  }

 private:
  /// Returns the index if the device exists and this build has code for it.
  int existing(int device_index) const {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) cudaGetLastError();
    const std::string reason = reason_for_none(status, count);
    if (!reason.empty()) throw Error(ErrorCode::unsupported, "device: " + reason);
    if (device_index < 0 || device_index >= count) {
      throw Error(ErrorCode::unsupported, "device: there is no cuda:" + std::to_string(device_index) +
                                              "; this machine has " + std::to_string(count));
    }
    int major = 0;
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_index),
               "cudaDeviceGetAttribute");
    if (major < kOldestMajor) {
      throw Error(ErrorCode::unsupported, "device: cuda:" + std::to_string(device_index) +
                                              " has compute capability " + std::to_string(major) + ".x; " +
                                              std::to_string(kOldestMajor) + ".0 or later is needed");
    }
    return device_index;
  }

  static void check_memory(cudaError_t status, std::size_t bytes, const char* call) {
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(ErrorCode::out_of_memory,
                  std::string(call) + ": no " + std::to_string(bytes) + " bytes of device memory");
    }
    check_cuda(status, call);
  }

  /// The library's pool on a device, which keeps what it has until release_unused. It lives as long as the process.
  static cudaMemPool_t pool_of(int device) {
    static std::mutex mutex;
    static std::map<int, cudaMemPool_t> pools;
    const std::lock_guard lock(mutex);
    if (const auto found = pools.find(device); found != pools.end()) return found->second;
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location = {cudaMemLocationTypeDevice, device};
    cudaMemPool_t pool;
    std::uint64_t all = UINT64_MAX;
    check_cuda(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate");
    check_cuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all), "cudaMemPoolSetAttribute");
    pools.emplace(device, pool);
    return pool;
  }

  /// Waits for every stream of the device before and after: none of them orders its work with a plain copy.
  void copy(int device_index, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const {
    if (bytes == 0) return;
    const CudaDeviceGuard guard(existing(device_index));
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize, for work queued earlier");
    check_cuda(cudaMemcpy(to, from, bytes, kind), "cudaMemcpy");
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
};

}  // namespace

void CudaQueue::synchronize() const {
  const CudaDeviceGuard guard(device_);
  check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize, for work queued earlier");
}

const Backend& cuda() {
  static const CudaBackend backend;
  return backend;
}

}  // namespace flashtile::inline v0_2::backend
