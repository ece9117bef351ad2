// The operations that simd.h builds lanes of, on compiler vector extensions alone: right on every target. simd_avx512.h,
// simd_avx2.h and simd_neon.h hide those that their instruction set does better; all have the same names.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "flashtile/detail/kernel_words.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// `Lanes` numbers of 32 bits, or of fewer. A mask has -1 or 0 in each lane.
template <int Lanes>
struct GenericSimd {
  static constexpr int kLanes = Lanes;
  static constexpr bool kFused = false;  ///< does fma round once?

  template <class T>
  struct vector_of {
    typedef T type __attribute__((vector_size(Lanes * sizeof(T))));
  };
  using Floats = typename vector_of<float>::type;
  using Ints = typename vector_of<std::int32_t>::type;
  using Words = typename vector_of<std::uint32_t>::type;
  using Halves = typename vector_of<std::uint16_t>::type;  ///< 16-bit floats of either kind, as bits
  using Mask = Ints;

  // ---- masks ----
  template <class T, int... I>
  static typename vector_of<T>::type splat(T x, std::integer_sequence<int, I...>) {
    return typename vector_of<T>::type{(static_cast<void>(I), x)...};
  }
  template <class T>
  static typename vector_of<T>::type splat(T x) {
    return splat(x, std::make_integer_sequence<int, Lanes>());
  }
  static Mask all(bool value) { return splat<std::int32_t>(value ? -1 : 0); }
  static Mask both(Mask a, Mask b) { return a & b; }
  static Mask either(Mask a, Mask b) { return a | b; }
  static Mask opposite(Mask a) { return ~a; }
  static bool any(Mask mask) {
    std::int32_t lanes = 0;
    for (int i = 0; i < Lanes; ++i) lanes |= mask[i];
    return lanes != 0;
  }
  static Mask less(Ints a, Ints b) { return a < b; }
  static Mask equal(Ints a, Ints b) { return a == b; }
  static Mask less(Floats a, Floats b) { return a < b; }
  static Mask less_equal(Floats a, Floats b) { return a <= b; }
  static Mask equal(Floats a, Floats b) { return a == b; }
  static Mask not_equal(Floats a, Floats b) { return a != b; }
  static Floats select(Floats when_false, Floats when_true, Mask condition) {
    return (Floats)((condition & (Ints)when_true) | (~condition & (Ints)when_false));
  }

  // ---- arithmetic ----
  /// a * b + c, rounded twice unless FLASHTILE_EXACT asks for one slow rounding.
  static Floats fma(Floats a, Floats b, Floats c) {
#if defined(FLASHTILE_EXACT)
    Floats r;
    for (int i = 0; i < Lanes; ++i) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return r;
#else
    return a * b + c;
#endif
  }
  /// The larger or the smaller; b where either is NaN.
  static Floats max(Floats a, Floats b) {
#if defined(__SSE__)
    if constexpr (Lanes == 4) return (Floats)_mm_max_ps((__m128)a, (__m128)b);
#endif
    return select(b, a, less(b, a));
  }
  static Floats min(Floats a, Floats b) {
#if defined(__SSE__)
    if constexpr (Lanes == 4) return (Floats)_mm_min_ps((__m128)a, (__m128)b);
#endif
    return select(b, a, less(a, b));
  }
  static Floats sqrt(Floats x) {
#if defined(__SSE__)
    if constexpr (Lanes == 4) return (Floats)_mm_sqrt_ps((__m128)x);
#endif
    Floats r;
    for (int i = 0; i < Lanes; ++i) r[i] = __builtin_sqrtf(x[i]);
    return r;
  }

