#include "bench/peaks_cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <string_view>

namespace flashtile::bench {
namespace {

using Float4 = float __attribute__((vector_size(16)));

/// The baseline of any target: a multiplication and an addition, fused where the target fuses them. Twelve
/// independent sums hide the latency of two units.
void portable(std::int64_t iterations) {
  Float4 sums[12] = {};
  Float4 x = {1, 1, 1, 1}, y = {0, 0, 0, 0};
  __asm__ volatile("" : "+m"(x), "+m"(y));
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (Float4& sum : sums) sum = sum * x + y;
  }
  __asm__ volatile("" : : "m"(sums));
}

using Line = std::uint64_t __attribute__((vector_size(64)));

/// Adds lines up, and asks for those `Ahead` further on; 0 leaves it to the processor to see them coming.
template <int Ahead>
__attribute__((always_inline)) inline void add_lines(const void* data, std::int64_t lines) {
  const Line* line = static_cast<const Line*>(data);
  Line even = {}, odd = {};
  for (std::int64_t i = 0; i + 2 <= lines; i += 2) {
    if constexpr (Ahead > 0) {
      __builtin_prefetch(line + i + Ahead);
      __builtin_prefetch(line + i + Ahead + 1);
    }
    even += line[i];
    odd += line[i + 1];
  }
  __asm__ volatile("" : : "m"(even), "m"(odd));
}
template <int Ahead>
void read_portable(const void* data, std::int64_t lines) {
  add_lines<Ahead>(data, lines);
}

#if defined(__x86_64__)

template <int Ahead>
__attribute__((target("avx2"))) void read_avx2(const void* data, std::int64_t lines) {
  add_lines<Ahead>(data, lines);
}
template <int Ahead>
__attribute__((target("avx512f"))) void read_avx512(const void* data, std::int64_t lines) {
  add_lines<Ahead>(data, lines);
}

/// Does `architecture` have what `isa` has?
bool at_least(const std::string& architecture, std::string_view isa) {
  constexpr std::string_view kAscending[] = {"scalar", "avx2", "avx512", "avx512_bf16", "amx"};
  int rank = 0, wanted = 0;
  for (int i = 0; i < 5; ++i) {
    if (kAscending[i] == architecture) rank = i;
    if (kAscending[i] == isa) wanted = i;
  }
  return rank >= wanted;
}

// Assembler, so that no compiler moves the sums to memory: 12 of them where there are 16 registers, 24 where
// there are 32. They and the operands hold zeros; the rate of a CPU's units does not depend on values.
#define FLASHTILE_TIMES_12(I) I(0) I(1) I(2) I(3) I(4) I(5) I(6) I(7) I(8) I(9) I(10) I(11)
#define FLASHTILE_TIMES_24(I) \
  FLASHTILE_TIMES_12(I) I(12) I(13) I(14) I(15) I(16) I(17) I(18) I(19) I(20) I(21) I(22) I(23)
#define FLASHTILE_LOW                                                                                        \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15"
#define FLASHTILE_ALL \
  FLASHTILE_LOW, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm30", "xmm31"
#define FLASHTILE_ZERO(k) "vpxord %%zmm" #k ", %%zmm" #k ", %%zmm" #k "\n"
#define FLASHTILE_ZERO_LOW "vzeroall"
// That instruction leaves registers 16 ... 31 as they are; denormal numbers there would slow the loop a hundredfold.
#define FLASHTILE_ZERO_ALL                                                                                    \
  "vzeroall\n" FLASHTILE_ZERO(16) FLASHTILE_ZERO(17) FLASHTILE_ZERO(18) FLASHTILE_ZERO(19) FLASHTILE_ZERO(20) \
      FLASHTILE_ZERO(21) FLASHTILE_ZERO(22) FLASHTILE_ZERO(23) FLASHTILE_ZERO(30) FLASHTILE_ZERO(31)
#define FLASHTILE_LOOP(NAME, TARGET, TIMES, INSTRUCTION, ZERO, CLOBBERED)                            \
  __attribute__((target(TARGET))) void NAME(std::int64_t iterations) {                               \
    __asm__ volatile(ZERO ::: CLOBBERED);                                                            \
    for (std::int64_t i = 0; i < iterations; ++i) __asm__ volatile(TIMES(INSTRUCTION)::: CLOBBERED); \
    __asm__ volatile("vzeroupper" ::: FLASHTILE_LOW);                                                \
  }

#define FLASHTILE_FMA_YMM(k) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #k "\n"
#define FLASHTILE_MADD_YMM(k) "vpmaddwd %%ymm14, %%ymm15, %%ymm13\n vpaddd %%ymm13, %%ymm" #k ", %%ymm" #k "\n"
#define FLASHTILE_FMA_ZMM(k) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #k "\n"
#define FLASHTILE_BF16_ZMM(k) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #k "\n"
#define FLASHTILE_VNNI_ZMM(k) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #k "\n"

FLASHTILE_LOOP(avx2_fma, "avx2,fma", FLASHTILE_TIMES_12, FLASHTILE_FMA_YMM, FLASHTILE_ZERO_LOW, FLASHTILE_LOW)
FLASHTILE_LOOP(avx2_madd, "avx2", FLASHTILE_TIMES_12, FLASHTILE_MADD_YMM, FLASHTILE_ZERO_LOW, FLASHTILE_LOW)
FLASHTILE_LOOP(avx512_fma, "avx512f", FLASHTILE_TIMES_24, FLASHTILE_FMA_ZMM, FLASHTILE_ZERO_ALL, FLASHTILE_ALL)
FLASHTILE_LOOP(avx512_bf16, "avx512f,avx512bf16", FLASHTILE_TIMES_24, FLASHTILE_BF16_ZMM, FLASHTILE_ZERO_ALL,
               FLASHTILE_ALL)
FLASHTILE_LOOP(avx512_vnni, "avx512f,avx512vnni", FLASHTILE_TIMES_24, FLASHTILE_VNNI_ZMM, FLASHTILE_ZERO_ALL,
               FLASHTILE_ALL)

/// Palette 1: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// Four tiles of bfloats of sizes from 1/8 to 2 that look random. On zeros the unit needs less power, and so
/// runs up to 1.17 times as fast, than on any numbers worth multiplying (measured on Emerald Rapids).
struct alignas(64) TileNumbers {
  std::uint16_t bits[4][512];

