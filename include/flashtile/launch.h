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
//
// A kernel lives in an inline namespace that is named after its backend, so that copies of it compiled for different
// instruction sets never meet:
//
//   namespace mine {
//   inline namespace FLASHTILE_BACKEND {
//   FLASHTILE_USE_PRIMITIVES
//   struct MyKernel { ... };
//   }
//   }
//
// docs/kernels.md says how to write kernels, how to compile them for every instruction set, and how one is picked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/detail/grid.h"
#include "flashtile/detail/run_on_cpu.h"
#include "flashtile/device.h"
#include "flashtile/primitives.h"

namespace flashtile::inline v0_2 {

inline namespace FLASHTILE_BACKEND {

/// The kind of device that launch() of this translation unit is for.
#if defined(__CUDACC__)
inline constexpr DeviceType kLaunchDevice = DeviceType::cuda;
#else
inline constexpr DeviceType kLaunchDevice = DeviceType::cpu;
#endif

#if defined(__CUDACC__)
// launch() for CUDA queues is in primitives/cuda/launch.h, included below.
#else
/// Runs Kernel over a grid; returns when it is done on a CPU, and when it is queued on a GPU.
/// Errors: invalid_argument for a negative grid; unsupported if this translation unit
/// has no code for the queue's kind of device. Safe from any thread, also on one queue.
template <class Kernel>
void launch(const Queue& queue, Grid grid, const typename Kernel::Params& params);
#endif
}  // namespace FLASHTILE_BACKEND

namespace primitives {
inline namespace FLASHTILE_BACKEND {
struct kernel_namespace {};
}  // namespace FLASHTILE_BACKEND
}  // namespace primitives

}  // namespace flashtile::inline v0_2

/// Inside the inline namespace of one's kernels: the vocabulary without a prefix. The arithmetic is named word by word,
/// so that exp2, max and the others are the vocabulary's even where <cmath> and CUDA have declared their own.
#define FLASHTILE_USE_PRIMITIVES                                                                     \
  using namespace ::flashtile::primitives;                                                           \
  using ::flashtile::primitives::abs, ::flashtile::primitives::cos, ::flashtile::primitives::exp,    \
      ::flashtile::primitives::exp2, ::flashtile::primitives::fma, ::flashtile::primitives::log,     \
      ::flashtile::primitives::log2, ::flashtile::primitives::max, ::flashtile::primitives::min,     \
      ::flashtile::primitives::rsqrt, ::flashtile::primitives::select, ::flashtile::primitives::sin, \
      ::flashtile::primitives::sqrt, ::flashtile::primitives::tanh;                                  \
  using ::flashtile::half, ::flashtile::bfloat, ::flashtile::Grid, ::flashtile::GridPosition;        \
  template <class Kernel> /* launch looks for this */                                                \
  ::flashtile::primitives::kernel_namespace flashtile_kernel_namespace_of(const Kernel*);

// In a file of flashtile_add_kernels, which is compiled several times, the namespace is not optional.
#if defined(FLASHTILE_KERNEL_FILE)
#define FLASHTILE_CHECK_KERNEL_NAMESPACE(Kernel)                                                        \
  static_assert(                                                                                        \
      requires { flashtile_kernel_namespace_of(static_cast<const Kernel*>(nullptr)); },                 \
      "launch: a kernel of flashtile_add_kernels lives in `inline namespace FLASHTILE_BACKEND`, after " \
      "FLASHTILE_USE_PRIMITIVES")
#else
#define FLASHTILE_CHECK_KERNEL_NAMESPACE(Kernel) static_assert(true)
#endif

#if defined(__CUDACC__)
#include "flashtile/primitives/cuda/launch.h"
#else
#include "flashtile/primitives/cpu/launch.h"
#endif
