// <metal_logging>: os_log, whose lines become notes of the launch.
#pragma once

#include "vec.h"

namespace metal {

struct os_log {
  constexpr os_log(const char*, const char*) {}

#define METAL_LOG(name)                                                \
  template <class... A>                                                \
  METAL_UNCHECKED void name(const char* format, A... values) const {   \
    char text[512];                                                    \
    __builtin_snprintf(text, sizeof text, format, printed(values)...); \
    metal_device::runtime->log(text);                                  \
  }
  METAL_LOG(log)
  METAL_LOG(log_debug)
  METAL_LOG(log_info)
  METAL_LOG(log_error)
  METAL_LOG(log_fault)
#undef METAL_LOG

 private:
  template <class A>
  static auto printed(A value) {
    static_assert(!Vector<A>, "log the components of a vector one by one");
    if constexpr (is_floating_point_v<A>)
      return double(value);
    else
      return value;
  }
};
inline constexpr os_log os_log_default("", "");

}  // namespace metal
