// The order of one parallel loop, said where the thread sanitizer sees it: oneTBB orders what was before a
// loop, its work and what is after it, but is not built with the sanitizer. Called by queue.cc, which for that
// sanitizer is built without it, too.
#pragma once

#include <atomic>
#include <cstdint>

namespace flashtile {
namespace backend {

/// begin() before the loop, enter() and leave() around each piece of work, end() after the loop.
class Order {
 public:
  void begin();
  void enter();
  void leave();
  void end();

 private:
  std::atomic<std::int64_t> done_{0};
};

}  // namespace backend
}  // namespace flashtile
