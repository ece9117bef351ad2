#include "src/backends/cpu/executor.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::backend {

/// What one call shares with its bodies. An executor that returns too early may still hold the body, so this
/// lives as long as the queue, and is not used again unless all bodies have come.
struct ExecutorCalls::Call {
  bool taken = true;
  const std::function<void(std::int64_t)>* work = nullptr;
  std::atomic<bool> open{false};
  std::atomic<std::int64_t> started{0}, running{0};
  const std::function<void(std::int64_t)> body = [this](std::int64_t i) {
    ++running;
    if (open) {
      ++started;
      (*work)(i);
    }
    --running;
  };

  /// From here on bodies do nothing, and none is running any more. Returns how many there were.
  std::int64_t close() {
    open = false;
    while (running != 0) std::this_thread::yield();
    return started;
  }
};

ExecutorCalls::ExecutorCalls(Executor executor) : executor_(std::move(executor)) {}
ExecutorCalls::~ExecutorCalls() = default;

ExecutorCalls::Call& ExecutorCalls::take() const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(calls_.begin(), calls_.end(), [](const auto& call) { return !call->taken; });
  Call& call = found != calls_.end() ? **found : *calls_.emplace_back(std::make_unique<Call>());
  call.taken = true;
  return call;
}

void ExecutorCalls::run(std::int64_t count, const std::function<void(std::int64_t)>& work) const {
  Call& call = take();
  call.work = &work;
  call.started = 0;
  call.open = true;
  std::int64_t bodies = 0;
  const auto end = [&] {
    bodies = call.close();
    const std::lock_guard lock(mutex_);
    if (bodies >= count) call.taken = false;
  };
  try {
    executor_(count, call.body);
  } catch (...) {
    end();
    throw;
  }
  end();
  if (bodies < count) {
    throw Error(ErrorCode::invalid_argument, "Queue::cpu: executor called its body " + std::to_string(bodies) +
                                                 " times and returned; expected " + std::to_string(count) +
                                                 " calls, all of them ended");
  }
}

}  // namespace flashtile::inline v0_2::backend
