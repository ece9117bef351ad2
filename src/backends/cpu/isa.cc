#include "src/backends/cpu/isa.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "flashtile/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace flashtile::inline v0_2::backend {
namespace {

constexpr Isa kAll[] = {Isa::scalar, Isa::neon, Isa::avx2, Isa::avx512, Isa::avx512_bf16, Isa::amx};

#if defined(__x86_64__)

struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

/// The register state that the operating system saves: XCR0.
std::uint64_t saved_state() {
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<std::uint64_t>(high) << 32 | low;
}

constexpr bool has(std::uint32_t word, int bit) { return (word >> bit & 1u) != 0; }

/// Linux grants a process the tile registers on request, once (arch_prctl, ARCH_REQ_XCOMP_PERM of XTILEDATA).
bool tiles_permitted() {
#if defined(__linux__)
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  return false;
#endif
}

Isa detect() {
  const Registers features = cpuid(1, 0);
  const Registers extended = cpuid(7, 0);
  const Registers extended1 = cpuid(7, 1);
  constexpr int kFma = 12, kOsxsave = 27, kAvx = 28, kF16c = 29;  // leaf 1, ecx
  if (!has(features.ecx, kOsxsave)) return Isa::scalar;
  const std::uint64_t saved = saved_state();
  const bool ymm = (saved & 0x6) == 0x6;            // SSE and AVX
  const bool zmm = (saved & 0xe6) == 0xe6;          // and opmask, upper halves, upper registers
  const bool tiles = (saved & 0x60000) == 0x60000;  // tile configuration and data

  const bool avx2 = ymm && has(features.ecx, kFma) && has(features.ecx, kAvx) && has(features.ecx, kF16c) &&
                    has(features.ecx, 22) && has(cpuid(0x80000001, 0).ecx, 5) &&           // MOVBE, LZCNT
                    has(extended.ebx, 5) && has(extended.ebx, 3) && has(extended.ebx, 8);  // AVX2, BMI1, BMI2
  if (!avx2) return Isa::scalar;
  const bool avx512 = zmm && has(extended.ebx, 16) && has(extended.ebx, 17) && has(extended.ebx, 28) &&
                      has(extended.ebx, 30) && has(extended.ebx, 31);  // F, DQ, CD, BW, VL
  if (!avx512) return Isa::avx2;
  if (!has(extended1.eax, 5) || !has(extended.ecx, 11)) return Isa::avx512;  // AVX512-BF16, VNNI
  const bool amx =
      tiles && has(extended.edx, 22) && has(extended.edx, 24) && has(extended.edx, 25);  // bf16, tile, int8
  return amx && tiles_permitted() ? Isa::amx : Isa::avx512_bf16;
}

/// Are products of AVX512-BF16 slower than multiply-adds of floats?
bool bfloat_products_are_slow() {
  const Registers vendor = cpuid(0, 0);
  return vendor.ebx == signature_INTEL_ebx && vendor.ecx == signature_INTEL_ecx &&
         vendor.edx == signature_INTEL_edx;
}

#else
#if defined(__ARM_NEON)
Isa detect() { return Isa::neon; }
#else
Isa detect() { return Isa::scalar; }
#endif
bool bfloat_products_are_slow() { return false; }
#endif

/// What FLASHTILE_MAX_ISA says, or nothing.
std::string_view given_limit() {
  const char* text = std::getenv("FLASHTILE_MAX_ISA");
  return text == nullptr ? "" : text;
}

/// Is `isa`, for bfloats, to be replaced by avx512?
bool multiplies_slowly(Isa isa, DType dtype) {
  static const bool slow = given_limit().empty() && bfloat_products_are_slow();
  return slow && isa == Isa::avx512_bf16 && dtype == DType::bf16;
}

Isa capped() {
  const std::string text(given_limit());
  if (text.empty()) return hardware_isa();
  for (const Isa isa : kAll) {
#if defined(FLASHTILE_EMULATE_AMX)
    if (isa == Isa::amx && name(isa) == text && hardware_isa() == Isa::avx512_bf16) return isa;
#endif
    if (name(isa) == text) return std::min(isa, hardware_isa());
  }
  throw Error(ErrorCode::invalid_argument,
              "FLASHTILE_MAX_ISA is \"" + text + "\"; expected scalar, neon, avx2, avx512, avx512_bf16 or amx");
}

}  // namespace

std::string_view name(Isa isa) noexcept {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::neon: return "neon";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512_bf16: return "avx512_bf16";
    case Isa::amx: return "amx";
  }
  return "unknown";
}

Isa hardware_isa() noexcept {
  static const Isa isa = detect();
  return isa;
}

Isa best_isa() {
  static const Isa isa = capped();
  return isa;
}

Isa best_isa(DType dtype) {
  const Isa best = best_isa();
  return multiplies_slowly(best, dtype) ? Isa::avx512 : best;
}

Isa kernel_isa() {
  constexpr Isa kCompiled[] = {
#define FLASHTILE_NAME(backend, isa) Isa::isa,
      FLASHTILE_CPU_BACKENDS(FLASHTILE_NAME)
#undef FLASHTILE_NAME
  };
  Isa best = kCompiled[0];
  for (const Isa isa : kCompiled) {
    if (isa <= best_isa()) best = isa;
  }
  return best;
}

Isa kernel_isa(DType dtype) {
  const Isa best = kernel_isa();
  return multiplies_slowly(best, dtype) ? Isa::avx512 : best;
}

std::string kernel_target(Device device, DType dtype) {
  return device.type == DeviceType::cpu ? std::string(name(kernel_isa(dtype))) : flashtile::name(device);
}

}  // namespace flashtile::inline v0_2::backend
