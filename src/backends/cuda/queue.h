// A CUDA queue: a device and one of its streams, the caller's or the default one.
#pragma once

#include <cuda_runtime_api.h>

#include "src/backends/backend.h"

namespace flashtile::inline v0_2::backend {

class CudaQueue final : public Queue::State {
 public:
  CudaQueue(int device, void* stream) : device_(device), stream_(static_cast<cudaStream_t>(stream)) {}

  Device device() const noexcept override { return Device::cuda(device_); }
  void* native_stream() const noexcept override { return stream_; }
  void synchronize() const override;

 private:
  int device_;
  cudaStream_t stream_;
};

}  // namespace flashtile::inline v0_2::backend
