// Memory of a job: inputs on their device, random numbers, and results that are not written yet.
#pragma once

#include <cstdint>

#include "flashtile/tensor.h"

namespace flashtile::cli {

/// A tensor in host memory and on the device that computes; on the CPU both are the same memory.
struct Input {
  Tensor host, device;
  TensorView view;  ///< of the device's; it may leave out padding

  TensorView host_view() const {
    TensorView same = view;
    same.data = host.data();
    same.device = Device::cpu();
    return same;
  }
};

Input on_device(const Tensor& host, Device device);

/// The tensor itself where it is in host memory, else a copy there.
Tensor on_host(const Tensor& tensor);

/// An input that has a type and a shape but no memory: enough to plan with.
Input without_memory(DType dtype, const Dims& shape, Device device);

/// Memory for a result, every bit set: NaN in every floating-point type, so that an element that is never
/// written cannot pass for a right one.
Tensor not_written(DType dtype, const Dims& shape, Device device);

/// Normal(0, 1) for floating-point types; every value is as likely as another for integers. The values depend
/// on the shape, the seed and the stream only.
Tensor random_tensor(DType dtype, const Dims& shape, std::uint64_t seed, std::uint64_t stream);

/// Each element times its scale as dense f32: what keys or values stand for. Scales are one, one a head, which is dimension
/// `heads`, or of the dimensions of `codes`, each 1 or as long, and the last one the number of scales of a row.
Tensor times_scales(const TensorView& codes, const TensorView& scales, int heads);

/// A mask tensor that excludes one eighth of the places: boolean for u8, else a bias, -inf there and normal(0, 1)
/// elsewhere.
Tensor random_mask(DType dtype, const Dims& shape, std::uint64_t seed, std::uint64_t stream);

}  // namespace flashtile::cli
