// The memory that a way works in. Made by each op's road.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "flashtile/device.h"
#include "flashtile/error.h"
#include "src/backends/backend.h"

namespace flashtile::inline v0_2::ops {

/// The caller's, or memory of the queue's device for as long as this lives.
class Workspace {
 public:
  /// `given`: empty where the caller gives none.
  Workspace(const char* op, std::span<std::byte> given, const Queue& queue)
      : op_(op), given_(given), queue_(queue) {}

  /// Called once by a way, before it does anything; nullptr for 0 bytes.
  /// Errors: invalid_argument where the caller's memory is too small or not the device's; out_of_memory.
  std::byte* take(std::size_t bytes) {
    if (bytes == 0) return nullptr;
    const Device device = queue_.device();
    const backend::Backend& backend = backend::of(device.type);
    if (given_.empty()) {
      taken_ = backend.allocate_for(queue_, bytes);
      return static_cast<std::byte*>(taken_.get());
    }
    if (given_.size() < bytes)
      refuse("has " + std::to_string(given_.size()) + " bytes; this call needs " + std::to_string(bytes));
    if (const std::string why = backend.cannot_use(device.index, given_.data()); !why.empty())
      refuse(why + ", q is on " + name(device) + "; they must match");
    return given_.data();
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::invalid_argument, std::string(op_) + ": workspace " + what);
  }

  const char* op_;
  std::span<std::byte> given_;
  const Queue& queue_;
  std::shared_ptr<void> taken_;
};

}  // namespace flashtile::inline v0_2::ops
