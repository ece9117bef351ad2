// The operations of simd_generic.h on AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>

#include "flashtile/primitives/cpu/engine/simd_generic.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

struct Avx2Simd : GenericSimd<8> {
  static constexpr bool kFused = true;

  static bool any(Mask mask) { return _mm256_movemask_ps((__m256)mask) != 0; }
  static Floats select(Floats when_false, Floats when_true, Mask condition) {
    return (Floats)_mm256_blendv_ps((__m256)when_false, (__m256)when_true, (__m256)condition);
  }

  static Floats fma(Floats a, Floats b, Floats c) {
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
  }
  static Floats max(Floats a, Floats b) { return (Floats)_mm256_max_ps((__m256)a, (__m256)b); }
  static Floats min(Floats a, Floats b) { return (Floats)_mm256_min_ps((__m256)a, (__m256)b); }
  static Floats sqrt(Floats x) { return (Floats)_mm256_sqrt_ps((__m256)x); }

  static Floats half_to_float(Halves h) { return (Floats)_mm256_cvtph_ps((__m128i)h); }
  static Halves float_to_half(Floats x) {
    return (Halves)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Floats bfloat_to_float(Halves b) {
    return (Floats)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)b), 16);
  }

  // The compilers' own conversion of vectors takes bytes one by one.
  static Words words_of_bytes(const void* from) {
    return (Words)_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(from)));
  }
  static Ints ints_of_bytes(const void* from) {
    return (Ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(from)));
  }
  static Halves halves_of_bytes(const void* from) {
    return (Halves)_mm_cvtepu8_epi16(_mm_loadl_epi64(static_cast<const __m128i*>(from)));
  }
};

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
