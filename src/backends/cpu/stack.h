// Room on the stack for kernels that keep their tiles there. Called by run.cc.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>

namespace flashtile::inline v0_2::backend {

/// Does the calling thread have so many bytes of stack left? Also true where the system does not tell. False on a
/// stack that is not the thread's own, like a coroutine's.
bool stack_has(std::size_t bytes) noexcept;

/// A thread with 8 MiB of stack, of which it touches what it needs; std::thread has 128 KiB with musl. Its
/// destructor waits for it.
class LargeThread {
 public:
  /// `body` must not throw. Errors: out_of_memory when the system has no more threads.
  explicit LargeThread(std::function<void()> body);
  ~LargeThread() { pthread_join(thread_, nullptr); }
  LargeThread(const LargeThread&) = delete;
  LargeThread& operator=(const LargeThread&) = delete;

 private:
  std::function<void()> body_;
  pthread_t thread_;
};

}  // namespace flashtile::inline v0_2::backend
