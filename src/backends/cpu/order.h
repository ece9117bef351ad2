// Happens-before edges of one oneTBB loop for ThreadSanitizer. oneTBB orders a loop after what precedes it and
// before what follows, but it is not built with the sanitizer, which therefore does not see that order. Called
// by queue.cc, which is not instrumented either.
#pragma once

#include <atomic>
#include <cstdint>

namespace flashtile::inline v0_2 {
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
}  // namespace flashtile::inline v0_2
