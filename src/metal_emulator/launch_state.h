// What every threadgroup of a launch shares: the kernel, its arguments, and the launch's sizes and modes. Read only while a
// kernel runs.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "src/metal_emulator/device/abi.h"
#include "src/metal_emulator/guarded_memory.h"
#include "src/metal_emulator/source_line.h"

namespace flashtile::metal_emulator {

using ::metal_device::Dim;

struct LaunchState {
  const ::metal_device::KernelRow* kernel = nullptr;
  Dim grid_threads;  ///< threads of the whole grid
  Dim threadgroups;  ///< threadgroups of the grid
  Dim threads;       ///< of a threadgroup that is not cut off by the grid's edge
  bool checked = true, poisons = true;
  ::metal_device::Layout layout = ::metal_device::Layout::before_m5;
  ::metal_device::Numerics numerics = ::metal_device::Numerics::sequential;
  std::size_t threadgroup_limit = 32768;

  struct Bound {
    int index = 0;
    const GuardedMemory* memory = nullptr;
  };
  std::vector<Bound> buffers;
  std::span<const std::span<std::byte>> resident;
  std::map<int, ::metal_device::HostTensor> tensors;  ///< of the parameters that are tensors, by buffer number
  std::map<int, std::size_t> threadgroup_bytes;       ///< of [[threadgroup(i)]] parameters
  std::vector<int> builtins;                          ///< a parameter each: which index it is, or -1
  const SourceLines* lines = nullptr;
  std::function<void(const std::string&)> log;  ///< of one line; from any worker
};

}  // namespace flashtile::metal_emulator
