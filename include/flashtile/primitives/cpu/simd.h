// Vectors of lanes: floats, ints and bools of the instruction set's own width, with loads
// and stores that convert.
//
// Written on the operations that engine/simd_<instruction set>.h gives on its own vectors. Used by everything in primitives/cpu,
// and by kernel text through map_elements and the other maps.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "flashtile/dtype.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define FT_AVX512 1
#include "flashtile/primitives/cpu/engine/simd_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define FT_AVX2 1
#include "flashtile/primitives/cpu/engine/simd_avx2.h"
#elif defined(__ARM_NEON)
#include "flashtile/primitives/cpu/engine/simd_neon.h"
#else
#include "flashtile/primitives/cpu/engine/simd_generic.h"
#endif

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

namespace detail {
#if defined(FT_AVX512)
using Simd = Avx512Simd;
#elif defined(FT_AVX2)
using Simd = Avx2Simd;
#elif defined(__ARM_NEON)
using Simd = NeonSimd;
#else
using Simd = GenericSimd<4>;
#endif
}  // namespace detail

inline constexpr int kLanes = detail::Simd::kLanes;

/// kLanes numbers of T in the compiler's own vector.
template <class T>
using lane_vector = typename detail::Simd::template vector_of<T>::type;

template <class T>
inline lane_vector<T> splat(T x) {
  return detail::Simd::splat(x);
}
template <class T>
inline lane_vector<T> load_vector(const void* p) {  // from any alignment
  lane_vector<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store_vector(void* p, lane_vector<T> v) {
  std::memcpy(p, &v, sizeof v);
}

/// 4 bytes of an operand that is packed for a product: a float, an integer, two 16-bit floats or four bytes.
struct Word {
  std::uint32_t bits;
};

/// A truth value a lane.
struct bools {
  detail::Simd::Mask v;
  bools(detail::Simd::Mask mask) : v(mask) {}
  bools(bool all) : v(detail::Simd::all(all)) {}
  friend bools operator&(bools a, bools b) { return detail::Simd::both(a.v, b.v); }
  friend bools operator|(bools a, bools b) { return detail::Simd::either(a.v, b.v); }
  friend bools operator!(bools a) { return detail::Simd::opposite(a.v); }
  friend bools operator&&(bools a, bools b) { return a & b; }  // both sides are always computed
  friend bools operator||(bools a, bools b) { return a | b; }
};

/// Is any lane true?
inline bool any(bools b) { return detail::Simd::any(b.v); }

/// A 32-bit integer a lane; arithmetic wraps.
struct ints {
  using element = std::int32_t;
  using native = lane_vector<std::int32_t>;
  using wrapping = lane_vector<std::uint32_t>;
  native v;

  ints() = default;
  ints(native n) : v(n) {}
  ints(std::int32_t x) : v(detail::Simd::splat(x)) {}

  static ints load(const std::int32_t* p) { return load_vector<std::int32_t>(p); }
  void store(std::int32_t* p) const { store_vector<std::int32_t>(p, v); }
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
  friend bools operator<(ints a, ints b) { return detail::Simd::less(a.v, b.v); }
  friend bools operator==(ints a, ints b) { return detail::Simd::equal(a.v, b.v); }
  friend bools operator>(ints a, ints b) { return b < a; }
  friend bools operator<=(ints a, ints b) { return !(b < a); }
  friend bools operator>=(ints a, ints b) { return !(a < b); }
  friend bools operator!=(ints a, ints b) { return !(a == b); }
};

/// A float a lane.
struct floats {
  using element = float;
  using native = lane_vector<float>;
  native v;

  floats() = default;
  floats(native n) : v(n) {}
  floats(float x) : v(detail::Simd::splat(x)) {}
  explicit floats(ints i) : v(__builtin_convertvector(i.v, native)) {}

  static floats load(const float* p) { return load_vector<float>(p); }
  static floats load(const Word* p) { return load_vector<float>(p); }
  void store(float* p) const { store_vector<float>(p, v); }
  void store(Word* p) const { store_vector<float>(p, v); }
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
  friend bools operator<(floats a, floats b) { return detail::Simd::less(a.v, b.v); }
  friend bools operator<=(floats a, floats b) { return detail::Simd::less_equal(a.v, b.v); }
  friend bools operator==(floats a, floats b) { return detail::Simd::equal(a.v, b.v); }
  friend bools operator!=(floats a, floats b) { return detail::Simd::not_equal(a.v, b.v); }
  explicit operator ints() const { return __builtin_convertvector(v, ints::native); }  // towards 0
  friend bools operator>(floats a, floats b) { return b < a; }
  friend bools operator>=(floats a, floats b) { return b <= a; }
};

inline ints bits_of(floats x) { return (ints::native)x.v; }
inline floats floats_of_bits(ints x) { return (floats::native)x.v; }

/// condition ? when_true : when_false, lane by lane.
inline floats select(floats when_false, floats when_true, bools condition) {
  return detail::Simd::select(when_false.v, when_true.v, condition.v);
}
inline ints select(ints when_false, ints when_true, bools condition) {
  return bits_of(select(floats_of_bits(when_false), floats_of_bits(when_true), condition));
}

/// a * b + c, rounded once where the instruction set has fused multiply-add. Elsewhere it is rounded twice,
/// unless FLASHTILE_EXACT asks for one slow rounding.
inline floats fma(floats a, floats b, floats c) { return detail::Simd::fma(a.v, b.v, c.v); }
inline ints fma(ints a, ints b, ints c) { return a * b + c; }

/// a * b + c rounded once on any machine: for differences of large numbers, where a second rounding would show.
inline floats fma_exact(floats a, floats b, floats c) {
  if constexpr (detail::Simd::kFused) return fma(a, b, c);
  floats r;  // a product of two floats is exact in double
  for (int i = 0; i < kLanes; ++i)
    r.v[i] = static_cast<float>(static_cast<double>(a.v[i]) * static_cast<double>(b.v[i]) +
                                static_cast<double>(c.v[i]));
  return r;
}

/// The larger (max) or the smaller (min), lane by lane; b where either is NaN.
inline floats max(floats a, floats b) { return detail::Simd::max(a.v, b.v); }
inline floats min(floats a, floats b) { return detail::Simd::min(a.v, b.v); }
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

inline floats half_to_float(lane_vector<std::uint16_t> h) { return Simd::half_to_float(h); }
inline lane_vector<std::uint16_t> float_to_half(floats x) { return Simd::float_to_half(x.v); }
inline floats bfloat_to_float(lane_vector<std::uint16_t> b) { return Simd::bfloat_to_float(b); }
inline lane_vector<std::uint16_t> float_to_bfloat(floats x) { return Simd::float_to_bfloat(x.v); }

template <class E>
inline constexpr bool is_16_bit_float = std::is_same_v<E, half> || std::is_same_v<E, bfloat>;

}  // namespace detail

