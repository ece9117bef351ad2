// Vectors of lanes: floats, ints and bools of the instruction set's own width, with loads
// and stores that convert.
//
// Written on compiler vector extensions, which every target has, with intrinsics where the extensions fall
// short: fused multiply-add, maximum, masks, and conversion of half. Used by everything in primitives/cpu, and
// by kernel text through map_elements and the other maps.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "flashtile/dtype.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define FT_AVX512 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define FT_AVX2 1
#endif

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

#if defined(FT_AVX512)
inline constexpr int kLanes = 16;
#elif defined(FT_AVX2)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

namespace detail {

#if defined(FT_AVX512)
// g++ 12 warns of an uninitialised value inside some unmasked intrinsics. Their masked forms with this mask
// compile to the same instruction.
inline constexpr __mmask16 kAllLanes = 0xffff;
#endif

template <class T>
struct vector_of {
  typedef T type __attribute__((vector_size(kLanes * sizeof(T))));
};
template <class T>
using vector = typename vector_of<T>::type;

template <class T, int... I>
inline vector<T> splat(T x, std::integer_sequence<int, I...>) {
  return vector<T>{(static_cast<void>(I), x)...};
}
template <class T>
inline vector<T> splat(T x) {
  return splat(x, std::make_integer_sequence<int, kLanes>());
}

template <class T>
inline vector<T> load_vector(const void* p) {  // from any alignment
  vector<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store_vector(void* p, vector<T> v) {
  std::memcpy(p, &v, sizeof v);
}

}  // namespace detail

/// A truth value a lane.
struct bools {
#if defined(FT_AVX512)
  __mmask16 v;
  bools(__mmask16 mask) : v(mask) {}
  bools(bool all) : v(static_cast<__mmask16>(all ? 0xffff : 0)) {}
  friend bools operator&(bools a, bools b) { return _kand_mask16(a.v, b.v); }
  friend bools operator|(bools a, bools b) { return _kor_mask16(a.v, b.v); }
  friend bools operator!(bools a) { return _knot_mask16(a.v); }
#else
  detail::vector<std::int32_t> v;  // 0 or -1
  bools(detail::vector<std::int32_t> mask) : v(mask) {}
  bools(bool all) : v(detail::splat<std::int32_t>(all ? -1 : 0)) {}
  friend bools operator&(bools a, bools b) { return a.v & b.v; }
  friend bools operator|(bools a, bools b) { return a.v | b.v; }
  friend bools operator!(bools a) { return ~a.v; }
#endif
  friend bools operator&&(bools a, bools b) { return a & b; }  // both sides are always computed
  friend bools operator||(bools a, bools b) { return a | b; }
};

/// Is any lane true?
inline bool any(bools b) {
#if defined(FT_AVX512)
  return b.v != 0;
#elif defined(FT_AVX2)
  return _mm256_movemask_ps((__m256)b.v) != 0;
#else
  std::int32_t lanes = 0;
  for (int i = 0; i < kLanes; ++i) lanes |= b.v[i];
  return lanes != 0;
#endif
}

/// A 32-bit integer a lane; arithmetic wraps.
struct ints {
  using element = std::int32_t;
  using native = detail::vector<std::int32_t>;
  using wrapping = detail::vector<std::uint32_t>;
  native v;

  ints() = default;
  ints(native n) : v(n) {}
  ints(std::int32_t x) : v(detail::splat(x)) {}

  static ints load(const std::int32_t* p) { return detail::load_vector<std::int32_t>(p); }
  void store(std::int32_t* p) const { detail::store_vector<std::int32_t>(p, v); }
  std::int32_t operator[](int lane) const { return v[lane]; }

