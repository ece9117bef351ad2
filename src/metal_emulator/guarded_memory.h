// Memory between inaccessible pages: a buffer's last byte lies before one, so that a kernel which runs past the end is caught
// even where nothing is checked, and no other buffer is near.
#pragma once

#include <cstddef>
#include <span>

namespace flashtile::metal_emulator {

/// How far around a buffer an address is taken for a miss of that buffer.
inline constexpr std::size_t kGuardBytes = std::size_t{1} << 20;

class GuardedMemory {
 public:
  GuardedMemory() = default;
  /// Zero bytes, aligned to 16. Errors: out_of_memory.
  explicit GuardedMemory(std::size_t bytes);
  GuardedMemory(GuardedMemory&& other) noexcept;
  GuardedMemory& operator=(GuardedMemory&& other) noexcept;
  ~GuardedMemory();

  std::span<std::byte> bytes() const { return {data_, bytes_}; }
  bool contains(const std::byte* address, std::size_t size) const {
    return address >= data_ && static_cast<std::size_t>(address - data_) + size <= bytes_;
  }
  bool near(const std::byte* address) const {
    return data_ != nullptr && address >= data_ - kGuardBytes && address < data_ + bytes_ + kGuardBytes;
  }

 private:
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace flashtile::metal_emulator
