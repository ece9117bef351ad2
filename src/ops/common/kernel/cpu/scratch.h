// A thread's scratch memory on a CPU, handed out array by array.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/primitives.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// Without memory it counts how much is asked for, and hands out nullptr.
class Scratch {
 public:
  explicit Scratch(std::byte* memory = nullptr) : memory_(memory) {}

  /// The next `count` elements, from a cache line on.
  template <class E>
  E* take(std::int64_t count) {
    E* const here = memory_ == nullptr ? nullptr : reinterpret_cast<E*>(memory_ + bytes_);
    bytes_ += (static_cast<std::size_t>(count) * sizeof(E) + 63) / 64 * 64;
    return here;
  }
  std::size_t bytes() const { return bytes_; }  ///< that were handed out

 private:
  std::byte* memory_;
  std::size_t bytes_ = 0;
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
