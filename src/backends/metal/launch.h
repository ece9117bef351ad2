// Launches generated Metal kernels: on an Apple GPU, by launch.cc beside this, or on metal-emulated, by src/metal_emulated. Called
// by the tables of kernels in src/metal_kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "flashtile/detail/grid.h"
#include "flashtile/device.h"
#include "flashtile/error.h"

namespace flashtile::inline v0_2::metal {

/// A generated file of kernels, as Apple's compiler would get it.
struct Family {
  const char* name;
  const char* text;
  int metal_version;  ///< as __METAL_VERSION__ says it
};

/// A size of a grid, as Metal counts it. Errors: unsupported.
inline std::uint32_t threadgroups(std::int64_t size) {
  if (size > std::numeric_limits<std::uint32_t>::max())
    throw Error(ErrorCode::unsupported, "launch: " + std::to_string(size) +
                                            " threadgroups along one axis; Metal counts up to 4294967295");
  return static_cast<std::uint32_t>(size);
}

/// Runs a kernel of `family` over a grid of threadgroups of `simdgroups`; returns when it is queued. `params` is its buffer 0; its
/// pointers point to memory of the queue's device. A kernel is compiled at its first launch in a process.
/// Errors: device_failure with Metal's text, or with the emulator's when the kernel breaks a rule of Metal.
void launch(const Queue& queue, const Family& family, const char* kernel, Grid grid,
            std::span<const std::byte> params, int simdgroups = 1);

/// Does the GPU spread 8x8 matrices over its lanes in the order that `simdgroup` relies on? Launches a kernel and waits for it.
/// Defined with the kernels, in src/metal_kernels.
bool matrix_map_is_known(const Queue& queue);
/// The same where element (r, c) is numbers[8 r + c] instead of 8 r + c; for tests.
bool matrix_map_holds(const Queue& queue, const float (&numbers)[64]);

}  // namespace flashtile::inline v0_2::metal
