// <metal_atomic>. Each call is one atomic operation of the host; it is checked for bounds, and never counts as a race.
#pragma once

#include "simd.h"

enum memory_order {
  memory_order_relaxed = __ATOMIC_RELAXED,
  memory_order_acquire = __ATOMIC_ACQUIRE,
  memory_order_release = __ATOMIC_RELEASE,
  memory_order_acq_rel = __ATOMIC_ACQ_REL,
  memory_order_seq_cst = __ATOMIC_SEQ_CST,
};

namespace metal {

using ::memory_order;
using ::memory_order_relaxed;

template <class T>
struct atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || is_same_v<T, bool>,
                "Metal has atomics of int, uint, float, ulong and bool");
  T value;
};
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_float = atomic<float>;
using atomic_ulong = atomic<ulong>;
using atomic_bool = atomic<bool>;

namespace atomic_detail {

template <class T>
METAL_UNCHECKED T* at(const volatile atomic<T>* object, const metal_device::Site& site) {
  T* value = const_cast<T*>(&object->value);
  metal_device::touch(value, sizeof(T), metal_device::Access::atomic, site);
  return value;
}

/// Replaces the value by `change` of it and gives the old one.
template <class T, class Change>
METAL_UNCHECKED T fetch(const volatile atomic<T>* object, const metal_device::Site& site, Change change) {
  T* value = at(object, site);
  T old;
  __atomic_load(value, &old, __ATOMIC_RELAXED);
  for (;;) {
    T changed = change(old);
    if (__atomic_compare_exchange(value, &old, &changed, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) return old;
  }
}

}  // namespace atomic_detail

template <class T>
METAL_UNCHECKED void atomic_store_explicit(volatile atomic<T>* object, remove_cv_t<T> wanted, memory_order,
                                           METAL_HERE) {
  __atomic_store(atomic_detail::at(object, METAL_SITE("atomic_store_explicit")), &wanted, __ATOMIC_SEQ_CST);
}
template <class T>
METAL_UNCHECKED T atomic_load_explicit(const volatile atomic<T>* object, memory_order, METAL_HERE) {
  T value;
  __atomic_load(atomic_detail::at(object, METAL_SITE("atomic_load_explicit")), &value, __ATOMIC_SEQ_CST);
  return value;
}
template <class T>
METAL_UNCHECKED bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, T* expected,
                                                           remove_cv_t<T> wanted, memory_order, memory_order,
                                                           METAL_HERE) {
  T* value = atomic_detail::at(object, METAL_SITE("atomic_compare_exchange_weak_explicit"));
  return __atomic_compare_exchange(value, expected, &wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#define METAL_FETCH(name, result)                                                                              \
  template <class T>                                                                                           \
  METAL_UNCHECKED T atomic_##name##_explicit(volatile atomic<T>* object, remove_cv_t<T> operand, memory_order, \
                                             METAL_HERE) {                                                     \
    return atomic_detail::fetch(object, METAL_SITE("atomic_" #name "_explicit"),                               \
                                [=](T old) METAL_UNCHECKED { return T(result); });                             \
  }
METAL_FETCH(exchange, operand)
METAL_FETCH(fetch_add, old + operand)
METAL_FETCH(fetch_sub, old - operand)
METAL_FETCH(fetch_and, old& operand)
METAL_FETCH(fetch_or, old | operand)
METAL_FETCH(fetch_xor, old ^ operand)
METAL_FETCH(fetch_min, old < operand ? old : operand)
METAL_FETCH(fetch_max, old < operand ? operand : old)
#undef METAL_FETCH

/// Orders nothing here: threads of a threadgroup take turns, and barriers are what the checks know.
inline void atomic_thread_fence(mem_flags, memory_order) {}

}  // namespace metal
