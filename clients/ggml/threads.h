// The threads of the host.
#pragma once

#include <cstdint>
#include <functional>

#include "flashtile/device.h"

namespace flashtile_ggml {

/// As many threads as the host works with. They are OpenMP's where the plug-in was built with it, and so ggml's own, which
/// wait by spinning and would take the processor from others.
class Threads {
 public:
  explicit Threads(int count);

  int count() const { return count_; }
  /// Where flashtile puts its work.
  const flashtile::Queue& queue() const { return queue_; }
  /// Calls body(i) for each i in [0, count), and rethrows the first exception.
  void for_each(std::int64_t count, const std::function<void(std::int64_t)>& body) const;

 private:
  int count_;
  flashtile::Queue queue_;
};

}  // namespace flashtile_ggml
