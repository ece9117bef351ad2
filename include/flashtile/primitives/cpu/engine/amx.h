// The instructions of AMX: eight tile registers of 16 rows of 64 bytes. Called by panel_amx.h.
//
// A register's number is a template parameter. With FLASHTILE_EMULATE_AMX, for tests on machines without AMX,
// the registers are thread-local memory and AVX-512 does the arithmetic, rounding where the tile unit rounds.
//
// Source    Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: TDPBF16PS, TDPBSSD, TDPBUUD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "flashtile/primitives/cpu/simd.h"

#if defined(FLASHTILE_EMULATE_AMX) || (defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__))
#define FT_AMX 1

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace amx {

inline constexpr int kRows = 16;       ///< of a tile
inline constexpr int kRowBytes = 64;   ///< of a tile
inline constexpr int kRowFloats = 16;  ///< 4-byte steps in a row

#if !defined(FLASHTILE_EMULATE_AMX)

/// Configures the thread's tiles while it lives. The library has asked the system for permission to use them
/// when it detected the instruction set.
class Session {
 public:
  Session() {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const config;
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  ~Session() { asm volatile("tilerelease"); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

// Own assembler: g++ 12's intrinsics do not accept a template parameter as the register, and do not
// declare the memory that they read.
template <int T>
FT_FUNCTION void load(const void* from, std::ptrdiff_t row_stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(row_stride), "i"(T) : "memory");
}
/// A load for data that is read once and may soon leave the L1 cache.
template <int T>
FT_FUNCTION void load_passing(const void* from, std::ptrdiff_t row_stride) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(row_stride), "i"(T) : "memory");
}
template <int T>
FT_FUNCTION void store(void* to, std::ptrdiff_t row_stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(row_stride), "i"(T) : "memory");
}
template <int T>
FT_FUNCTION void zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(T));
}
/// D[m][n] += sum over pairs k of A[m][k] * B[k][n]: bfloats, float32 sums. The products of the pairs' even
/// and of their odd members are each summed from 0, the two sums are added, and the result is added to D.
/// Subnormal numbers count as 0.
template <int D, int A, int B>
FT_FUNCTION void multiply_add_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(D), "i"(A), "i"(B));
}
/// The same over groups of four bytes, with int32 sums: of A and B signed (i8) or not (u8).
template <int D, int A, int B>
FT_FUNCTION void multiply_add_i8() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(D), "i"(A), "i"(B));
}
template <int D, int A, int B>
FT_FUNCTION void multiply_add_u8() {
  asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(D), "i"(A), "i"(B));
}
template <int D, int A, int B>
FT_FUNCTION void multiply_add_u8_i8() {
  asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(D), "i"(A), "i"(B));
}
template <int D, int A, int B>
FT_FUNCTION void multiply_add_i8_u8() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(D), "i"(A), "i"(B));
}

#else

struct Session {
  Session() {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

struct Tile {
  __m512i row[kRows];
};
template <int T>
inline thread_local Tile tile;

template <int T>
inline void load(const void* from, std::ptrdiff_t row_stride) {
  for (int i = 0; i < kRows; ++i)
    tile<T>.row[i] = _mm512_loadu_si512(static_cast<const char*>(from) + i * row_stride);
}
template <int T>
inline void load_passing(const void* from, std::ptrdiff_t row_stride) {
  load<T>(from, row_stride);
}
template <int T>
inline void store(void* to, std::ptrdiff_t row_stride) {
  for (int i = 0; i < kRows; ++i) _mm512_storeu_si512(static_cast<char*>(to) + i * row_stride, tile<T>.row[i]);
}
template <int T>
inline void zero() {
  tile<T> = {};
}
/// Calls step(m, a, b) for each row m of D and each step k; a is the step of A, broadcast to every lane.
template <int A, int B, class F>
inline void each_step(F step) {
  for (int m = 0; m < kRows; ++m) {
    alignas(64) std::int32_t steps[kRowFloats];
    _mm512_store_si512(steps, tile<A>.row[m]);
    for (int k = 0; k < kRowFloats; ++k) step(m, _mm512_set1_epi32(steps[k]), tile<B>.row[k]);
  }
}
template <int D, int A, int B>
inline void multiply_add_bf16() {
  constexpr unsigned kSubnormalsAreZero = 0x8040;
  const unsigned control = _mm_getcsr();
  _mm_setcsr(control | kSubnormalsAreZero);
  floats even[kRows] = {}, odd[kRows] = {};
  each_step<A, B>([&](int m, __m512i a, __m512i b) {
    const auto low = [](__m512i pair) { return floats_of_bits((ints::native)((ints::wrapping)pair << 16)); };
    const auto high = [](__m512i pair) { return floats_of_bits((ints::native)pair & ints(-0x10000)); };
    even[m] = fma(low(a), low(b), even[m]);
    odd[m] = fma(high(a), high(b), odd[m]);
  });
  for (int m = 0; m < kRows; ++m) {
    const floats sum = (floats::native)tile<D>.row[m];
    tile<D>.row[m] = (__m512i)(sum + (even[m] + odd[m])).v;
  }
  _mm_setcsr(control);
}
/// D += A B, where even and odd extract the bytes of each pair as 16-bit numbers.
/// The odd bytes as 16-bit integers.
template <bool Signed>
inline __m512i odd_bytes(__m512i x) {
  return Signed ? _mm512_srai_epi16(x, 8) : _mm512_srli_epi16(x, 8);
}
template <int D, int A, int B, bool SignedA, bool SignedB>
inline void multiply_add_bytes() {
  each_step<A, B>([](int m, __m512i a, __m512i b) {
    const __m512i even_a = _mm512_slli_epi16(a, 8), even_b = _mm512_slli_epi16(b, 8);
    const __m512i odd = _mm512_dpwssd_epi32(tile<D>.row[m], odd_bytes<SignedA>(a), odd_bytes<SignedB>(b));
    tile<D>.row[m] = _mm512_dpwssd_epi32(odd, odd_bytes<SignedA>(even_a), odd_bytes<SignedB>(even_b));
  });
}
template <int D, int A, int B>
inline void multiply_add_i8() {
  multiply_add_bytes<D, A, B, true, true>();
}
template <int D, int A, int B>
inline void multiply_add_u8() {
  multiply_add_bytes<D, A, B, false, false>();
}
template <int D, int A, int B>
inline void multiply_add_u8_i8() {
  multiply_add_bytes<D, A, B, false, true>();
}
template <int D, int A, int B>
inline void multiply_add_i8_u8() {
  multiply_add_bytes<D, A, B, true, false>();
}

#endif

}  // namespace amx
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

#endif