  friend ints operator+(ints a, ints b) { return (native)((wrapping)a.v + (wrapping)b.v); }
  friend ints operator-(ints a, ints b) { return (native)((wrapping)a.v - (wrapping)b.v); }
  friend ints operator*(ints a, ints b) { return (native)((wrapping)a.v * (wrapping)b.v); }
  friend ints operator-(ints a) { return ints(0) - a; }
  friend ints operator&(ints a, ints b) { return a.v & b.v; }
  friend ints operator|(ints a, ints b) { return a.v | b.v; }
  friend ints operator^(ints a, ints b) { return a.v ^ b.v; }
  ints& operator+=(ints b) { return *this = *this + b; }
  ints& operator-=(ints b) { return *this = *this - b; }
  ints& operator*=(ints b) { return *this = *this * b; }
#if defined(FT_AVX512)
  friend bools operator<(ints a, ints b) {
    return _mm512_cmp_epi32_mask((__m512i)a.v, (__m512i)b.v, _MM_CMPINT_LT);
  }
  friend bools operator==(ints a, ints b) {
    return _mm512_cmp_epi32_mask((__m512i)a.v, (__m512i)b.v, _MM_CMPINT_EQ);
  }
#else
  friend bools operator<(ints a, ints b) { return a.v < b.v; }
  friend bools operator==(ints a, ints b) { return a.v == b.v; }
#endif
  friend bools operator>(ints a, ints b) { return b < a; }
  friend bools operator<=(ints a, ints b) { return !(b < a); }
  friend bools operator>=(ints a, ints b) { return !(a < b); }
  friend bools operator!=(ints a, ints b) { return !(a == b); }
};

/// A float a lane.
struct floats {
  using element = float;
  using native = detail::vector<float>;
  native v;

  floats() = default;
  floats(native n) : v(n) {}
  floats(float x) : v(detail::splat(x)) {}
  explicit floats(ints i) : v(__builtin_convertvector(i.v, native)) {}

  static floats load(const float* p) { return detail::load_vector<float>(p); }
  void store(float* p) const { detail::store_vector<float>(p, v); }
  float operator[](int lane) const { return v[lane]; }