/// kLanes 16-bit floats E, given as bits.
template <class E>
inline floats floats_of(lane_vector<std::uint16_t> bits) {
  if constexpr (std::is_same_v<E, half>)
    return detail::half_to_float(bits);
  else
    return detail::bfloat_to_float(bits);
}

/// Pairs of 16-bit elements E, in each lane that of `even` in the low half and that of `odd` in the high half.
template <class E>
inline floats pairs_of(floats even, floats odd) {
  if constexpr (std::is_same_v<E, bfloat>) return (floats::native)detail::Simd::bfloat_pairs(even.v, odd.v);
  const auto widened = [](floats x) {
    return __builtin_convertvector(detail::float_to_half(x), lane_vector<std::uint32_t>);
  };
  return (floats::native)(widened(even) | widened(odd) << 16);
}

/// kLanes bytes of memory, wider.
inline lane_vector<std::uint32_t> words_of_bytes(const std::uint8_t* p) {
  return detail::Simd::words_of_bytes(p);
}
inline ints ints_of_bytes(const std::uint8_t* p) { return detail::Simd::ints_of_bytes(p); }
inline lane_vector<std::uint16_t> halves_of_bytes(const std::uint8_t* p) {
  return detail::Simd::halves_of_bytes(p);
}
/// The lowest four bits of each word, less `bias`, as floats; bits above them may be anything.
inline floats nibbles(lane_vector<std::uint32_t> words, float bias) {
  return detail::Simd::nibbles(words, bias);
}

