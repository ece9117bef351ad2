// The memory of device metal-emulated: host memory between inaccessible pages, so that a kernel which leaves a tensor is
// caught.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace flashtile::metal_emulated {

/// Zeros, until the last owner is gone. Errors: out_of_memory.
std::shared_ptr<void> allocate(std::size_t bytes);

/// All that is allocated now.
std::vector<std::span<std::byte>> allocated();

/// Does it lie in memory that allocate() gave?
bool is_allocated(const void* data);

}  // namespace flashtile::metal_emulated