  TileNumbers() {
    std::uint32_t state = 1;
    for (auto& tile : bits) {
      for (std::uint16_t& x : tile) {
        state = state * 1664525u + 1013904223u;
        x = static_cast<std::uint16_t>((state >> 16 & 0x81ff) | 0x3e00);
      }
    }
  }
};

// Four independent sums of 2 x 2 operand tiles. The library has asked for permission to use
// tiles when it reports "amx".
#define FLASHTILE_TILE_LOOP(NAME, TARGET, INSTRUCTION)                                                      \
  __attribute__((target(TARGET))) void NAME(std::int64_t iterations) {                                      \
    const TileConfig config;                                                                                \
    static const TileNumbers numbers;                                                                       \
    __asm__ volatile(                                                                                       \
        "ldtilecfg %0\n tilezero %%tmm0\n tilezero %%tmm1\n tilezero %%tmm2\n tilezero %%tmm3\n"            \
        "tileloadd (%1,%2,1), %%tmm4\n tileloadd 1024(%1,%2,1), %%tmm5\n"                                   \
        "tileloadd 2048(%1,%2,1), %%tmm6\n tileloadd 3072(%1,%2,1), %%tmm7\n"                               \
        :                                                                                                   \
        : "m"(config), "r"(&numbers), "r"(std::int64_t{64})                                                 \
        : "memory");                                                                                        \
    for (std::int64_t i = 0; i < iterations; ++i) {                                                         \
      __asm__ volatile(INSTRUCTION " %%tmm6, %%tmm4, %%tmm0\n" INSTRUCTION                                  \
                                   " %%tmm7, %%tmm4, %%tmm1\n" INSTRUCTION                                  \
                                   " %%tmm6, %%tmm5, %%tmm2\n" INSTRUCTION " %%tmm7, %%tmm5, %%tmm3\n" ::); \
    }                                                                                                       \
    __asm__ volatile("tilerelease" ::);                                                                     \
  }
FLASHTILE_TILE_LOOP(amx_bf16, "amx-tile,amx-bf16", "tdpbf16ps")
FLASHTILE_TILE_LOOP(amx_int8, "amx-tile,amx-int8", "tdpbssd")

#endif

}  // namespace

std::string without_emulation(const std::string& architecture) {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;  // clang 14 has no __builtin_cpu_supports("amx-bf16")
  const bool has_tiles = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx >> 22 & 1) != 0;
  if (architecture == "amx" && !has_tiles) return "avx512_bf16";
#endif
  return architecture;
}

RegisterLoop best_register_loop([[maybe_unused]] DType dtype,
                                [[maybe_unused]] const std::string& architecture) {
#if defined(__x86_64__)
  constexpr double kTileProducts = 4.0 * 16 * 16 * 16;  // four sums of 16 x 16, 16 lanes of 32 bits deep
  const bool integers =
      dtype == DType::i8 || dtype == DType::u8 || dtype == DType::int4 || dtype == DType::uint4;
  if (integers) {
    if (at_least(architecture, "amx")) return {amx_int8, 2 * 4 * kTileProducts, "AMX int8"};
    if (at_least(architecture, "avx512") && __builtin_cpu_supports("avx512vnni") != 0)
      return {avx512_vnni, 2.0 * 64 * 24, "AVX-512 VNNI int8"};
    if (at_least(architecture, "avx2"))
      return {avx2_madd, 2.0 * 16 * 12, "AVX2 multiply-add of 16-bit integers"};
  }
  if (at_least(architecture, "amx")) {
    constexpr double kBf16 = 2 * 2 * kTileProducts;
    if (dtype == DType::bf16) return {amx_bf16, kBf16, "AMX bf16"};
    // Products of sums of bfloats: four of them for Q K^T of halves, five for P V, six of each for float32.
    if (dtype == DType::f16) return {amx_bf16, kBf16 / 4.5, "AMX bf16, 4.5 products for one of float16"};
    if (dtype == DType::f32) return {amx_bf16, kBf16 / 6, "AMX bf16, 6 products for one of float32"};
  }
  if (dtype == DType::bf16) {
    if (at_least(architecture, "avx512_bf16")) return {avx512_bf16, 2.0 * 32 * 24, "AVX-512 bf16 dot"};
  }
  if (at_least(architecture, "avx512")) return {avx512_fma, 2.0 * 16 * 24, "AVX-512 FMA, float32"};
  if (at_least(architecture, "avx2")) return {avx2_fma, 2.0 * 8 * 12, "AVX2 FMA, float32"};
#endif
  return {portable, 2.0 * 4 * 12, "128-bit multiply and add, float32"};
}

std::array<ReadLoop, 2> read_loops([[maybe_unused]] const std::string& architecture) {
  constexpr int kPage = 64;  // lines
#if defined(__x86_64__)
  if (at_least(architecture, "avx512")) return {read_avx512<0>, read_avx512<kPage>};
  if (at_least(architecture, "avx2")) return {read_avx2<0>, read_avx2<kPage>};
#endif
  return {read_portable<0>, read_portable<kPage>};
}

}  // namespace flashtile::bench
