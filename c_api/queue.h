// A queue as C holds it.
#pragma once

#include <optional>

#include "flashtile/device.h"
#include "flashtile/flashtile.h"

struct flashtile_queue {
  flashtile::Queue queue;
};

namespace flashtile::c_api {

inline std::optional<Queue> queue_of(const flashtile_queue* queue) {
  return queue != nullptr ? std::optional<Queue>(queue->queue) : std::nullopt;
}

}  // namespace flashtile::c_api
