// From a kernel's C++ type to its parameter table: the host compiler knows the types, the translator adds the attributes.
#pragma once

#include "tensor.h"

namespace metal_device {

template <metal::Vector T>
METAL_UNCHECKED T function_constant(uint16_t index, const char* name) {
  T value;
  for (int i = 0; i < metal::components<T>; ++i)
    value.s[i] = function_constant_number<metal::remove_cvref_t<decltype(value.s[i])>>(index, name, i);
  return value;
}

template <class A>
struct Bind {
  static constexpr bool is_pointer = false, is_reference = false, is_const = false;
  static constexpr uint32_t element_bytes = 0, alignment = 1;
  /// A built-in index, as a scalar or a vector of two or three.
  METAL_UNCHECKED static A make(const Argument& argument) {
    constexpr int n = metal::components<A>;
    if constexpr (n == 1)
      return A(argument.value[0]);
    else if constexpr (n == 2)
      return A(argument.value[0], argument.value[1]);
    else {
      static_assert(
          n == 3,
          "a kernel's parameter is a pointer, a reference, or a built-in index of one to three numbers");
      return A(argument.value[0], argument.value[1], argument.value[2]);
    }
  }
};
/// Of untyped pointers, bytes.
template <class T>
inline constexpr uint32_t size_of = sizeof(T);
template <class T>
inline constexpr uint32_t alignment_of = alignof(T);
template <class T>
  requires(metal::is_void_v<T>)
inline constexpr uint32_t size_of<T> = 1;
template <class T>
  requires(metal::is_void_v<T>)
inline constexpr uint32_t alignment_of<T> = 1;
template <class T>
struct Bind<T*> {
  static constexpr bool is_pointer = true, is_reference = false, is_const = metal::is_const_v<T>;
  static constexpr uint32_t element_bytes = size_of<T>, alignment = alignment_of<T>;
  METAL_UNCHECKED static T* make(const Argument& argument) { return static_cast<T*>(argument.pointer); }
};
template <class T>
struct Bind<T&> {
  static constexpr bool is_pointer = false, is_reference = true, is_const = metal::is_const_v<T>;
  static constexpr uint32_t element_bytes = sizeof(T), alignment = alignof(T);
  METAL_UNCHECKED static T& make(const Argument& argument) { return *static_cast<T*>(argument.pointer); }
};

/// A tensor that the host binds.
template <class E, class X, class... Tags>
struct Bind<metal::tensor<E, X, metal::tensor_handle, Tags...>> {
  using Tensor = metal::tensor<E, X, metal::tensor_handle, Tags...>;
  static constexpr bool is_pointer = false, is_reference = false, is_const = metal::is_const_v<E>;
  static constexpr uint32_t element_bytes = sizeof(typename Tensor::Stored), alignment = element_bytes;
  METAL_UNCHECKED static Tensor make(const Argument& argument) {
    return Tensor(argument.pointer, *argument.tensor);
  }
  template <size_t... R>
  METAL_UNCHECKED static void describe(Parameter& parameter, metal::index_sequence<R...>) {
    static const int64_t fixed[] = {int64_t(X::static_extent(R))...};
    parameter.rank = X::rank();
    parameter.element_bits = element_bytes * 8 / Tensor::kInByte;
    parameter.fixed_extents = fixed;
  }
};
template <class A>
METAL_UNCHECKED void describe_tensor(Parameter& parameter) {
  if constexpr (requires { typename Bind<A>::Tensor; })
    Bind<A>::describe(parameter, metal::make_index_sequence<Bind<A>::Tensor::kRank>());
}

template <class... A>
struct Signature {
  template <size_t... I>
  METAL_UNCHECKED static void call(void* function, const Argument* arguments, metal::index_sequence<I...>) {
    reinterpret_cast<void (*)(A...)>(function)(Bind<A>::make(arguments[I])...);
  }
  METAL_UNCHECKED static void call(void* function, const Argument* arguments) {
    call(function, arguments, metal::make_index_sequence<sizeof...(A)>());
  }
};

/// The row of a kernel. `parameters` has an entry for each of its parameters, whose types are filled in here.
template <class... A>
METAL_UNCHECKED KernelRow describe(const char* name, void (*kernel)(A...), Parameter* parameters,
                                   const char* file, uint32_t line, uint32_t most_threads) {
  Parameter* next = parameters;
  (((next->is_pointer = Bind<A>::is_pointer, next->is_reference = Bind<A>::is_reference,
     next->is_const = Bind<A>::is_const, next->element_bytes = Bind<A>::element_bytes,
     next->alignment = Bind<A>::alignment, describe_tensor<A>(*next)),
    ++next),
   ...);
  return {name,       file,        line, most_threads, &Signature<A...>::call, reinterpret_cast<void*>(kernel),
          parameters, sizeof...(A)};
}

}  // namespace metal_device
