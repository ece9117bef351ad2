// The headers of device/, as text inside the library, so that a program needs no files beside it to compile kernels.
#pragma once

#include <span>

namespace flashtile::metal_emulator {

struct DeviceHeader {
  const char* name;
  const char* text;
};

std::span<const DeviceHeader> device_headers();

}  // namespace flashtile::metal_emulator
