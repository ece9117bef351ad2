// A header beside kernels, as third-party code has them: macros, a traits struct, and functions for several address spaces.
#pragma once
#include <metal_stdlib>
#define STEEL_CONST static constant constexpr const
#define STEEL_PRAGMA_UNROLL _Pragma("clang loop unroll(full)")
#define instantiate_kernel(name, func, ...) \
  template [[host_name(name)]] [[kernel]] decltype(func<__VA_ARGS__>) func<__VA_ARGS__>;

namespace numbers {

template <typename U>
struct Limits {
  static const constant U max = metal::numeric_limits<U>::max();
  static const constant U finite_min = metal::numeric_limits<U>::lowest();
};

template <typename T>
METAL_FUNC T first(const device T* p) {
  return p[0];
}
template <typename T>
METAL_FUNC T first(const threadgroup T* p) {
  return p[0];
}
template <typename T>
METAL_FUNC T first(const thread T* p) {
  return p[0];
}

template <typename P>
struct pointer_element {};
template <typename T>
struct pointer_element<device T*> {
  using type = metal::remove_cv_t<T>;
};
template <typename T>
struct pointer_element<const constant T*> {
  using type = metal::remove_cv_t<T>;
};
template <typename T>
struct pointer_element<threadgroup T*> {
  using type = metal::remove_cv_t<T>;
};
template <typename P>
using pointer_element_t = typename pointer_element<metal::remove_cv_t<P>>::type;

}  // namespace numbers
