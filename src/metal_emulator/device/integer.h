// <metal_integer>, for scalars and vectors.
#pragma once

#include "math.h"

namespace metal {

#define METAL_INTEGER1(name, value)                                      \
  template <Scalar T>                                                    \
  constexpr T name(T x) {                                                \
    [[maybe_unused]] constexpr int bits = int(sizeof(T)) * 8;            \
    [[maybe_unused]] const make_unsigned_t<T> u = make_unsigned_t<T>(x); \
    return T(value);                                                     \
  }                                                                      \
  template <class T, int N>                                              \
  constexpr vec<T, N> name(vec<T, N> v) {                                \
    return v.map([](T c) { return name(c); });                           \
  }
METAL_INTEGER1(popcount, __builtin_popcountll(u))
METAL_INTEGER1(clz, u == 0 ? bits : __builtin_clzll(u) - (64 - bits))
METAL_INTEGER1(ctz, u == 0 ? bits : __builtin_ctzll(u))
#undef METAL_INTEGER1
template <Scalar T>
constexpr T reverse_bits(T x) {
  T r = 0;
  for (size_t i = 0; i < sizeof(T) * 8; ++i) r = T(r << 1 | (x >> i & 1));
  return r;
}
template <class T, int N>
constexpr vec<T, N> reverse_bits(vec<T, N> v) {
  return v.map([](T c) { return reverse_bits(c); });
}

// Two numbers, which meet in T; Wide holds every sum and product of two of them.
#define METAL_INTEGER2(name, value)                                                           \
  template <Scalar A, Scalar B>                                                               \
  constexpr common_t<A, B> name(A left, B right) {                                            \
    using T = common_t<A, B>;                                                                 \
    using Wide [[maybe_unused]] = conditional_t<is_signed_v<T>, __int128, unsigned __int128>; \
    [[maybe_unused]] constexpr int bits = int(sizeof(T)) * 8;                                 \
    const T a(left), b(right);                                                                \
    return T(value);                                                                          \
  }                                                                                           \
  METAL_OF_VECTORS(name)
namespace integer_detail {
template <class T>
constexpr T saturated(__int128 value) {
  using L = numeric_limits<T>;
  return value < __int128(L::min()) ? L::min() : value > __int128(L::max()) ? L::max() : T(value);
}
/// The low 24 bits, as the product of two such numbers takes them.
template <class T>
constexpr int64_t low24(T x) {
  const uint32_t low = uint32_t(x) & 0xffffffu;
  return is_signed_v<T> && (low & 0x800000u) != 0 ? int64_t(low) - 0x1000000 : int64_t(low);
}
template <class T>
constexpr T rotated(T x, T by) {
  using U = make_unsigned_t<T>;
  constexpr int bits = int(sizeof(T)) * 8;
  const int n = int(U(by) % bits);
  return n == 0 ? x : T(U(U(x) << n) | U(U(x) >> (bits - n)));
}
}  // namespace integer_detail
METAL_INTEGER2(rotate, integer_detail::rotated<T>(a, b))
METAL_INTEGER2(mulhi, Wide(a) * Wide(b) >> bits)
METAL_INTEGER2(mul24, integer_detail::low24(a) * integer_detail::low24(b))
METAL_INTEGER2(hadd, Wide(a) + Wide(b) >> 1)
METAL_INTEGER2(rhadd, Wide(a) + Wide(b) + 1 >> 1)
METAL_INTEGER2(addsat, integer_detail::saturated<T>(__int128(a) + __int128(b)))
METAL_INTEGER2(subsat, integer_detail::saturated<T>(__int128(a) - __int128(b)))
#undef METAL_INTEGER2

template <class A, class B, class C>
constexpr auto madhi(A a, B b, C c) {
  return meet_t<A, B, C>(mulhi(a, b) + c);
}
template <class A, class B, class C>
constexpr auto mad24(A a, B b, C c) {
  return meet_t<A, B, C>(mul24(a, b) + c);
}
template <Scalar T>
constexpr T madsat(T a, T b, T c) {
  return integer_detail::saturated<T>(__int128(a) * __int128(b) + __int128(c));
}
METAL_OF_VECTORS(madsat)

template <Scalar T>
constexpr T extract_bits(T x, uint offset, uint bits) {
  if (bits == 0) return 0;
  const uint width = sizeof(T) * 8;
  return T(T(make_unsigned_t<T>(x) << (width - bits - offset)) >> (width - bits));
}
template <Scalar T>
constexpr T insert_bits(T base, T insert, uint offset, uint bits) {
  using U = make_unsigned_t<T>;
  if (bits == 0) return base;
  const U mask = U(U(U(~U(0)) >> (sizeof(T) * 8 - bits)) << offset);
  return T((U(base) & U(~mask)) | (U(U(insert) << offset) & mask));
}
template <class T, int N>
constexpr vec<T, N> extract_bits(vec<T, N> x, uint offset, uint bits) {
  return x.map([=](T c) { return extract_bits(c, offset, bits); });
}
template <class T, int N>
constexpr vec<T, N> insert_bits(vec<T, N> base, vec<T, N> insert, uint offset, uint bits) {
  return zip([=](T a, T b) { return insert_bits(a, b, offset, bits); }, base, insert);
}

}  // namespace metal
