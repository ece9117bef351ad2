// Memory of Apple GPUs. The rest of the library knows it by its address on the GPU, as kernels do, which the host must not read.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "src/backends/metal/api.h"

namespace flashtile::inline v0_2::metal {

/// shared: the host can copy to and from it without the GPU. unshared: for the GPU alone, in Metal's mode "private".
enum class Storage { shared, unshared };

/// A new buffer, at least one byte. Errors: unsupported, out_of_memory.
NS::SharedPtr<MTL::Buffer> new_buffer(int device, std::size_t bytes, Storage storage);

/// Makes the buffer known by its address until forget(), and gives that address.
void* remember(int device, const NS::SharedPtr<MTL::Buffer>& buffer);
void forget(void* address);

/// A place in a buffer that remember() was told of.
struct Place {
  int device = -1;
  NS::SharedPtr<MTL::Buffer> buffer{};  ///< null: the address is in none
  std::size_t offset = 0;
};
Place find(const void* address);

/// Every buffer of a device, which kernels may reach through pointers.
std::vector<NS::SharedPtr<MTL::Buffer>> all_buffers(int device);

}  // namespace flashtile::inline v0_2::metal