  friend floats operator+(floats a, floats b) { return a.v + b.v; }
  friend floats operator-(floats a, floats b) { return a.v - b.v; }
  friend floats operator*(floats a, floats b) { return a.v * b.v; }
  friend floats operator/(floats a, floats b) { return a.v / b.v; }
  friend floats operator-(floats a) { return -a.v; }
  floats& operator+=(floats b) { return *this = *this + b; }
  floats& operator-=(floats b) { return *this = *this - b; }
  floats& operator*=(floats b) { return *this = *this * b; }
  floats& operator/=(floats b) { return *this = *this / b; }
#if defined(FT_AVX512)
  friend bools operator<(floats a, floats b) {
    return _mm512_cmp_ps_mask((__m512)a.v, (__m512)b.v, _CMP_LT_OQ);
  }
  friend bools operator<=(floats a, floats b) {
    return _mm512_cmp_ps_mask((__m512)a.v, (__m512)b.v, _CMP_LE_OQ);
  }
  friend bools operator==(floats a, floats b) {
    return _mm512_cmp_ps_mask((__m512)a.v, (__m512)b.v, _CMP_EQ_OQ);
  }
  friend bools operator!=(floats a, floats b) {
    return _mm512_cmp_ps_mask((__m512)a.v, (__m512)b.v, _CMP_NEQ_UQ);
  }
#else
  friend bools operator<(floats a, floats b) { return a.v < b.v; }
  friend bools operator<=(floats a, floats b) { return a.v <= b.v; }
  friend bools operator==(floats a, floats b) { return a.v == b.v; }
  friend bools operator!=(floats a, floats b) { return a.v != b.v; }
#endif
  explicit operator ints() const { return __builtin_convertvector(v, ints::native); }  // towards 0
  friend bools operator>(floats a, floats b) { return b < a; }
  friend bools operator>=(floats a, floats b) { return b <= a; }
};

inline ints bits_of(floats x) { return (ints::native)x.v; }
inline floats floats_of_bits(ints x) { return (floats::native)x.v; }

/// condition ? when_true : when_false, lane by lane.
inline floats select(floats when_false, floats when_true, bools condition) {
#if defined(FT_AVX512)
  return (floats::native)_mm512_mask_blend_ps(condition.v, (__m512)when_false.v, (__m512)when_true.v);
#elif defined(FT_AVX2)
  return (floats::native)_mm256_blendv_ps((__m256)when_false.v, (__m256)when_true.v, (__m256)condition.v);
#else
  return (floats::native)((condition.v & (ints::native)when_true.v) |
                          (~condition.v & (ints::native)when_false.v));
#endif
}
inline ints select(ints when_false, ints when_true, bools condition) {
  return bits_of(select(floats_of_bits(when_false), floats_of_bits(when_true), condition));
}

/// a * b + c, rounded once where the instruction set has fused multiply-add. Elsewhere it is rounded twice,
/// unless FLASHTILE_EXACT asks for one slow rounding.
inline floats fma(floats a, floats b, floats c) {
#if defined(FT_AVX512)
  return (floats::native)_mm512_fmadd_ps((__m512)a.v, (__m512)b.v, (__m512)c.v);
#elif defined(FT_AVX2)
  return (floats::native)_mm256_fmadd_ps((__m256)a.v, (__m256)b.v, (__m256)c.v);
#elif defined(__ARM_NEON)
  return (floats::native)vfmaq_f32((float32x4_t)c.v, (float32x4_t)a.v, (float32x4_t)b.v);
#elif defined(FLASHTILE_EXACT)
  floats r;
  for (int i = 0; i < kLanes; ++i) r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return r;
#else
  return a * b + c;
#endif
}
inline ints fma(ints a, ints b, ints c) { return a * b + c; }

/// a * b + c rounded once on any machine: for differences of large numbers, where a second rounding would show.
inline floats fma_exact(floats a, floats b, floats c) {
#if defined(FT_AVX512) || defined(FT_AVX2) || defined(__ARM_NEON) || defined(FLASHTILE_EXACT)
  return fma(a, b, c);
#else
  floats r;  // a product of two floats is exact in double
  for (int i = 0; i < kLanes; ++i)
    r.v[i] = static_cast<float>(static_cast<double>(a.v[i]) * static_cast<double>(b.v[i]) +
                                static_cast<double>(c.v[i]));
  return r;
#endif
}

/// The larger (max) or the smaller (min), lane by lane; b where either is NaN.
inline floats max(floats a, floats b) {
#if defined(FT_AVX512)
  return select(b, a, a > b);
#elif defined(FT_AVX2)
  return (floats::native)_mm256_max_ps((__m256)a.v, (__m256)b.v);
#elif defined(__SSE__)
  return (floats::native)_mm_max_ps((__m128)a.v, (__m128)b.v);
#else
  return select(b, a, a > b);
#endif
}
inline floats min(floats a, floats b) {
#if defined(FT_AVX2)
  return (floats::native)_mm256_min_ps((__m256)a.v, (__m256)b.v);
#elif defined(__SSE__) && !defined(FT_AVX512)
  return (floats::native)_mm_min_ps((__m128)a.v, (__m128)b.v);
#else
  return select(b, a, a < b);
#endif
}
inline ints max(ints a, ints b) { return select(b, a, a > b); }
inline ints min(ints a, ints b) { return select(b, a, a < b); }

/// 0, 1, 2, ... from lane 0 on.
inline ints lane_indices() {
  ints r;
  for (int i = 0; i < kLanes; ++i) r.v[i] = i;
  return r;
}

// ---- conversions between memory and lanes -------------------------------------------------------------------

namespace detail {

/// The type of lanes that a tile keeps its elements in: floats for every float type, ints
/// for products of integers.
template <class Storage>
struct lanes_for;
template <>
struct lanes_for<float> {
  using type = floats;
};
template <>
struct lanes_for<std::int32_t> {
  using type = ints;
};
template <class Storage>
using lanes = typename lanes_for<Storage>::type;

inline floats half_to_float(vector<std::uint16_t> h) {
#if defined(FT_AVX512)
  return (floats::native)_mm512_maskz_cvtph_ps(kAllLanes, (__m256i)h);
#elif defined(FT_AVX2)
  return (floats::native)_mm256_cvtph_ps((__m128i)h);
#else
  const ints word = (ints::native) __builtin_convertvector(h, vector<std::uint32_t>);
  const ints magnitude = word & 0x7fff;
  const ints sign = (ints::native)((ints::wrapping)(word & 0x8000).v << 16);
  const ints shifted = (ints::native)((ints::wrapping)magnitude.v << 13);
  const ints normal = shifted + 0x38000000;                      // exponent bias 15 -> 127
  const ints special = shifted | 0x7f800000;                     // infinity, NaN
  const ints subnormal = bits_of(floats(magnitude) * 0x1p-24f);  // exact
  const ints value = select(select(normal, subnormal, magnitude < 0x0400), special, magnitude >= 0x7c00);
  return floats_of_bits(value | sign);
#endif
}

inline vector<std::uint16_t> float_to_half(floats x) {
#if defined(FT_AVX512)
  return (vector<std::uint16_t>)_mm512_maskz_cvtps_ph(kAllLanes, (__m512)x.v,
                                                      _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(FT_AVX2)
  return (vector<std::uint16_t>)_mm256_cvtps_ph((__m256)x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const ints word = bits_of(x);
  const ints magnitude = word & 0x7fffffff;
  const ints sign = (ints::native)((ints::wrapping)word.v >> 16) & 0x8000;
  const ints odd = (ints::native)((ints::wrapping)magnitude.v >> 13) & 1;
  const ints normal = (ints::native)((ints::wrapping)(magnitude - 0x38000000 + 0xfff + odd).v >> 13);
  // Below 2^-14: adding 0.5 makes one ulp 2^-24, the step of half's subnormals, so that the
  // addition rounds to nearest even.
  const ints subnormal = bits_of(floats_of_bits(magnitude) + 0.5f) - 0x3f000000;
  const ints nan = ((ints::native)((ints::wrapping)magnitude.v >> 13) & 0x3ff) | 0x7e00;
  ints value = select(normal, subnormal, magnitude < 0x38800000);
  value = select(value, 0x7c00, magnitude >= 0x477ff000);  // 65520 and above: infinity
  value = select(value, nan, magnitude > 0x7f800000);
  return __builtin_convertvector((ints::wrapping)(value | sign).v, vector<std::uint16_t>);
#endif
}

inline floats bfloat_to_float(vector<std::uint16_t> b) {
#if defined(FT_AVX512)
  return (floats::native)_mm512_maskz_slli_epi32(kAllLanes, _mm512_maskz_cvtepu16_epi32(kAllLanes, (__m256i)b),
                                                 16);
#elif defined(FT_AVX2)
  return (floats::native)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)b), 16);
#else
  return floats_of_bits((ints::native)(__builtin_convertvector(b, vector<std::uint32_t>) << 16));
#endif
}

inline vector<std::uint16_t> float_to_bfloat(floats x) {
  const ints::wrapping word = (ints::wrapping)x.v;
  const ints rounded = (ints::native)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
  const ints nan = (ints::native)(word >> 16) | 0x40;
  const ints value = select(rounded, nan, x != x);
  return __builtin_convertvector((ints::wrapping)value.v, vector<std::uint16_t>);
}

template <class E>
inline constexpr bool is_16_bit_float = std::is_same_v<E, half> || std::is_same_v<E, bfloat>;

/// Pairs of 16-bit elements E, in each lane that of `even` in the low half and that of `odd` in the high half.
template <class E>
inline floats pairs_of(floats even, floats odd) {
#if defined(__AVX512BF16__)
  if constexpr (std::is_same_v<E, bfloat>) {
    alignas(64) static constexpr std::uint16_t kInterleave[] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                                21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                                11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd.v, (__m512)even.v);
    return (floats::native)_mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves);
  }
