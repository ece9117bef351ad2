// The types of floats that the ops beside attention and gemm take, and who may run them. Called by their roads.
#pragma once

#include <string>

#include "flashtile/dtype.h"
#include "flashtile/error.h"
#include "src/core/arguments.h"
#include "src/ops/common/kernel/float_type.h"

namespace flashtile::inline v0_2::ops {

/// The number by which kernels know an argument's type. Errors: invalid_argument for one that is none of them.
inline kernels::FloatType float_type_of(const core::Argument& argument) {
  core::check_floats(argument);
  switch (argument.view.dtype) {
    case DType::f16: return kernels::FloatType::f16;
    case DType::bf16: return kernels::FloatType::bf16;
    default: return kernels::FloatType::f32;
  }
}

/// Errors: unsupported for a device that no kernel of FLASHTILE_KERNEL is compiled for.
inline void check_has_kernel(const core::Argument& argument) {
  const Device device = argument.view.device;
  if (device.type == DeviceType::cpu || device.type == DeviceType::cuda) return;
  throw Error(ErrorCode::unsupported, std::string(argument.op) + ": " + argument.name + " is on " +
                                          name(device) + "; it runs on CPUs and NVIDIA GPUs");
}

/// Sizes of 0 ... 2^30, as all ops take them. Errors: unsupported.
inline void check_sizes(const core::Argument& argument) {
  for (const std::int64_t size : argument.view.shape) {
    if (size > std::int64_t{1} << 30) {
      throw Error(ErrorCode::unsupported, std::string(argument.op) + ": " + argument.name + " has shape " +
                                              to_string(argument.view.shape) +
                                              "; this version takes sizes of 0 ... 2^30");
    }
  }
}

}  // namespace flashtile::inline v0_2::ops
