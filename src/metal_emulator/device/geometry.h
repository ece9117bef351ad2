// <metal_geometric>.
#pragma once

#include "math.h"

namespace metal {

template <class T, int N>
constexpr T dot(vec<T, N> a, vec<T, N> b) {
  T sum = a.s[0] * b.s[0];
  for (int i = 1; i < N; ++i) sum = T(sum + a.s[i] * b.s[i]);
  return sum;
}
template <class T>
constexpr vec<T, 3> cross(vec<T, 3> a, vec<T, 3> b) {
  return {a.s[1] * b.s[2] - a.s[2] * b.s[1], a.s[2] * b.s[0] - a.s[0] * b.s[2],
          a.s[0] * b.s[1] - a.s[1] * b.s[0]};
}
template <class T, int N>
constexpr T length_squared(vec<T, N> v) {
  return dot(v, v);
}
template <class T, int N>
T length(vec<T, N> v) {
  return T(sqrt(dot(v, v)));
}
template <class T, int N>
constexpr T distance_squared(vec<T, N> a, vec<T, N> b) {
  return length_squared(a - b);
}
template <class T, int N>
T distance(vec<T, N> a, vec<T, N> b) {
  return length(a - b);
}
template <class T, int N>
vec<T, N> normalize(vec<T, N> v) {
  return v / vec<T, N>(length(v));
}
template <class T, int N>
constexpr vec<T, N> faceforward(vec<T, N> n, vec<T, N> i, vec<T, N> reference) {
  return dot(reference, i) < T(0) ? n : -n;
}
template <class T, int N>
constexpr vec<T, N> reflect(vec<T, N> i, vec<T, N> n) {
  return i - n * vec<T, N>(T(2) * dot(n, i));
}
template <class T, int N>
vec<T, N> refract(vec<T, N> i, vec<T, N> n, T eta) {
  const T along = dot(n, i), k = T(T(1) - eta * eta * (T(1) - along * along));
  return k < T(0) ? vec<T, N>(T(0)) : i * vec<T, N>(eta) - n * vec<T, N>(T(eta * along + T(sqrt(k))));
}

}  // namespace metal
