// Apple GPUs as a backend: devices, memory, queues.
#include "src/backends/backend.h"

#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "src/backends/metal/gpu.h"
#include "src/backends/metal/launch.h"
#include "src/backends/metal/memory.h"
#include "src/backends/metal/queue.h"

namespace flashtile::inline v0_2::backend {
namespace {

using namespace metal;

class MetalBackend final : public Backend {
 public:
  BackendInfo info() const override {
    const Pool pool;
    BackendInfo result{DeviceType::metal, {}, reason_for_none()};
    for (int i = 0; i < static_cast<int>(gpus().size()); ++i) {
      MTL::Device& device = *gpu(i).device;
      const bool has_architecture = macos_is_at_least(14);
      result.devices.push_back(
          {.device = {DeviceType::metal, i},
           .name = text(device.name()),
           .architecture = has_architecture ? text(device.architecture()->name()) : "apple",
           .memory_bytes = static_cast<std::size_t>(device.recommendedMaxWorkingSetSize())});
    }
    return result;
  }

  /// Shared by host and GPU, so that copies need no GPU. Released once nothing on the device may use it.
  std::shared_ptr<void> allocate(std::size_t bytes, int device) const override {
    const Pool pool;
    void* const address = remember(device, new_buffer(device, bytes, Storage::shared));
    return {address, [device](void* owned) {
              MetalQueue::wait_for_all(device);
              forget(owned);
            }};
  }

  std::shared_ptr<void> allocate_for(const Queue& queue, std::size_t bytes) const override {
    const Pool pool;
    const int device = queue.device().index;
    void* const address = remember(device, new_buffer(device, bytes, Storage::unshared));
    return {address, [queue](void* owned) { state_of(queue).release_after_work(owned); }};
  }

  void copy_from_host(int device, void* to, const void* from, std::size_t bytes) const override {
    if (bytes > 0) std::memcpy(on_host(device, to, bytes), from, bytes);
  }
  void copy_to_host(int device, void* to, const void* from, std::size_t bytes) const override {
    if (bytes > 0) std::memcpy(to, on_host(device, from, bytes), bytes);
  }

  std::string cannot_use(int device, const void* data) const override {
    const Place place = find(data);
    if (!place.buffer)
      return "is memory that flashtile did not allocate on " + name({DeviceType::metal, device});
    return place.device == device ? "" : "is on " + name({DeviceType::metal, place.device});
  }
  std::string_view cannot_run(std::string_view kernel_text, int device) const override {
    if (kernel_text == "tensor_ops")
      return gpu(device).has_tensor_ops ? "" : "matmul2d needs a GPU with Metal 4, and macOS 26";
    return matrix_map_known(device)
               ? ""
               : "this GPU spreads simdgroup matrices over its lanes in an order of its own";
  }
  std::size_t most_threadgroup_bytes(int device) const override {
    return static_cast<std::size_t>(gpu(device).device->maxThreadgroupMemoryLength());
  }

  Queue default_queue(int device) const override {
    gpu(device);
    static std::mutex mutex;
    static auto& queues = *new std::map<int, Queue>;
    const std::lock_guard lock(mutex);
    const auto found = queues.find(device);
    return found != queues.end() ? found->second
                                 : queues.emplace(device, queue_over(device, nullptr)).first->second;
  }
  Queue queue_over(int device, void* queue) const override {
    const Pool pool;
    return Queue(std::make_shared<const MetalQueue>(device, static_cast<MTL::CommandQueue*>(queue)));
  }

 private:
  /// Asked once a device, since it takes a kernel to know.
  bool matrix_map_known(int device) const {
    static std::mutex mutex;
    static auto& answers = *new std::map<int, bool>;
    const std::lock_guard lock(mutex);
    const auto found = answers.find(device);
    if (found != answers.end()) return found->second;
    return answers[device] = matrix_map_is_known(default_queue(device));
  }
  /// Where the host reads and writes device memory, once no work on the device may touch it.
  static std::byte* on_host(int device, const void* address, std::size_t bytes) {
    const Pool pool;
    const Place place = find(address);
    if (!place.buffer || place.device != device || place.buffer->contents() == nullptr ||
        bytes > place.buffer->length() - place.offset) {
      throw Error(ErrorCode::invalid_argument,
                  "copy: this is no tensor of " + name({DeviceType::metal, device}));
    }
    MetalQueue::wait_for_all(device);
    return static_cast<std::byte*>(place.buffer->contents()) + place.offset;
  }
};

}  // namespace

const Backend& metal_gpus() {
  static const MetalBackend backend;
  return backend;
}

}  // namespace flashtile::inline v0_2::backend
