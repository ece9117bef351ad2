#include "src/metal_emulated/memory.h"

#include <map>
#include <mutex>

#include "src/metal_emulator/guarded_memory.h"

namespace flashtile::metal_emulated {
namespace {

using metal_emulator::GuardedMemory;

struct Allocations {
  std::mutex mutex;
  std::map<const void*, GuardedMemory> by_address;
};

Allocations& allocations() {
  static Allocations* const all = new Allocations;  // tensors may outlive static objects
  return *all;
}

}  // namespace

std::shared_ptr<void> allocate(std::size_t bytes) {
  GuardedMemory memory((bytes + 63) / 64 * 64);  // whose start is then aligned to 64 bytes, as every backend's
  void* data = memory.bytes().data();
  const std::lock_guard lock(allocations().mutex);
  allocations().by_address.emplace(data, std::move(memory));
  return {data, [](void* owned) {
            const std::lock_guard lock_again(allocations().mutex);
            allocations().by_address.erase(owned);
          }};
}

std::vector<std::span<std::byte>> allocated() {
  const std::lock_guard lock(allocations().mutex);
  std::vector<std::span<std::byte>> all;
  for (const auto& [address, memory] : allocations().by_address) all.push_back(memory.bytes());
  return all;
}

bool is_allocated(const void* data) {
  const std::lock_guard lock(allocations().mutex);
  for (const auto& [address, memory] : allocations().by_address)
    if (memory.contains(static_cast<const std::byte*>(data), 0)) return true;
  return false;
}

}  // namespace flashtile::metal_emulated
