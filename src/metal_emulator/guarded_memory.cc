#include "src/metal_emulator/guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "flashtile/error.h"

namespace flashtile::metal_emulator {
namespace {

constexpr std::size_t kAlignment = 16;  // of a buffer, as Metal's own at least

std::size_t rounded_up(std::size_t value, std::size_t step) { return (value + step - 1) / step * step; }

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes) : bytes_(bytes) {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t aligned = rounded_up(bytes, kAlignment), room = rounded_up(aligned + 1, page);
  mapped_ = room + 2 * kGuardBytes;
  mapping_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  std::byte* first = static_cast<std::byte*>(mapping_) + kGuardBytes;
  if (mapping_ == MAP_FAILED || mprotect(first, room, PROT_READ | PROT_WRITE) != 0) {
    if (mapping_ != MAP_FAILED) munmap(mapping_, mapped_);
    throw Error(ErrorCode::out_of_memory,
                "metal emulator: no memory for a buffer of " + std::to_string(bytes) + " bytes");
  }
  data_ = first + (room - aligned);
}

GuardedMemory::GuardedMemory(GuardedMemory&& other) noexcept { *this = std::move(other); }

GuardedMemory& GuardedMemory::operator=(GuardedMemory&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

GuardedMemory::~GuardedMemory() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

}  // namespace flashtile::metal_emulator
