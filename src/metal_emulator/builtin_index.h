// The built-in indices that a kernel's parameters may ask for by attribute.
#pragma once

#include <cstdint>
#include <string_view>

#include "src/metal_emulator/device/abi.h"

namespace flashtile::metal_emulator {

using ::metal_device::Dim;

/// Where one thread is, and how large everything around it is.
struct ThreadPlace {
  Dim thread, threadgroup;  ///< positions: in the threadgroup, and of it in the grid
  Dim threads;              ///< of this threadgroup
  Dim full_threads;         ///< of one that the grid's edge does not cut off
  Dim threadgroups, grid;   ///< of the grid, counted in threadgroups and in threads
  std::uint32_t index = 0;  ///< of the thread in its threadgroup, x fastest
};

/// The number of an attribute like "thread_position_in_grid"; -1 when it names no built-in index.
int builtin_index(std::string_view attribute);

/// The value of a built-in index for a thread; scalars are in x.
Dim builtin_value(int builtin, const ThreadPlace& place);

}  // namespace flashtile::metal_emulator
