// The queue of a call. Called by each op's road.
#pragma once

#include <optional>
#include <string>

#include "flashtile/device.h"
#include "flashtile/error.h"

namespace flashtile::inline v0_2::ops {

/// The queue of a call's options, or else the default one of `device`, where its tensor `where` is.
/// Errors: invalid_argument for a queue of another device; unsupported when the device is not there.
inline Queue queue_of(const char* op, const std::optional<Queue>& given, Device device, const char* where) {
  if (!given) return Queue::default_for(device);
  if (given->device() != device) {
    throw Error(ErrorCode::invalid_argument, std::string(op) + ": options.queue is one of " +
                                                 name(given->device()) + ", " + where + " is on " +
                                                 name(device) + "; they must match");
  }
  return *given;
}

}  // namespace flashtile::inline v0_2::ops