#endif
  const auto widened = [](floats x) {
    if constexpr (std::is_same_v<E, half>)
      return __builtin_convertvector(float_to_half(x), vector<std::uint32_t>);
    else
      return __builtin_convertvector(float_to_bfloat(x), vector<std::uint32_t>);
  };
  return (floats::native)(widened(even) | widened(odd) << 16);
}

/// kLanes elements of memory, as lanes of S.
template <class S, class E>
inline lanes<S> load_lanes(const E* p) {
  if constexpr (std::is_same_v<S, E>) {
    return lanes<S>::load(p);
  } else if constexpr (is_16_bit_float<E>) {
    static_assert(std::is_same_v<S, float>, "load: floats do not go into a tile of integers");
    const auto raw = load_vector<std::uint16_t>(p);
    if constexpr (std::is_same_v<E, half>)
      return half_to_float(raw);
    else
      return bfloat_to_float(raw);
  } else {
    static_assert(std::is_integral_v<E>, "load: no conversion between these element types");
    return lanes<S>(ints(__builtin_convertvector(load_vector<E>(p), vector<std::int32_t>)));
  }
}

/// The first `count` < kLanes elements of memory. The other lanes are 0, and memory behind is not read.
template <class S, class E>
inline lanes<S> load_lanes(const E* p, int count) {
#if defined(FT_AVX512)
  if constexpr (std::is_same_v<S, E> || std::is_same_v<E, std::int32_t>) {
    const __m512i raw = _mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << count) - 1), p);
    if constexpr (std::is_same_v<S, E>)
      return (typename lanes<S>::native)raw;
    else
      return lanes<S>(ints((ints::native)raw));
  }