/// kLanes elements of memory, as lanes of S.
template <class S, class E>
inline detail::lanes<S> load_lanes(const E* p) {
  if constexpr (std::is_same_v<S, E>) {
    return detail::lanes<S>::load(p);
  } else if constexpr (detail::is_16_bit_float<E>) {
    static_assert(std::is_same_v<S, float>, "load: floats do not go into a tile of integers");
    return floats_of<E>(load_vector<std::uint16_t>(p));
  } else {
    static_assert(std::is_integral_v<E>, "load: no conversion between these element types");
    return detail::lanes<S>(ints(__builtin_convertvector(load_vector<E>(p), lane_vector<std::int32_t>)));
  }
}

/// The first `count` < kLanes elements of memory. The other lanes are 0, and memory behind is not read.
template <class S, class E>
inline detail::lanes<S> load_lanes(const E* p, int count) {
  if constexpr (std::is_same_v<S, E>) {
    return (typename detail::lanes<S>::native)detail::Simd::load_words(p, count);
  } else if constexpr (std::is_same_v<E, std::int32_t>) {
    return detail::lanes<S>(ints((ints::native)detail::Simd::load_words(p, count)));
  } else {
    alignas(64) E whole[kLanes] = {};
    std::memcpy(static_cast<void*>(whole), p, static_cast<std::size_t>(count) * sizeof(E));
    return load_lanes<S>(static_cast<const E*>(whole));
  }
}

template <class S, class E>
inline void store_lanes(E* p, detail::lanes<S> x) {
  if constexpr (std::is_same_v<S, E>) {
    x.store(p);
  } else if constexpr (detail::is_16_bit_float<E>) {
    static_assert(std::is_same_v<S, float>, "store: integers do not go into a tensor of 16-bit floats");
    if constexpr (std::is_same_v<E, half>)
      store_vector<std::uint16_t>(p, detail::float_to_half(x));
    else
      store_vector<std::uint16_t>(p, detail::float_to_bfloat(x));
  } else {
    static_assert(std::is_arithmetic_v<E> && sizeof(E) <= 4,
                  "store: no conversion between these element types");
    if constexpr (std::is_same_v<E, float>)
      floats(x).store(p);
    else
      store_vector<E>(p, __builtin_convertvector(ints(x).v, lane_vector<E>));
  }
}
template <class S, class E>
inline void store_lanes(E* p, detail::lanes<S> x, int count) {
  if constexpr (std::is_same_v<S, E>) {
    detail::Simd::store_words(p, (lane_vector<std::uint32_t>)x.v, count);
  } else {
    alignas(64) E whole[kLanes];
    store_lanes<S>(static_cast<E*>(whole), x);
    std::memcpy(static_cast<void*>(p), whole, static_cast<std::size_t>(count) * sizeof(E));
  }
}

namespace detail {

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

}  // namespace detail

/// Swaps lane l of `a` with lane l - Step of `b` for each lane l whose bit Step is set.
template <int Step, class V, int... L>
inline void exchange(V& a, V& b, std::integer_sequence<int, L...>) {
  const V low = __builtin_shufflevector(a, b, ((L & Step) != 0 ? kLanes + L - Step : L)...);
  b = __builtin_shufflevector(a, b, ((L & Step) != 0 ? kLanes + L : L + Step)...);
  a = low;
}

namespace detail {
template <int Step, class V>
inline void transpose_steps(V (&rows)[kLanes]) {
  FT_UNROLL for (int i = 0; i < kLanes; ++i) {
    if ((i & Step) == 0) exchange<Step>(rows[i], rows[i + Step], std::make_integer_sequence<int, kLanes>());
  }
  if constexpr (Step > 1) transpose_steps<Step / 2>(rows);
}

}  // namespace detail

/// Transposes kLanes rows of kLanes elements.
template <class L>
inline void transpose(L (&rows)[kLanes]) {
  typename L::native r[kLanes];
  FT_UNROLL for (int i = 0; i < kLanes; ++i) r[i] = rows[i].v;
  detail::transpose_steps<kLanes / 2>(r);
  FT_UNROLL for (int i = 0; i < kLanes; ++i) rows[i].v = r[i];
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
