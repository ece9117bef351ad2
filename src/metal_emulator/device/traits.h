// The parts of <metal_type_traits>, <metal_limits> and <metal_array> that kernels use, and as_type.
#pragma once

#include "types.h"

namespace metal {

using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::int8_t;
using ::ptrdiff_t;
using ::size_t;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::uint8_t;

// -- <metal_type_traits> ------------------------------------------------------------------------------------------------

template <class T, T v>
struct integral_constant {
  static constexpr T value = v;
  using value_type = T;
  using type = integral_constant;
  constexpr operator T() const { return v; }
  constexpr T operator()() const { return v; }
};
template <bool b>
using bool_constant = integral_constant<bool, b>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <bool b, class T = void>
struct enable_if {};
template <class T>
struct enable_if<true, T> {
  using type = T;
};
template <bool b, class T = void>
using enable_if_t = typename enable_if<b, T>::type;
template <bool b, class T, class U>
struct conditional {
  using type = T;
};
template <class T, class U>
struct conditional<false, T, U> {
  using type = U;
};
template <bool b, class T, class U>
using conditional_t = typename conditional<b, T, U>::type;

#define METAL_TRAIT(name, value_of)          \
  template <class T>                         \
  inline constexpr bool name##_v = value_of; \
  template <class T>                         \
  struct name : bool_constant<name##_v<T>> {};
#define METAL_STRIP(name, pattern, result) \
  template <class T>                       \
  struct name {                            \
    using type = T;                        \
  };                                       \
  template <class T>                       \
  struct name<pattern> {                   \
    using type = result;                   \
  };                                       \
  template <class T>                       \
  using name##_t = typename name<T>::type;
METAL_STRIP(remove_const, const T, T)
METAL_STRIP(remove_volatile, volatile T, T)
METAL_STRIP(remove_pointer, T*, T)
METAL_STRIP(remove_lvalue_reference, T&, T)
METAL_STRIP(remove_rvalue_reference, T&&, T)
#undef METAL_STRIP
template <class T>
using remove_reference_t = remove_rvalue_reference_t<remove_lvalue_reference_t<T>>;
template <class T>
struct remove_reference {
  using type = remove_reference_t<T>;
};
template <class T>
using remove_cv_t = remove_const_t<remove_volatile_t<T>>;
template <class T>
struct remove_cv {
  using type = remove_cv_t<T>;
};
template <class T>
using remove_cvref_t = remove_cv_t<remove_reference_t<T>>;
template <class T>
struct remove_extent {
  using type = T;
};
template <class T>
struct remove_extent<T[]> {
  using type = T;
};
template <class T, size_t n>
struct remove_extent<T[n]> {
  using type = T;
};
template <class T>
using remove_extent_t = typename remove_extent<T>::type;
template <class T>
using remove_addrspace_t = T;  // address spaces are gone by now
template <class T>
using decay_t = remove_cvref_t<T>;

template <class T, class U>
inline constexpr bool is_same_v = __is_same(T, U);
template <class T, class U>
struct is_same : bool_constant<is_same_v<T, U>> {};
template <class T, class... U>
inline constexpr bool is_one_of = (__is_same(T, U) || ...);

METAL_TRAIT(is_const, false)
template <class T>
inline constexpr bool is_const_v<const T> = true;
METAL_TRAIT(is_pointer, false)
template <class T>
inline constexpr bool is_pointer_v<T*> = true;
METAL_TRAIT(is_void, (is_same_v<remove_cv_t<T>, void>))
METAL_TRAIT(is_floating_point, (is_one_of<remove_cv_t<T>, float, half, bfloat, double>))
METAL_TRAIT(is_integral, (is_one_of<remove_cv_t<T>, bool, char, signed char, uchar, short, ushort, int, uint,
                                    long, ulong, long long, unsigned long long>))
METAL_TRAIT(is_arithmetic, (is_integral_v<T> || is_floating_point_v<T>))
METAL_TRAIT(is_scalar, (is_arithmetic_v<T>))
METAL_TRAIT(is_unsigned, (is_one_of<remove_cv_t<T>, bool, uchar, ushort, uint, ulong, unsigned long long>))
METAL_TRAIT(is_signed, (is_arithmetic_v<T> && !is_unsigned_v<T>))
METAL_TRAIT(is_enum, __is_enum(T))
METAL_TRAIT(is_class, __is_class(T))
METAL_TRAIT(is_union, __is_union(T))
METAL_TRAIT(is_volatile, (!is_same_v<T, remove_volatile_t<T>>))
METAL_TRAIT(is_lvalue_reference, (!is_same_v<T, remove_lvalue_reference_t<T>>))
METAL_TRAIT(is_rvalue_reference, (!is_same_v<T, remove_rvalue_reference_t<T>>))
METAL_TRAIT(is_reference, (is_lvalue_reference_v<T> || is_rvalue_reference_v<T>))
METAL_TRAIT(is_array, (!is_same_v<T, remove_extent_t<T>>))
METAL_TRAIT(is_trivially_copyable, __is_trivially_copyable(T))
#undef METAL_TRAIT

template <class T>
struct make_unsigned;
#define METAL_UNSIGNED(s, u) \
  template <>                \
  struct make_unsigned<s> {  \
    using type = u;          \
  };
METAL_UNSIGNED(char, uchar)
METAL_UNSIGNED(signed char, uchar)
METAL_UNSIGNED(uchar, uchar)
METAL_UNSIGNED(short, ushort)
METAL_UNSIGNED(ushort, ushort)
METAL_UNSIGNED(int, uint)
METAL_UNSIGNED(uint, uint)
METAL_UNSIGNED(long, ulong)
METAL_UNSIGNED(ulong, ulong)
#undef METAL_UNSIGNED
template <class T>
using make_unsigned_t = typename make_unsigned<T>::type;

template <class T>
struct make_signed;
#define METAL_SIGNED(u, s) \
  template <>              \
  struct make_signed<u> {  \
    using type = s;        \
  };
METAL_SIGNED(char, char)
METAL_SIGNED(signed char, signed char)
METAL_SIGNED(uchar, signed char)
METAL_SIGNED(short, short)
METAL_SIGNED(ushort, short)
METAL_SIGNED(int, int)
METAL_SIGNED(uint, int)
METAL_SIGNED(long, long)
METAL_SIGNED(ulong, long)
#undef METAL_SIGNED
template <class T>
using make_signed_t = typename make_signed<T>::type;
template <class T>
using underlying_type_t = __underlying_type(T);

template <class... T>
struct conjunction : bool_constant<(bool(T::value) && ...)> {};
template <class... T>
struct disjunction : bool_constant<(bool(T::value) || ...)> {};
template <class T>
struct negation : bool_constant<!bool(T::value)> {};
template <class... T>
using _disjunction = disjunction<T...>;  // the name that Apple's own headers use, and some kernels
template <class... T>
inline constexpr bool conjunction_v = conjunction<T...>::value;
template <class... T>
inline constexpr bool disjunction_v = disjunction<T...>::value;
template <class T>
inline constexpr bool negation_v = negation<T>::value;
template <class Base, class Derived>
inline constexpr bool is_base_of_v = __is_base_of(Base, Derived);
template <class Base, class Derived>
struct is_base_of : bool_constant<is_base_of_v<Base, Derived>> {};

template <size_t...>
struct index_sequence {};
template <size_t n>
struct make_indices {
#if defined(__clang__)
  template <class, size_t... I>
  using sequence = index_sequence<I...>;
  using type = __make_integer_seq<sequence, size_t, n>;
#else
  using type = index_sequence<__integer_pack(n)...>;
#endif
};
template <size_t n>
using make_index_sequence = typename make_indices<n>::type;

template <class T>
T&& declval();
template <class T, class U>
using common_t = remove_cvref_t<decltype(true ? declval<T>() : declval<U>())>;
template <class T, class U>
using common_type_t = common_t<T, U>;
template <class From, class To>
inline constexpr bool is_convertible_v = requires(void (*take)(To)) { take(declval<From>()); };
template <class From, class To>
struct is_convertible : bool_constant<is_convertible_v<From, To>> {};

// -- <metal_limits> -----------------------------------------------------------------------------------------------------

template <class T>
struct numeric_limits {
  static constexpr bool is_specialized = is_integral_v<T>, is_integer = true, is_signed = is_signed_v<T>;
  static constexpr bool has_infinity = false, has_quiet_NaN = false;
  static constexpr bool is_exact = is_specialized, is_bounded = is_specialized;
  static constexpr int radix = 2;
  static constexpr int digits = __is_same(T, bool) ? 1 : int(sizeof(T)) * 8 - (is_signed ? 1 : 0);
  static constexpr T max() {
    if constexpr (__is_same(T, bool))
      return true;
    else
      return T(~T(0) < T(0) ? T((T(1) << (digits - 1)) - 1 + (T(1) << (digits - 1))) : ~T(0));
  }
  static constexpr T min() {
    if constexpr (is_signed)
      return T(-max() - 1);
    else
      return T(0);
  }
  static constexpr T lowest() { return min(); }
  static constexpr T infinity() { return T(0); }
  static constexpr T epsilon() { return T(0); }
  static constexpr T denorm_min() { return T(0); }
};
#define METAL_LIMITS(T, most, least, epsilon_, digits_)                                \
  template <>                                                                          \
  struct numeric_limits<T> {                                                           \
    static constexpr bool is_specialized = true, is_integer = false, is_signed = true; \
    static constexpr bool has_infinity = true, has_quiet_NaN = true;                   \
    static constexpr int digits = digits_, radix = 2;                                  \
    static constexpr bool is_exact = false, is_bounded = true;                         \
    static constexpr T max() { return T(most); }                                       \
    static constexpr T lowest() { return T(-most); }                                   \
    static constexpr T min() { return T(least); }                                      \
    static constexpr T denorm_min() { return T(least * epsilon_); }                    \
    static constexpr T epsilon() { return T(epsilon_); }                               \
    static constexpr T infinity() { return T(__builtin_inff()); }                      \
    static constexpr T quiet_NaN() { return T(__builtin_nanf("")); }                   \
    static constexpr T signaling_NaN() { return T(__builtin_nansf("")); }              \
    static constexpr T round_error() { return T(0.5f); }                               \
  };
METAL_LIMITS(float, 3.402823466e+38f, 0x1p-126f, 0x1p-23f, 24)
METAL_LIMITS(half, 65504.0f, 0x1p-14f, 0x1p-10f, 11)
METAL_LIMITS(bfloat, 3.3895313892515355e38f, 0x1p-126f, 0x1p-7f, 8)
#undef METAL_LIMITS

// -- <metal_array>, as_type ---------------------------------------------------------------------------------------------

template <class T, size_t n>
struct array {
  T elements[n];
  constexpr T& operator[](size_t i) { return elements[i]; }
  constexpr const T& operator[](size_t i) const { return elements[i]; }
  constexpr size_t size() const { return n; }
  constexpr T* data() { return elements; }
  constexpr const T* data() const { return elements; }
  constexpr T* begin() { return elements; }
  constexpr T* end() { return elements + n; }
  constexpr const T* begin() const { return elements; }
  constexpr const T* end() const { return elements + n; }
};
template <class T, class... U>
array(T, U...) -> array<T, 1 + sizeof...(U)>;

}  // namespace metal

template <class To, class From>
constexpr To as_type(From from) {
  static_assert(sizeof(To) == sizeof(From), "as_type needs two types of the same size");
  return __builtin_bit_cast(To, from);
}
namespace metal {
using ::as_type;
template <class T>
constexpr T uniform_of(T value) {
  return value;
}
template <class T>
using uniform = T;
template <class T>
constexpr T make_uniform(T value) {
  return value;
}
}  // namespace metal
