// vec<T, N>, its packed form, and the swizzles that the kernel file uses: METAL_SWIZZLES(X) lists them as X(name, i, j, ...).
#pragma once

#include "traits.h"

#ifndef METAL_SWIZZLES
#define METAL_SWIZZLES(X)
#endif

namespace metal {

template <class T, int N>
struct vec;
template <class T, int N>
struct packed_vec;

/// How many numbers a type holds: 1 for scalars, N for vectors, 0 for anything else.
template <class T>
inline constexpr int components = is_arithmetic_v<T> ? 1 : 0;
template <class T, int N>
inline constexpr int components<vec<T, N>> = N;
template <class T, int N>
inline constexpr int components<packed_vec<T, N>> = N;
template <class T>
concept Vector = (components<remove_cvref_t<T>> > 1);
template <class T>
concept Scalar = (components<remove_cvref_t<T>> == 1);

/// Storage under both of its names. Packed vectors have no padding and are aligned like one element; of the others a vec3
/// occupies four elements.
enum class Packing { none, packed };
template <class T, int N, Packing packing>
struct alignas(packing == Packing::packed ? alignof(T) : N * sizeof(T))
    fields {  // of 8 or 16, which kernels index
  T s[N];
};
template <class T, Packing packing>
struct alignas(packing == Packing::packed ? alignof(T) : 2 * sizeof(T)) fields<T, 2, packing> {
  union {
    T s[2];
    struct {
      T x, y;
    };
    struct {
      T r, g;
    };
  };
};
template <class T, Packing packing>
struct alignas(packing == Packing::packed ? alignof(T) : 4 * sizeof(T)) fields<T, 3, packing> {
  union {
    T s[packing == Packing::packed ? 3 : 4];
    struct {
      T x, y, z;
    };
    struct {
      T r, g, b;
    };
  };
};
template <class T, Packing packing>
struct alignas(packing == Packing::packed ? alignof(T) : 4 * sizeof(T)) fields<T, 4, packing> {
  union {
    T s[4];
    struct {
      T x, y, z, w;
    };
    struct {
      T r, g, b, a;
    };
  };
};

/// Some components of a vector, to be assigned to.
template <class V, int... I>
struct SwizzleReference {
  V& whole;
  using T = remove_reference_t<decltype(whole.s[0])>;
  using Value = vec<T, sizeof...(I)>;
  constexpr operator Value() const { return Value(whole.s[I]...); }
  constexpr void operator=(Value value) {
    int k = 0;
    ((whole.s[I] = value.s[k++]), ...);
  }
#define METAL_ASSIGN(op) \
  constexpr void operator op## = (Value value) { *this = Value(*this) op value; }
  METAL_ASSIGN(+)
  METAL_ASSIGN(-)
  METAL_ASSIGN(*)
  METAL_ASSIGN(/)
  METAL_ASSIGN(&) METAL_ASSIGN(|) METAL_ASSIGN(^) METAL_ASSIGN(%) METAL_ASSIGN(<<) METAL_ASSIGN(>>)
#undef METAL_ASSIGN
};

#define METAL_PACKED_SWIZZLE(name, ...) \
  constexpr auto name() const { return vec<T, N>(*this).template swizzled<__VA_ARGS__>(); }
#define METAL_SWIZZLE(name, ...)                                  \
  constexpr auto name() const { return swizzled<__VA_ARGS__>(); } \
  constexpr auto name##_set() { return SwizzleReference<vec, __VA_ARGS__>{*this}; }

template <class T, int N>
struct vec : fields<T, N, Packing::none> {
  using fields<T, N, Packing::none>::s;

  vec() = default;
  constexpr vec(T value) {
    for (int i = 0; i < N; ++i) s[i] = value;
  }
  template <class U>
    requires(Scalar<U> && !is_same_v<U, T>)
  constexpr vec(U value) : vec(T(value)) {}
  template <class U>
    requires(!is_same_v<U, T>)
  constexpr explicit vec(const vec<U, N>& other) {
    for (int i = 0; i < N; ++i) s[i] = T(other.s[i]);
  }
  template <class U>
  constexpr vec(const packed_vec<U, N>& other) {
    for (int i = 0; i < N; ++i) s[i] = T(other.s[i]);
  }
  /// Scalars and vectors one after the other, N numbers in all; an initialiser {a, b} may have fewer, before zeros.
  template <class... A>
    requires(sizeof...(A) > 1 && ((components<remove_cvref_t<A>> > 0) && ...) &&
             (components<remove_cvref_t<A>> + ...) <= N)
  constexpr vec(const A&... parts) {
    int k = 0;
    (put(k, parts), ...);
    while (k < N) s[k++] = T(0);
  }

  template <class I>
  constexpr T& operator[](I i) {
    return s[i];
  }
  template <class I>
  constexpr const T& operator[](I i) const {
    return s[i];
  }

