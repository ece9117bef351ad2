// A caller's own threads at work, and what becomes of a call when they do not do it. Called by queue.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "flashtile/device.h"

namespace flashtile::inline v0_2::backend {

/// Runs work on an executor. A body that the executor calls too late finds its call closed and does nothing.
class ExecutorCalls {
 public:
  explicit ExecutorCalls(Executor executor);
  ~ExecutorCalls();
  explicit operator bool() const { return static_cast<bool>(executor_); }

  /// Calls work(i) for each i in [0, count). Errors: invalid_argument when the executor has returned without
  /// calling its body count times; its own exceptions. `work` must not throw, and is not called any more.
  void run(std::int64_t count, const std::function<void(std::int64_t)>& work) const;

 private:
  struct Call;
  Call& take() const;

  Executor executor_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Call>> calls_;
};

}  // namespace flashtile::inline v0_2::backend
