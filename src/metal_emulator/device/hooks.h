// The compiler's thread-sanitizer instrumentation calls these before every load and store of a kernel; they ask the emulator
// instead of the sanitizer's own library, which is not linked.
#pragma once

#include "runtime.h"

namespace metal_device {
/// Constructors of constants run before the emulator is there.
METAL_UNCHECKED inline void hooked(const void* address, size_t bytes, Access access,
                                   const void* return_address) {
  if (runtime != nullptr) runtime->touch(address, bytes, access, return_address);
}
}  // namespace metal_device

#define METAL_HOOK extern "C" __attribute__((no_sanitize("thread"), visibility("hidden"), used)) void
#define METAL_ACCESS(name, bytes, kind)                                                            \
  METAL_HOOK name(void* address) {                                                                 \
    metal_device::hooked(address, bytes, metal_device::Access::kind, __builtin_return_address(0)); \
  }
#define METAL_ACCESSES(bytes)                             \
  METAL_ACCESS(__tsan_read##bytes, bytes, read)           \
  METAL_ACCESS(__tsan_write##bytes, bytes, write)         \
  METAL_ACCESS(__tsan_unaligned_read##bytes, bytes, read) \
  METAL_ACCESS(__tsan_unaligned_write##bytes, bytes, write)
METAL_ACCESSES(1)
METAL_ACCESSES(2)
METAL_ACCESSES(4)
METAL_ACCESSES(8)
METAL_ACCESSES(16)
#define METAL_RANGE(name, kind)                                                                    \
  METAL_HOOK name(void* address, unsigned long bytes) {                                            \
    metal_device::hooked(address, bytes, metal_device::Access::kind, __builtin_return_address(0)); \
  }
METAL_RANGE(__tsan_read_range, read)
METAL_RANGE(__tsan_write_range, write)

METAL_HOOK __tsan_init() {}
METAL_HOOK __tsan_func_entry(void* caller) {
  if (metal_device::runtime != nullptr) metal_device::runtime->stack_check(__builtin_frame_address(0), caller);
}
METAL_HOOK __tsan_func_exit() {}
METAL_HOOK __tsan_vptr_read(void*) {}
METAL_HOOK __tsan_vptr_update(void*, void*) {}

#undef METAL_HOOK
#undef METAL_ACCESS
#undef METAL_ACCESSES
#undef METAL_RANGE
