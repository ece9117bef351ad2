// Who is inside a queue's threads, so that a forked child learns of those that it has lost. Called by queue.cc.
#pragma once

#include <atomic>
#include <cstdint>

namespace flashtile::inline v0_2::backend {

/// Counts the calls that are inside. fork() copies the count, but not the threads: a child in which it was not 0
/// waits for ever for work that they had taken.
class Callers {
 public:
  Callers() noexcept;

  /// Errors: invalid_argument in the child of a fork that happened while somebody was inside.
  void enter();
  void leave() noexcept;

 private:
  std::atomic<std::uint64_t> state_;  ///< how many forks this process has behind it, and 32 bits of callers
};

/// Was this process forked while somebody was inside of any queue? One of oneTBB's locks may then be held by a thread that
/// is not here, so that only the calling thread can work.
bool has_lost_threads() noexcept;

}  // namespace flashtile::inline v0_2::backend
