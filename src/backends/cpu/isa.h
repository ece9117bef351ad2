// The instruction sets of this processor for which kernels are compiled. Called by the CPU backend and by
// every op that picks a CPU kernel.
#pragma once

#include <string>
#include <string_view>

#include "flashtile/detail/cpu_backends.h"
#include "flashtile/device.h"

namespace flashtile::inline v0_2::backend {

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

}  // namespace flashtile::inline v0_2::backend