  // ---- 16-bit floats ----
  static Floats half_to_float(Halves h) {
    const Ints word = (Ints) __builtin_convertvector(h, Words), magnitude = word & 0x7fff;
    const Ints shifted = (Ints)((Words)magnitude << 13);
    const Ints normal = shifted + 0x38000000;   // exponent bias 15 -> 127
    const Ints special = shifted | 0x7f800000;  // infinity, NaN
    const Ints subnormal = (Ints)(__builtin_convertvector(magnitude, Floats) * 0x1p-24f);  // exact
    const Ints value = pick(pick(normal, subnormal, magnitude < 0x0400), special, magnitude >= 0x7c00);
    return (Floats)(value | (Ints)((Words)(word & 0x8000) << 16));
  }
  static Halves float_to_half(Floats x) {
    const Ints word = (Ints)x, magnitude = word & 0x7fffffff;
    const Ints odd = (Ints)((Words)magnitude >> 13) & 1;
    const Ints normal = (Ints)((Words)(magnitude - 0x38000000 + 0xfff + odd) >> 13);
    // Below 2^-14: adding 0.5 makes one ulp 2^-24, the step of half's subnormals, so that the
    // addition rounds to nearest even.
    const Ints subnormal = (Ints)((Floats)magnitude + 0.5f) - 0x3f000000;
    const Ints nan = ((Ints)((Words)magnitude >> 13) & 0x3ff) | 0x7e00;
    Ints value = pick(normal, subnormal, magnitude < 0x38800000);
    value = pick(value, splat<std::int32_t>(0x7c00), magnitude >= 0x477ff000);  // 65520 and above: infinity
    value = pick(value, nan, magnitude > 0x7f800000);
    const Ints sign = (Ints)((Words)word >> 16) & 0x8000;
    return __builtin_convertvector((Words)(value | sign), Halves);
  }
  static Floats bfloat_to_float(Halves b) { return (Floats)(__builtin_convertvector(b, Words) << 16); }
  static Halves float_to_bfloat(Floats x) {
    const Words word = (Words)x;
    const Ints rounded = (Ints)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
    const Ints nan = (Ints)(word >> 16) | 0x40;
    const Ints is_nan = (Ints)(x != x);  // NOLINT(misc-redundant-expression): so NaN is told
    return __builtin_convertvector((Words)pick(rounded, nan, is_nan), Halves);
  }
  /// In each lane the bfloat of `even` in the low half, and that of `odd` in the high half.
  static Words bfloat_pairs(Floats even, Floats odd) {
    return __builtin_convertvector(float_to_bfloat(even), Words) |
           __builtin_convertvector(float_to_bfloat(odd), Words) << 16;
  }

  // ---- small integers ----
  /// Lanes bytes of memory, wider.
  static Words words_of_bytes(const void* from) { return widened<std::uint8_t, Words>(from); }
  static Ints ints_of_bytes(const void* from) { return widened<std::int8_t, Ints>(from); }
  static Halves halves_of_bytes(const void* from) { return widened<std::uint8_t, Halves>(from); }
  /// The lowest four bits of each word, less `bias`, as floats; bits above them may be anything.
  static Floats nibbles(Words words, float bias) {
    return __builtin_convertvector((Ints)(words & 15), Floats) - splat(bias);
  }

  // ---- memory ----
  /// The first `count` < Lanes numbers of memory; the other lanes are 0, and nothing behind is read or written.
  static Words load_words(const void* from, int count) { return load_first<std::uint32_t>(from, count); }
  static Halves load_halves(const void* from, int count) { return load_first<std::uint16_t>(from, count); }
  static void store_words(void* to, Words words, int count) {
    std::memcpy(to, &words, static_cast<std::size_t>(count) * sizeof(std::uint32_t));
  }

 private:
  static Ints pick(Ints when_false, Ints when_true, Ints condition) {
    return condition ? when_true : when_false;
  }
  template <class T, class Wide>
  static Wide widened(const void* from) {
    typename vector_of<T>::type v;
    std::memcpy(&v, from, sizeof v);
    return __builtin_convertvector(v, Wide);
  }
  template <class T>
  static typename vector_of<T>::type load_first(const void* from, int count) {
    typename vector_of<T>::type v = {};
    std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(T));
    return v;
  }
};

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
