// The Apple GPUs of this machine, and what each of them can. Called by the other files of this folder.
#pragma once

#include <string>
#include <vector>

#include "src/backends/metal/api.h"

namespace flashtile::inline v0_2::metal {

/// One GPU that has what the simplest kernels of ours need: simdgroup matrices and addresses in buffers.
struct Gpu {
  MTL::Device* device;
  bool has_tensor_ops;  ///< Metal 4 on the GPU, and macOS 26, whose compiler knows it
};

/// In Metal's order; the process keeps them. Others, such as those of Intel's Macs, are left out.
const std::vector<Gpu>& gpus();

/// Why there are none; empty when there are some.
std::string reason_for_none();

/// The GPU of an index. Errors: unsupported when it is not there.
const Gpu& gpu(int index);

/// Is this at least macOS `major`?
bool macos_is_at_least(int major);

}  // namespace flashtile::inline v0_2::metal
