// Launches generated Metal kernels in the emulator, for device metal-emulated. Called by the tables of kernels here.
#pragma once

#include <cstddef>
#include <span>

#include "flashtile/detail/grid.h"
#include "flashtile/device.h"

namespace flashtile::metal_emulated {

/// A generated file of kernels, as Apple's compiler would get it.
struct Family {
  const char* name;
  const char* text;
  int metal_version;  ///< as __METAL_VERSION__ says it
};

/// Runs a kernel of `family` over a grid of threadgroups of `simdgroups`; returns when it is done. `params` is its buffer 0; its pointers
/// point to memory of the queue's device. A kernel is compiled at its first launch in a process.
/// Errors: device_failure with the emulator's text when the kernel breaks a rule of Metal.
void launch(const Queue& queue, const Family& family, const char* kernel, Grid grid,
            std::span<const std::byte> params, int simdgroups = 1);

}  // namespace flashtile::metal_emulated
