#include "src/backends/metal/memory.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "src/backends/metal/gpu.h"

namespace flashtile::inline v0_2::metal {
namespace {

struct Known {
  int device;
  NS::SharedPtr<MTL::Buffer> buffer;
};
struct Table {
  std::mutex mutex;
  std::map<std::uint64_t, Known> by_address;
};
Table& table() {
  static Table& known = *new Table;  // tensors may outlive static objects
  return known;
}

}  // namespace

NS::SharedPtr<MTL::Buffer> new_buffer(int device, std::size_t bytes, Storage storage) {
  const auto options =
      storage == Storage::shared ? MTL::ResourceStorageModeShared : MTL::ResourceStorageModePrivate;
  auto buffer = NS::TransferPtr(gpu(device).device->newBuffer(bytes > 0 ? bytes : 1, options));
  if (!buffer)
    throw Error(ErrorCode::out_of_memory, "newBuffer: no " + std::to_string(bytes) + " bytes of device memory");
  return buffer;
}

void* remember(int device, const NS::SharedPtr<MTL::Buffer>& buffer) {
  const std::uint64_t address = buffer->gpuAddress();
  const std::lock_guard lock(table().mutex);
  table().by_address.insert_or_assign(address, Known{device, buffer});
  return reinterpret_cast<void*>(address);
}

void forget(void* address) {
  const std::lock_guard lock(table().mutex);
  table().by_address.erase(reinterpret_cast<std::uint64_t>(address));
}

Place find(const void* address) {
  const auto at = reinterpret_cast<std::uint64_t>(address);
  const std::lock_guard lock(table().mutex);
  auto next = table().by_address.upper_bound(at);
  if (next == table().by_address.begin()) return {};
  const auto& [start, known] = *--next;
  if (at - start >= known.buffer->length()) return {};
  return {known.device, known.buffer, at - start};
}

std::vector<NS::SharedPtr<MTL::Buffer>> all_buffers(int device) {
  std::vector<NS::SharedPtr<MTL::Buffer>> all;
  const std::lock_guard lock(table().mutex);
  for (const auto& [address, known] : table().by_address)
    if (known.device == device) all.push_back(known.buffer);
  return all;
}

}  // namespace flashtile::inline v0_2::metal
