// The emulator as seen from a compiled kernel file: the pointer to it, and the markers that the translator writes.
#pragma once

#include <source_location>

#include "abi.h"

#define METAL_UNCHECKED __attribute__((no_sanitize("thread")))
// Where a collective was called. As a default argument it survives inlining and unrolling, and it has the column, because two
// collectives may share a line.
#define METAL_HERE std::source_location here = std::source_location::current()
#define METAL_SITE(what) \
  ::metal_device::Site { what, here.file_name(), here.line(), here.column() }

#ifndef METAL_CHECKED
#define METAL_CHECKED 1
#endif

namespace metal_device {

inline Runtime* runtime = nullptr;

/// A place for functions that cannot take METAL_HERE: their caller's, found by its address. They must not be inlined.
#define METAL_CALLER(what) \
  ::metal_device::Site { what, "the kernel", 0, 0, __builtin_return_address(0) }

METAL_UNCHECKED inline uint32_t lane_id() { return runtime->thread_index() % kLanes; }
METAL_UNCHECKED inline uint32_t simdgroup_id() { return runtime->thread_index() / kLanes; }

/// Around a statement that contains collectives; the body of a function is one that does not count.
struct Region {
  const bool counted;
  METAL_UNCHECKED explicit Region(bool counts = true) : counted(counts) { runtime->enter_region(counted); }
  METAL_UNCHECKED ~Region() { runtime->leave_region(counted); }
};
METAL_UNCHECKED inline bool iterate() {
  runtime->next_iteration();
  return true;
}

template <class T>
struct identity {
  using type = T;
};

/// A variable in threadgroup memory. It never begins to live as a C++ object: like Metal's, it has no constructor.
template <class Identity, uint32_t id>
METAL_UNCHECKED __attribute__((noinline)) typename Identity::type& threadgroup_variable(const char* name) {
  using T = typename Identity::type;
  return *static_cast<T*>(
      runtime->threadgroup_variable(id, sizeof(T), alignof(T), name, METAL_CALLER("threadgroup")));
}

/// { [first ... last] = value }: the translator writes a call for each such range of an array's initialiser.
template <class T, size_t n, class V>
void fill_range(const T (&array)[n], size_t first, size_t last, V value) {
  for (size_t i = first; i <= last; ++i) const_cast<T&>(array[i]) = value;
}

/// Which function constants were given a value.
inline bool constant_is_defined[65536];

template <class T>
METAL_UNCHECKED T function_constant_number(uint16_t index, const char* name, int component) {
  double real = 0;
  int64_t integer = 0;
  constant_is_defined[index] = runtime->function_constant(index, component, name, real, integer);
  if constexpr (T(0.5) != T(0) && sizeof(T) > 1)
    return T(real);
  else
    return T(integer);
}
template <class T>
METAL_UNCHECKED T function_constant(uint16_t index, const char* name) {
  return function_constant_number<T>(index, name, 0);
}
METAL_UNCHECKED inline bool is_defined(uint16_t index) { return constant_is_defined[index]; }

/// Announces an access that code of these headers makes for the kernel.
METAL_UNCHECKED inline void touch(const volatile void* address, size_t bytes, Access access, const Site& site) {
#if METAL_CHECKED
  runtime->touch(const_cast<const void*>(address), bytes, access, site);
#else
  (void)address, (void)bytes, (void)access, (void)site;
#endif
}

}  // namespace metal_device
