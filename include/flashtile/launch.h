// Runs a kernel over a grid of threadgroups on any device.
//
// A kernel is a struct:
//
//   struct MyKernel {
//     struct Params { ... };                          // plain data, copied to the device
//     struct Threadgroup { ... };                     // threadgroup memory, not initialised; may be empty
//     static constexpr int kSimdgroups = 1;           // simdgroups in a threadgroup
//     static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
//                                 GridPosition at);
//   };
//
// A translation unit built by a C++ compiler launches on CPU queues; one built by nvcc on CUDA queues.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/detail/run_on_cpu.h"
#include "flashtile/device.h"
#include "flashtile/primitives.h"

namespace flashtile {

/// How many threadgroups run along each axis.
struct Grid {
  std::int64_t x = 1, y = 1, z = 1;
};

/// Which threadgroup of the grid this is.
struct GridPosition {
  std::int64_t x, y, z;
};

#if defined(__CUDACC__)
// launch() for CUDA queues is in primitives/cuda/launch.h, included below.
#else
/// Runs Kernel over a grid; returns when it is done on a CPU, and when it is queued on a GPU.
/// Errors: invalid_argument for a negative grid; unsupported if this translation unit
/// has no code for the queue's kind of device.
template <class Kernel>
void launch(const Queue& queue, Grid grid, const typename Kernel::Params& params);
#endif

}  // namespace flashtile

#if defined(__CUDACC__)
#include "flashtile/primitives/cuda/launch.h"
#else
#include "flashtile/primitives/cpu/launch.h"
#endif
