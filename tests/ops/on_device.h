// Tensors of a test on another device: all of their memory, so that what lies around the elements is there too.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "tests/ops/attention/cases.h"
#include "tests/ops/on_metal_emulated.h"

namespace flashtile::test {

/// A stored tensor on a device; on the CPU it is the tensor itself.
class Moved {
 public:
  Moved(Stored& original, Device device) : original_(original), memory_(original.memory), view_(original.view) {
    if (device == Device::cpu()) return;
    memory_ = copy_to(original.memory, device);
    const std::ptrdiff_t first =
        static_cast<std::byte*>(original.view.data) - static_cast<std::byte*>(original.memory.data());
    view_.data = static_cast<std::byte*>(memory_.data()) + first;
    view_.device = device;
  }
  operator const TensorView&() const { return view_; }
  const TensorView& view() const { return view_; }

  /// Brings what the device has written into the stored tensor; waits for it.
  void bring_back() const {
    if (view_.device == Device::cpu()) return;
    const Tensor written = copy_to(memory_, Device::cpu());
    std::memcpy(original_.memory.data(), written.data(), written.size_bytes());
  }

 private:
  Stored& original_;
  Tensor memory_;
  TensorView view_;
};

/// The devices that have the kernels of FLASHTILE_KERNEL, which merge_attention and others of one kernel are.
inline std::vector<Device> devices_with_small_kernels() {
  std::vector<Device> all = devices_under_test();
  std::erase_if(all, [](Device d) { return d.type != DeviceType::cpu && d.type != DeviceType::cuda; });
  return all;
}

/// The name of a device as a part of a test's name.
inline std::string word(Device device) { return as_test_name(name(device)); }

}  // namespace flashtile::test