  template <int... I>
  constexpr auto swizzled() const {
    static_assert(((I < N) && ...), "the vector has fewer components than this swizzle names");
    return vec<T, sizeof...(I)>(s[I]...);
  }
  METAL_SWIZZLES(METAL_SWIZZLE)

#define METAL_OPERATOR(op)                                    \
  friend constexpr vec operator op(vec a, vec b) {            \
    vec r;                                                    \
    for (int i = 0; i < N; ++i) r.s[i] = T(a.s[i] op b.s[i]); \
    return r;                                                 \
  }                                                           \
  constexpr vec& operator op## = (vec b) { return *this = *this op b; }
  METAL_OPERATOR(+)
  METAL_OPERATOR(-)
  METAL_OPERATOR(*)
  METAL_OPERATOR(/)
  METAL_OPERATOR(&)
  METAL_OPERATOR(|)
  METAL_OPERATOR(^) METAL_OPERATOR(%) METAL_OPERATOR(<<) METAL_OPERATOR(>>)
#undef METAL_OPERATOR
#define METAL_COMPARISON(op)                                \
  friend constexpr vec<bool, N> operator op(vec a, vec b) { \
    vec<bool, N> r;                                         \
    for (int i = 0; i < N; ++i) r.s[i] = a.s[i] op b.s[i];  \
    return r;                                               \
  }
      METAL_COMPARISON(<) METAL_COMPARISON(>) METAL_COMPARISON(<=) METAL_COMPARISON(>=) METAL_COMPARISON(==)
          METAL_COMPARISON(!=) METAL_COMPARISON(&&) METAL_COMPARISON(||)
#undef METAL_COMPARISON
              constexpr vec operator-() const {
    return map([](T v) { return T(-v); });
  }
  constexpr vec operator~() const {
    return map([](T v) { return T(~v); });
  }
  constexpr vec<bool, N> operator!() const {
    vec<bool, N> r;
    for (int i = 0; i < N; ++i) r.s[i] = !s[i];
    return r;
  }
  constexpr vec& operator++() { return *this += vec(T(1)); }
  constexpr vec& operator--() { return *this -= vec(T(1)); }

  template <class F>
  constexpr vec map(F f) const {
    vec r;
    for (int i = 0; i < N; ++i) r.s[i] = f(s[i]);
    return r;
  }

 private:
  template <class A>
  constexpr void put(int& k, const A& part) {
    if constexpr (components<A> == 1)
      s[k++] = T(part);
    else
      for (int i = 0; i < components<A>; ++i) s[k++] = T(part.s[i]);
  }
};
/// N elements and no padding, aligned like one of them; becomes a vec for arithmetic.
template <class T, int N>
struct packed_vec : fields<T, N, Packing::packed> {
  using fields<T, N, Packing::packed>::s;

  packed_vec() = default;
  constexpr packed_vec(vec<T, N> v) {
    for (int i = 0; i < N; ++i) s[i] = v.s[i];
  }
  template <class... A>
    requires(sizeof...(A) > 1)
  constexpr packed_vec(const A&... parts) : packed_vec(vec<T, N>(parts...)) {}
  template <class I>
  constexpr T& operator[](I i) {
    return s[i];
  }
  template <class I>
  constexpr const T& operator[](I i) const {
    return s[i];
  }
#define METAL_OPERATOR(op)                                                                                    \
  friend constexpr vec<T, N> operator op(packed_vec a, packed_vec b) { return vec<T, N>(a) op vec<T, N>(b); } \
  friend constexpr vec<T, N> operator op(packed_vec a, T b) { return vec<T, N>(a) op vec<T, N>(b); }          \
  friend constexpr vec<T, N> operator op(T a, packed_vec b) { return vec<T, N>(a) op vec<T, N>(b); }          \
  constexpr packed_vec& operator op## = (vec<T, N> b) { return *this = packed_vec(vec<T, N>(*this) op b); }
  METAL_OPERATOR(+)
  METAL_OPERATOR(-)
  METAL_OPERATOR(*)
  METAL_OPERATOR(/)
#undef METAL_OPERATOR
  METAL_SWIZZLES(METAL_PACKED_SWIZZLE)
};
#undef METAL_SWIZZLE
#undef METAL_PACKED_SWIZZLE

}  // namespace metal

// The names that begin with vector_ and simd_, and those of namespace simd, are for files that hosts include too.
#define METAL_VECTORS(T)                         \
  using T##2 = metal::vec<T, 2>;                 \
  using T##3 = metal::vec<T, 3>;                 \
  using T##4 = metal::vec<T, 4>;                 \
  using packed_##T##2 = metal::packed_vec<T, 2>; \
  using packed_##T##3 = metal::packed_vec<T, 3>; \
  using packed_##T##4 = metal::packed_vec<T, 4>; \
  using vector_##T##2 = T##2;                    \
  using vector_##T##3 = T##3;                    \
  using vector_##T##4 = T##4;                    \
  using simd_##T##2 = T##2;                      \
  using simd_##T##3 = T##3;                      \
  using simd_##T##4 = T##4;                      \
  namespace simd {                               \
  using ::T##2;                                  \
  using ::T##3;                                  \
  using ::T##4;                                  \
  }
METAL_VECTORS(float)
METAL_VECTORS(half)
METAL_VECTORS(bfloat)
METAL_VECTORS(int)
METAL_VECTORS(uint)
METAL_VECTORS(short)
METAL_VECTORS(ushort)
METAL_VECTORS(char)
METAL_VECTORS(uchar)
METAL_VECTORS(bool)
METAL_VECTORS(long)
METAL_VECTORS(ulong)
#undef METAL_VECTORS
