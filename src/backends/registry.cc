// Finds the backend of a device, and everything of device.h that is the same for all of them.
#include <charconv>
#include <string_view>
#include <utility>

#include "flashtile/device_memory.h"
#include "flashtile/error.h"
#include "src/backends/backend.h"
#include "src/core/attempt.h"

namespace flashtile::inline v0_2 {
namespace backend {
namespace {

/// Takes the place of a backend that this build does not have.
class MissingBackend final : public Backend {
 public:
  MissingBackend(DeviceType type, const char* reason) : type_(type), reason_(reason) {}

  BackendInfo info() const override { return {type_, {}, reason_}; }
  std::shared_ptr<void> allocate(std::size_t, int) const override { refuse(); }
  std::shared_ptr<void> allocate_for(const Queue&, std::size_t) const override { refuse(); }
  void copy_from_host(int, void*, const void*, std::size_t) const override { refuse(); }
  void copy_to_host(int, void*, const void*, std::size_t) const override { refuse(); }
  Queue default_queue(int) const override { refuse(); }
  Queue queue_over(int, void*) const override { refuse(); }

 private:
  [[noreturn]] void refuse() const { throw Error(ErrorCode::unsupported, "device: " + reason_); }

  DeviceType type_;
  std::string reason_;
};

std::string_view type_name(DeviceType type) {
  switch (type) {
    case DeviceType::cpu: return "cpu";
    case DeviceType::cuda: return "cuda";
    case DeviceType::metal: return "metal";
    case DeviceType::metal_emulated: return "metal-emulated";
  }
  return {};
}

const Backend*& metal_emulated() {
  static const Backend* backend = nullptr;
  return backend;
}

}  // namespace

void use_metal_emulated(const Backend& backend) { metal_emulated() = &backend; }

const Backend& of(DeviceType type) {
  static const MissingBackend no_cuda(DeviceType::cuda, "this build of flashtile has no CUDA backend");
  static const MissingBackend no_metal_emulated(DeviceType::metal_emulated,
                                                "this program does not link flashtile's emulated Metal device");
  static const MissingBackend no_metal(DeviceType::metal, "this build of flashtile has no Metal backend");
  switch (type) {
    case DeviceType::cpu: return cpu();
    case DeviceType::cuda:
#if FLASHTILE_HAS_CUDA
      return cuda();
#else
      return no_cuda;
#endif
    case DeviceType::metal:
#if FLASHTILE_HAS_METAL
      return metal_gpus();
#else
      return no_metal;
#endif
    case DeviceType::metal_emulated: return metal_emulated() != nullptr ? *metal_emulated() : no_metal_emulated;
  }
  throw Error(ErrorCode::invalid_argument, "device: there is none of DeviceType(" +
                                               std::to_string(static_cast<int>(type)) +
                                               "); expected cpu, cuda, metal or metal_emulated");
}

}  // namespace backend

std::string name(Device device) {
  const std::string_view known = backend::type_name(device.type);
  if (device == Device::cpu()) return std::string(known);
  const std::string type =
      known.empty() ? "DeviceType(" + std::to_string(static_cast<int>(device.type)) + ")" : std::string(known);
  return type + ":" + std::to_string(device.index);
}

Device parse_device(const std::string& text) {
  const std::size_t colon = text.find(':');
  for (const DeviceType type :
       {DeviceType::cpu, DeviceType::cuda, DeviceType::metal, DeviceType::metal_emulated}) {
    if (text.substr(0, colon) != backend::type_name(type)) continue;
    if (colon == std::string::npos) return {type, 0};
    int index = -1;
    const char* first = text.data() + colon + 1;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(first, last, index);
    if (error == std::errc{} && end == last && index >= 0 && (type != DeviceType::cpu || index == 0))
      return {type, index};
  }
  throw Error(ErrorCode::invalid_argument,
              "device: \"" + text +
                  "\" names no device; expected cpu, cuda, cuda:N, metal, metal:N, metal-emulated or "
                  "metal-emulated:N");
}

std::vector<BackendInfo> backends() {
  std::vector<BackendInfo> all;
  for (const DeviceType type : {DeviceType::cpu, DeviceType::cuda, DeviceType::metal})
    all.push_back(backend::of(type).info());
  if (backend::metal_emulated() != nullptr) all.push_back(backend::metal_emulated()->info());
  return all;
}

void release_memory(Device device) { backend::of(device.type).release_unused(device.index); }

Queue Queue::cuda(int device_index, void* stream) {
  return backend::of(DeviceType::cuda).queue_over(device_index, stream);
}

Queue Queue::default_for(Device device) { return backend::of(device.type).default_queue(device.index); }

Result<Queue> Queue::try_cpu(CpuQueueOptions options) noexcept {
  return core::attempt([&] { return cpu(std::move(options)); });
}
Result<Queue> Queue::try_cuda(int device_index, void* stream) noexcept {
  return core::attempt([&] { return cuda(device_index, stream); });
}
Result<Queue> Queue::try_default_for(Device device) noexcept {
  return core::attempt([&] { return default_for(device); });
}

Queue::Queue(std::shared_ptr<const State> state) : state_(std::move(state)) {
  if (state_ == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "Queue: state is null; expected one of a queue that Queue::cpu, cuda or default_for made");
  }
}

Device Queue::device() const noexcept { return state_->device(); }
int Queue::threads() const noexcept { return state_->threads(); }
void* Queue::native_stream() const noexcept { return state_->native_stream(); }
void Queue::synchronize() const { state_->synchronize(); }

}  // namespace flashtile::inline v0_2
