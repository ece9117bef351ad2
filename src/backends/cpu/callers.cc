#include "src/backends/cpu/callers.h"

#include <pthread.h>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::backend {
namespace {

constexpr std::uint64_t kOneFork = std::uint64_t{1} << 32;

std::atomic<std::uint64_t> forks{0};
std::atomic<std::int64_t> callers_of_all_queues{0};
std::atomic<bool> lost_threads{false};

void begin_as_child() {
  forks.fetch_add(kOneFork);
  if (callers_of_all_queues.exchange(0) != 0) lost_threads = true;
}

/// In units of kOneFork.
std::uint64_t forks_behind_us() noexcept {
  static const int registered = pthread_atfork(nullptr, nullptr, begin_as_child);
  static_cast<void>(registered);
  return forks.load(std::memory_order_relaxed);
}

}  // namespace

Callers::Callers() noexcept : state_(forks_behind_us()) {}

void Callers::enter() {
  const std::uint64_t now = forks_behind_us();
  std::uint64_t state = state_.load(std::memory_order_relaxed), next;
  do {
    const bool same_process = state / kOneFork == now / kOneFork;
    if (!same_process && state % kOneFork != 0) {
      throw Error(
          ErrorCode::invalid_argument,
          "options.queue was busy when this process was forked from its parent, and its threads are not here; "
          "make a new one with Queue::cpu() in this process");
    }
    next = (same_process ? state : now) + 1;
  } while (!state_.compare_exchange_weak(state, next, std::memory_order_acq_rel, std::memory_order_relaxed));
  callers_of_all_queues.fetch_add(1);
}

void Callers::leave() noexcept {
  callers_of_all_queues.fetch_sub(1);
  state_.fetch_sub(1, std::memory_order_release);
}

bool has_lost_threads() noexcept { return lost_threads.load(std::memory_order_relaxed); }

}  // namespace flashtile::inline v0_2::backend
