// Device metal-emulated: one device a layout of cooperative tensors. A program has it when it links this target.
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include "flashtile/error.h"
#include "src/backends/backend.h"
#include "src/metal_emulated/memory.h"

namespace flashtile::inline v0_2::backend {
namespace {

/// By device index: metal_emulator::Layout in its order.
constexpr const char* kLayouts[] = {"pre-m5", "m5", "os26.0", "os26.2"};
constexpr int kDevices = static_cast<int>(std::size(kLayouts));

class EmulatedQueue final : public Queue::State {
 public:
  explicit EmulatedQueue(int index) : index_(index) {}
  Device device() const noexcept override { return {DeviceType::metal_emulated, index_}; }
  void synchronize() const override {}  // a launch returns when it is done

 private:
  int index_;
};

class MetalEmulated final : public Backend {
 public:
  BackendInfo info() const override {
    BackendInfo result{DeviceType::metal_emulated, {}, ""};
    for (int i = 0; i < kDevices; ++i) {
      result.devices.push_back({.device = {DeviceType::metal_emulated, i},
                                .name = std::string("emulated Apple GPU, layout ") + kLayouts[i],
                                .architecture = kLayouts[i],
                                .memory_bytes = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
                                                static_cast<std::size_t>(sysconf(_SC_PAGESIZE)),
                                .compute_units = static_cast<int>(std::thread::hardware_concurrency())});
    }
    return result;
  }

  std::shared_ptr<void> allocate(std::size_t bytes, int index) const override {
    check(index);
    return metal_emulated::allocate(bytes);
  }
  std::shared_ptr<void> allocate_for(const Queue& queue, std::size_t bytes) const override {
    return allocate(bytes, queue.device().index);
  }
  void copy_from_host(int index, void* to, const void* from, std::size_t bytes) const override {
    copy(index, to, from, bytes);
  }
  void copy_to_host(int index, void* to, const void* from, std::size_t bytes) const override {
    copy(index, to, from, bytes);
  }
  std::string cannot_use(int, const void* data) const override {
    return metal_emulated::is_allocated(data) ? "" : "is memory of the host";
  }
  std::size_t most_threadgroup_bytes(int) const override { return 16384; }

  Queue default_queue(int index) const override {
    check(index);
    return Queue(std::make_shared<const EmulatedQueue>(index));
  }
  Queue queue_over(int, void*) const override {
    throw Error(ErrorCode::unsupported, "device: metal-emulated has no streams");
  }

 private:
  static void check(int index) {
    if (index >= 0 && index < kDevices) return;
    throw Error(ErrorCode::unsupported, "device: there is no metal-emulated:" + std::to_string(index) +
                                            "; there are " + std::to_string(kDevices));
  }
  static void copy(int index, void* to, const void* from, std::size_t bytes) {
    check(index);
    if (bytes > 0) std::memmove(to, from, bytes);
  }
};

[[maybe_unused]] const bool kIsUsed = [] {
  static const MetalEmulated backend;
  use_metal_emulated(backend);
  return true;
}();

}  // namespace
}  // namespace flashtile::inline v0_2::backend
