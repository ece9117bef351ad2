// The instruction sets of this processor for which kernels are compiled. Called by the CPU backend and by
// every op that picks a CPU kernel.
#pragma once

#include <string>
#include <string_view>

#include "flashtile/detail/cpu_backends.h"
#include "flashtile/device.h"
#include "flashtile/dtype.h"

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

/// The best for products of two operands of `dtype`. Intel's processors take two cycles for a product of AVX512-BF16 and half
/// of one for a multiply-add of floats, so that bfloats are multiplied as floats there, unless FLASHTILE_MAX_ISA names
/// avx512_bf16: on a Xeon without AMX, one thread, 512 x 512, flash.cpu 6.6 against 3.8 ms (D = 64), panels 3.3 against 1.8.
Isa best_isa(DType dtype);

/// The best instruction set that the shared kernels are compiled for and may use; of those that multiply `dtype`, if given.
Isa kernel_isa();
Isa kernel_isa(DType dtype);

/// What a device's shared kernels for `dtype` are compiled for, for people: "avx512" (kernel_isa()); elsewhere the device.
std::string kernel_target(Device device, DType dtype);

}  // namespace flashtile::inline v0_2::backend
