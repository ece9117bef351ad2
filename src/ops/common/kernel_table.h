// The tables of an op's compiled kernels: one for each backend, defined by the translation unit that is
// compiled for it. Included by each op's kernels.cc.
#pragma once

#include <span>

#include "flashtile/device.h"
#include "src/backends/cpu/isa.h"

namespace flashtile::inline v0_2::kernels {

/// The kernels of one op on one backend.
template <class Kernel>
struct KernelTable {
  DeviceType device;
  backend::Isa isa;  ///< on a CPU
  std::span<const Kernel> (*kernels)();
};

/// The table of metal-emulated, which is no part of this library: the target that holds it sets it before main.
template <class Kernel>
std::span<const Kernel>& metal_emulated_kernels() {
  static std::span<const Kernel> kernels;
  return kernels;
}

/// The table that a device uses for products of `dtype`; empty when none was compiled for it.
template <class Kernel, int Count>
std::span<const Kernel> compiled_for(Device device, DType dtype, const KernelTable<Kernel> (&tables)[Count]) {
  if (device.type == DeviceType::metal_emulated) return metal_emulated_kernels<Kernel>();
  for (const KernelTable<Kernel>& table : tables) {
    if (table.device != device.type) continue;
    if (device.type != DeviceType::cpu || table.isa == backend::kernel_isa(dtype)) return table.kernels();
  }
  return {};
}

#define FLASHTILE_DECLARE_TABLE(backend, isa, Kernel, function) \
  namespace backend {                                           \
  std::span<const Kernel> function();                           \
  }
#define FLASHTILE_CPU_TABLE(name, isa, function) {DeviceType::cpu, backend::Isa::isa, name::function},
#if FLASHTILE_HAS_CUDA
#define FLASHTILE_DECLARE_GPU_TABLES(Kernel, function) FLASHTILE_DECLARE_TABLE(cuda, , Kernel, function)
#define FLASHTILE_GPU_TABLES(function) {DeviceType::cuda, {}, cuda::function},
#else
#define FLASHTILE_DECLARE_GPU_TABLES(Kernel, function)
#define FLASHTILE_GPU_TABLES(function)
#endif

#if FLASHTILE_HAS_METAL
#define FLASHTILE_DECLARE_METAL_TABLES(Kernel, function) \
  FLASHTILE_DECLARE_TABLE(metal_tiles, , Kernel, function)
#define FLASHTILE_METAL_TABLES(function) {DeviceType::metal, {}, metal_tiles::function},
#else
#define FLASHTILE_DECLARE_METAL_TABLES(Kernel, function)
#define FLASHTILE_METAL_TABLES(function)
#endif

/// The instruction sets that kernels scheduled for CPUs are compiled for: those of FLASHTILE_CPU_BACKENDS and
/// AMX.
#if defined(__x86_64__)
#define FLASHTILE_SCHEDULED_BACKENDS(X, ...) FLASHTILE_CPU_BACKENDS(X, __VA_ARGS__) X(cpu_amx, amx, __VA_ARGS__)
#else
#define FLASHTILE_SCHEDULED_BACKENDS FLASHTILE_CPU_BACKENDS
#endif

/// In namespace flashtile::kernels: declares `std::span<const Kernel> function()` in the namespace of each
/// backend of this build, and defines `tables`, which lists them.
// NOLINTBEGIN(bugprone-macro-parentheses): a name that is defined takes none
#define FLASHTILE_KERNEL_TABLES(tables, Kernel, function)           \
  FLASHTILE_CPU_BACKENDS(FLASHTILE_DECLARE_TABLE, Kernel, function) \
  FLASHTILE_DECLARE_GPU_TABLES(Kernel, function)                    \
  FLASHTILE_DECLARE_METAL_TABLES(Kernel, function)                  \
  constexpr KernelTable<Kernel> tables[] = {FLASHTILE_CPU_BACKENDS( \
      FLASHTILE_CPU_TABLE, function) FLASHTILE_GPU_TABLES(function) FLASHTILE_METAL_TABLES(function)};

/// The same for kernels scheduled for CPUs.
#define FLASHTILE_SCHEDULED_TABLES(tables, Kernel, function)              \
  FLASHTILE_SCHEDULED_BACKENDS(FLASHTILE_DECLARE_TABLE, Kernel, function) \
  constexpr KernelTable<Kernel> tables[] = {FLASHTILE_SCHEDULED_BACKENDS(FLASHTILE_CPU_TABLE, function)};
// NOLINTEND(bugprone-macro-parentheses)

/// The rows of a table that were compiled for an instruction set; none where none were.
template <class Kernel, int Count>
std::span<const Kernel> compiled_for(backend::Isa isa, const KernelTable<Kernel> (&tables)[Count]) {
  for (const KernelTable<Kernel>& table : tables) {
    if (table.isa == isa) return table.kernels();
  }
  return {};
}

}  // namespace flashtile::inline v0_2::kernels
