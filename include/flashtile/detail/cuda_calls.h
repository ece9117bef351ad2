// Calls of the CUDA runtime: errors with the call's name, and the current device. Included by launch() in
// nvcc's translation units and by the CUDA backend.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::detail {

/// Throws for a CUDA call that failed: out_of_memory or device_failure, with the call's
/// name and CUDA's own text.
inline void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error: the next launch must not report it again
  throw Error(status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device_failure,
              std::string(call) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

/// Makes a device current, and restores the one before at the end of its scope.
class CudaDeviceGuard {
 public:
  explicit CudaDeviceGuard(int device) {
    check_cuda(cudaGetDevice(&before_), "cudaGetDevice");
    if (device != before_)
      check_cuda(cudaSetDevice(device), "cudaSetDevice");
    else
      before_ = -1;
  }
  CudaDeviceGuard(const CudaDeviceGuard&) = delete;
  CudaDeviceGuard& operator=(const CudaDeviceGuard&) = delete;
  ~CudaDeviceGuard() {
    if (before_ >= 0) cudaSetDevice(before_);
  }

 private:
  int before_ = -1;
};

}  // namespace flashtile::inline v0_2::detail
