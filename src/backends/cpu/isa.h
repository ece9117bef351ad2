// The instruction sets of this processor for which kernels are compiled. Called by the CPU backend and by
// every op that picks a CPU kernel.
#pragma once

#include <string>
#include <string_view>

#include "flashtile/device.h"

namespace flashtile::backend {

/// In ascending order on one architecture: each one has everything that those before it have.
enum class Isa : int {
  scalar,
  neon,
  avx2,         ///< AVX2, FMA and F16C
  avx512,       ///< AVX-512 F, BW, DQ, VL
  avx512_bf16,  ///< and AVX512-BF16 and VNNI
  amx,          ///< and AMX tiles with bf16 and int8, where the operating system lets this process use them
};

/// "scalar", "avx2", ...: also what FLASHTILE_MAX_ISA accepts.
std::string_view name(Isa isa) noexcept;

/// Calls X(backend, isa, arguments...) for each backend that primitives.h names on this architecture, in
/// ascending order: the library compiles kernels once for each of them.
#if defined(__x86_64__)
#define FLASHTILE_CPU_BACKENDS(X, ...)             \
  X(cpu_scalar, scalar __VA_OPT__(, ) __VA_ARGS__) \
  X(cpu_avx2, avx2 __VA_OPT__(, ) __VA_ARGS__)     \
  X(cpu_avx512, avx512 __VA_OPT__(, ) __VA_ARGS__) \
  X(cpu_avx512_bf16, avx512_bf16 __VA_OPT__(, ) __VA_ARGS__)
#elif defined(__aarch64__)
#define FLASHTILE_CPU_BACKENDS(X, ...) X(cpu_neon, neon __VA_OPT__(, ) __VA_ARGS__)
#else
#define FLASHTILE_CPU_BACKENDS(X, ...) X(cpu_scalar, scalar __VA_OPT__(, ) __VA_ARGS__)
#endif

/// What the processor and the operating system offer, whatever FLASHTILE_MAX_ISA says.
Isa hardware_isa() noexcept;

/// The best instruction set that kernels may use: hardware_isa(), capped by FLASHTILE_MAX_ISA, which is read
/// once. A build with FLASHTILE_EMULATE_AMX uses amx if "amx" is asked for and avx512_bf16 is there. Errors:
/// invalid_argument when the variable is set to something else than a name.
Isa best_isa();

/// The best instruction set that the shared kernels are compiled for and may use.
Isa kernel_isa();

/// What a device's shared kernels are compiled for, for people: "avx512" (kernel_isa()); elsewhere the device.
std::string kernel_target(Device device);

}  // namespace flashtile::backend
