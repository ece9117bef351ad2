// The operations of simd_generic.h on AVX-512 with BW, DQ and VL, and its dot products of bfloats where the target has them.
#pragma once

#include <immintrin.h>

#include "flashtile/primitives/cpu/engine/simd_generic.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

// g++ 12 warns of an uninitialised value inside some unmasked intrinsics. Their masked forms with this mask
// compile to the same instruction.
inline constexpr __mmask16 kAllLanes = 0xffff;

struct Avx512Simd : GenericSimd<16> {
  static constexpr bool kFused = true;
  using Mask = __mmask16;

  static Mask all(bool value) { return static_cast<Mask>(value ? 0xffff : 0); }
  static Mask both(Mask a, Mask b) { return _kand_mask16(a, b); }
  static Mask either(Mask a, Mask b) { return _kor_mask16(a, b); }
  static Mask opposite(Mask a) { return _knot_mask16(a); }
  static bool any(Mask mask) { return mask != 0; }
  static Mask less(Ints a, Ints b) { return _mm512_cmp_epi32_mask((__m512i)a, (__m512i)b, _MM_CMPINT_LT); }
  static Mask equal(Ints a, Ints b) { return _mm512_cmp_epi32_mask((__m512i)a, (__m512i)b, _MM_CMPINT_EQ); }
  static Mask less(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
  static Mask less_equal(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ); }
  static Mask equal(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ); }
  static Mask not_equal(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_NEQ_UQ); }
  static Floats select(Floats when_false, Floats when_true, Mask condition) {
    return (Floats)_mm512_mask_blend_ps(condition, (__m512)when_false, (__m512)when_true);
  }

  static Floats fma(Floats a, Floats b, Floats c) {
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
  }
  static Floats max(Floats a, Floats b) { return select(b, a, less(b, a)); }
  static Floats min(Floats a, Floats b) { return select(b, a, less(a, b)); }
  static Floats sqrt(Floats x) { return (Floats)_mm512_maskz_sqrt_ps(kAllLanes, (__m512)x); }

  static Floats half_to_float(Halves h) { return (Floats)_mm512_maskz_cvtph_ps(kAllLanes, (__m256i)h); }
  static Halves float_to_half(Floats x) {
    return (Halves)_mm512_maskz_cvtps_ph(kAllLanes, (__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Floats bfloat_to_float(Halves b) {
    return (Floats)_mm512_maskz_slli_epi32(kAllLanes, _mm512_maskz_cvtepu16_epi32(kAllLanes, (__m256i)b), 16);
  }
  static Halves float_to_bfloat(Floats x) {
    const Words word = (Words)x;
    const Floats rounded = (Floats)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
    const Floats nan = (Floats)(word >> 16 | 0x40);
    return __builtin_convertvector((Words)select(rounded, nan, not_equal(x, x)), Halves);
  }
  static Words bfloat_pairs(Floats even, Floats odd) {
#if defined(__AVX512BF16__)
    alignas(64) static constexpr std::uint16_t kInterleave[] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                                21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                                11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    return (Words)_mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves);
#else
    return __builtin_convertvector(float_to_bfloat(even), Words) |
           __builtin_convertvector(float_to_bfloat(odd), Words) << 16;
#endif
  }

  // The compilers' own conversion of vectors takes bytes one by one.
  static Words words_of_bytes(const void* from) {
    return (Words)_mm512_maskz_cvtepu8_epi32(kAllLanes, _mm_loadu_si128(static_cast<const __m128i*>(from)));
  }
  static Ints ints_of_bytes(const void* from) {
    return (Ints)_mm512_maskz_cvtepi8_epi32(kAllLanes, _mm_loadu_si128(static_cast<const __m128i*>(from)));
  }
  static Halves halves_of_bytes(const void* from) {
    return (Halves)_mm256_cvtepu8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(from)));
  }
  static Floats nibbles(Words words, float bias) {
    // The permutation takes no more than these bits of an index: one instruction in the place of three.
    const __m512 table = _mm512_sub_ps(_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                       _mm512_set1_ps(bias));
    return (Floats)_mm512_maskz_permutexvar_ps(kAllLanes, (__m512i)words, table);
  }

  static Words load_words(const void* from, int count) {
    return (Words)_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << count) - 1), from);
  }
  static Halves load_halves(const void* from, int count) {
    return (Halves)_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << count) - 1), from);
  }
  static void store_words(void* to, Words words, int count) {
    _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << count) - 1), (__m512i)words);
  }
};

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
