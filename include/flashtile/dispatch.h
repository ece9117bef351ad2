// Calls a function of one's own kernels by the copy that fits the queue: the one compiled for the best instruction set
// of this CPU, or the one compiled by nvcc. The copies are made by flashtile_add_kernels (CMake).
//
// A header that both sides include says
//
//   namespace mine {
//   FLASHTILE_KERNEL(gelu, void(const flashtile::Queue& queue, const GeluParams& params));
//   }
//
// and the kernel file defines mine::gelu inside `inline namespace FLASHTILE_BACKEND`. Elsewhere mine::gelu(queue, params)
// is a call. Parameters are ordinary types, none of flashtile::primitives, and the first is the queue.
#pragma once

#include <type_traits>
#include <utility>

#include "flashtile/detail/config.h"
#include "flashtile/detail/cpu_backends.h"
#include "flashtile/device.h"

namespace flashtile::inline v0_2::detail {
FLASHTILE_EXPORTS_BEGIN

/// The copy for a queue: its place among FLASHTILE_CPU_BACKENDS, or -1 for CUDA's. Errors: unsupported for a queue on a
/// GPU if there is no such copy.
int kernel_copy(const Queue& queue, bool has_cuda);

FLASHTILE_EXPORTS_END

#define FLASHTILE_NUMBER(backend, isa) backend##_copy,
enum CpuCopy : int { FLASHTILE_CPU_BACKENDS(FLASHTILE_NUMBER) kCpuCopies };
#undef FLASHTILE_NUMBER

template <class T>
struct KernelCopies {
  static_assert(sizeof(T*) == 0, "FLASHTILE_KERNEL: the first parameter is const flashtile::Queue&");
};

/// What FLASHTILE_KERNEL defines: one function, compiled several times.
template <class R, class... A>
struct KernelCopies<R(const Queue&, A...)> {
  using Function = R(const Queue&, A...);
  Function* cpu[kCpuCopies];
  Function* cuda;  ///< null where nothing was compiled by nvcc

  R operator()(const Queue& queue, A... arguments) const {
    const int copy = kernel_copy(queue, cuda != nullptr);
    return (copy < 0 ? cuda : cpu[copy])(queue, std::forward<A>(arguments)...);
  }
};

}  // namespace flashtile::inline v0_2::detail

#define FLASHTILE_DECLARE_COPY(backend, isa, name, ...) \
  namespace backend {                                   \
  ::std::type_identity_t<__VA_ARGS__> name;             \
  }
#define FLASHTILE_NAME_COPY(backend, isa, name) backend::name,
#if defined(FLASHTILE_CUDA_KERNELS)
#define FLASHTILE_DECLARE_CUDA_COPY(name, ...) FLASHTILE_DECLARE_COPY(cuda, , name, __VA_ARGS__)
#define FLASHTILE_CUDA_COPY(name) cuda::name
#else
#define FLASHTILE_DECLARE_CUDA_COPY(name, ...)
#define FLASHTILE_CUDA_COPY(name) nullptr
#endif

/// In a namespace: declares the function `name` of the type that follows.
#if defined(FLASHTILE_KERNEL_FILE)
#define FLASHTILE_KERNEL(name, ...)         \
  inline namespace FLASHTILE_BACKEND {      \
  ::std::type_identity_t<__VA_ARGS__> name; \
  }                                         \
  static_assert(true)
#else
#define FLASHTILE_KERNEL(name, ...)                                                \
  FLASHTILE_CPU_BACKENDS(FLASHTILE_DECLARE_COPY, name, __VA_ARGS__)                \
  FLASHTILE_DECLARE_CUDA_COPY(name, __VA_ARGS__)                                   \
  inline constexpr ::flashtile::detail::KernelCopies<__VA_ARGS__> name {           \
    {FLASHTILE_CPU_BACKENDS(FLASHTILE_NAME_COPY, name)}, FLASHTILE_CUDA_COPY(name) \
  }
#endif
