// Codes of quantised rows as lanes of floats, which are exact; their scales are left to the caller.
#pragma once

#include <cstdint>

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/coded_rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

namespace detail {
using primitives::detail::load_vector;
using primitives::detail::splat;
using primitives::detail::vector;
using Words = vector<std::uint32_t>;

inline floats lanes_of_words(Words words) { return floats(ints((ints::native)words)); }

// kLanes bytes of memory, wider. The compilers' own conversion of vectors takes bytes one by one.
inline Words words_of_bytes(const std::uint8_t* p) {
#if defined(FT_AVX512)
  return (Words)_mm512_maskz_cvtepu8_epi32(primitives::detail::kAllLanes, _mm_loadu_si128((const __m128i*)p));
#elif defined(FT_AVX2)
  return (Words)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#else
  return __builtin_convertvector(load_vector<std::uint8_t>(p), Words);
#endif
}
inline ints ints_of_bytes(const std::uint8_t* p) {
#if defined(FT_AVX512)
  return (ints::native)_mm512_maskz_cvtepi8_epi32(primitives::detail::kAllLanes,
                                                  _mm_loadu_si128((const __m128i*)p));
#elif defined(FT_AVX2)
  return (ints::native)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p));
#else
  return __builtin_convertvector(load_vector<std::int8_t>(p), ints::native);
#endif
}
inline vector<std::uint16_t> halves_of_bytes(const std::uint8_t* p) {
#if defined(FT_AVX512)
  return (vector<std::uint16_t>)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p));
#elif defined(FT_AVX2)
  return (vector<std::uint16_t>)_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i*)p));
#else
  return __builtin_convertvector(load_vector<std::uint8_t>(p), vector<std::uint16_t>);
#endif
}

/// The lowest four bits of each word, less `bias`, as floats; bits above them may be anything.
template <int Bias>
FT_FUNCTION floats nibbles(Words words) {
#if defined(FT_AVX512)
  // The permutation takes no more than these bits of an index: one instruction in the place of three.
  const __m512 table = _mm512_sub_ps(_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                     _mm512_set1_ps(static_cast<float>(Bias)));
  return (floats::native)_mm512_maskz_permutexvar_ps(primitives::detail::kAllLanes, (__m512i)words, table);
#else
  return lanes_of_words(words & 15) - floats(static_cast<float>(Bias));
#endif
}
}  // namespace detail

/// kLanes codes, those from `at` on of a run that begins at `run`; `at` is a multiple of kLanes.
template <class Codes>
struct CodeLanes;

template <>
struct CodeLanes<I8Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    return floats(detail::ints_of_bytes(run + at));
  }
};
template <>
struct CodeLanes<Q8Codes> : CodeLanes<I8Codes> {};

template <>
struct CodeLanes<Q4Codes> {  // of a block: `at` < 32
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    const auto words = detail::words_of_bytes(run + at % 16);
    return detail::nibbles<8>(at < 16 ? words : words >> 4);
  }
};

template <>
struct CodeLanes<Int4Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    constexpr int kWordLanes = kLanes < 8 ? kLanes : 8;  // lanes whose codes one word holds
    detail::Words shifts{};
    for (int i = 0; i < kLanes; ++i) shifts[i] = static_cast<std::uint32_t>(4 * (i % kWordLanes));
    std::uint32_t word[2] = {};
    std::memcpy(word, run + at / 2, kLanes / 2);
    detail::Words words = detail::splat(word[0]);
    if constexpr (kLanes > kWordLanes) {
      const auto above = detail::splat(word[1]);
      words = (detail::Words)select(ints((ints::native)words), ints((ints::native)above),
                                    lane_indices() >= ints(kWordLanes))
                  .v;
    }
    // Two's complement: a nibble whose highest bit is flipped is 8 too large.
    return detail::nibbles<8>((words >> shifts) ^ 8);
  }
};

template <>
struct CodeLanes<F8E5M2Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    const auto bytes = detail::halves_of_bytes(run + at);
    return primitives::detail::half_to_float(bytes << 8);
  }
};
template <>
struct CodeLanes<F8E4M3Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    const auto bytes = detail::halves_of_bytes(run + at);
    const floats value = primitives::detail::half_to_float((bytes & 128) << 8 | (bytes & 127) << 7) * 256.0f;
    const bools is_nan = (bits_of(value) & ints(0x7fffffff)) == bits_of(floats(480.0f));
    return select(value, kMinusInfinity - kMinusInfinity, is_nan);
  }
};

/// f(Codes()) for the codes of a quantised type; false where `type` is none.
template <class F>
FT_FUNCTION bool with_codes(StoredType type, F f) {
  switch (type) {
    case StoredType::i8: return f(I8Codes()), true;
    case StoredType::int4: return f(Int4Codes()), true;
    case StoredType::f8_e4m3: return f(F8E4M3Codes()), true;
    case StoredType::f8_e5m2: return f(F8E5M2Codes()), true;
    case StoredType::q8_0: return f(Q8Codes()), true;
    case StoredType::q4_0: return f(Q4Codes()), true;
    default: return false;
  }
}
/// Are there lanes of the codes of such rows, all with one scale?
inline bool has_code_lanes(const CodedRows& rows, int columns) {
  return columns % kLanes == 0 && rows.group % kLanes == 0 && with_codes(rows.type, [](auto) {});
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