#endif
  alignas(64) E whole[kLanes] = {};
  std::memcpy(static_cast<void*>(whole), p, static_cast<std::size_t>(count) * sizeof(E));
  return load_lanes<S>(static_cast<const E*>(whole));
}

template <class S, class E>
inline void store_lanes(E* p, lanes<S> x) {
  if constexpr (std::is_same_v<S, E>) {
    x.store(p);
  } else if constexpr (is_16_bit_float<E>) {
    static_assert(std::is_same_v<S, float>, "store: integers do not go into a tensor of 16-bit floats");
    if constexpr (std::is_same_v<E, half>)
      store_vector<std::uint16_t>(p, float_to_half(x));
    else
      store_vector<std::uint16_t>(p, float_to_bfloat(x));
  } else {
    static_assert(std::is_arithmetic_v<E> && sizeof(E) <= 4,
                  "store: no conversion between these element types");
    if constexpr (std::is_same_v<E, float>)
      floats(x).store(p);
    else
      store_vector<E>(p, __builtin_convertvector(ints(x).v, vector<E>));
  }
}
template <class S, class E>
inline void store_lanes(E* p, lanes<S> x, int count) {
#if defined(FT_AVX512)
  if constexpr (std::is_same_v<S, E>) {
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1u << count) - 1), (__m512i)x.v);
    return;
  }
#endif
  alignas(64) E whole[kLanes];
  store_lanes<S>(static_cast<E*>(whole), x);
  std::memcpy(static_cast<void*>(p), whole, static_cast<std::size_t>(count) * sizeof(E));
}

/// Lanes rounded to element type E and converted back.
template <class E>
inline floats rounded_to(floats x) {
  if constexpr (std::is_same_v<E, half>)
    return half_to_float(float_to_half(x));
  else if constexpr (std::is_same_v<E, bfloat>)
    return bfloat_to_float(float_to_bfloat(x));
  else
    return x;
}
template <class E>
inline ints rounded_to(ints x) {
  return x;
}

// ---- transpose ----------------------------------------------------------------------------------------------

/// Swaps lane l of `a` with lane l - Step of `b` for each lane l whose bit Step is set.
template <int Step, class V, int... L>
inline void exchange(V& a, V& b, std::integer_sequence<int, L...>) {
  const V low = __builtin_shufflevector(a, b, ((L & Step) != 0 ? kLanes + L - Step : L)...);
  b = __builtin_shufflevector(a, b, ((L & Step) != 0 ? kLanes + L : L + Step)...);
  a = low;
}
template <int Step, class V>
inline void transpose_steps(V (&rows)[kLanes]) {
  FT_UNROLL for (int i = 0; i < kLanes; ++i) {
    if ((i & Step) == 0) exchange<Step>(rows[i], rows[i + Step], std::make_integer_sequence<int, kLanes>());
  }
  if constexpr (Step > 1) transpose_steps<Step / 2>(rows);
}
/// Transposes kLanes rows of kLanes elements.
template <class L>
inline void transpose(L (&rows)[kLanes]) {
  typename L::native r[kLanes];
  FT_UNROLL for (int i = 0; i < kLanes; ++i) r[i] = rows[i].v;
  transpose_steps<kLanes / 2>(r);
  FT_UNROLL for (int i = 0; i < kLanes; ++i) rows[i].v = r[i];
}

}  // namespace detail

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
