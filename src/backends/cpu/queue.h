// The CPU's queue: a set of threads, each of which works on one call at a time. Called by
// the CPU backend and run_on_cpu.
#pragma once

#include <tbb/task_arena.h>

#include <cstdint>
#include <functional>

#include "src/backends/backend.h"
#include "src/backends/cpu/callers.h"
#include "src/backends/cpu/executor.h"

namespace flashtile::inline v0_2::backend {

class CpuQueue final : public Queue::State {
 public:
  explicit CpuQueue(CpuQueueOptions options);

  Device device() const noexcept override { return Device::cpu(); }
  int threads() const noexcept override { return threads_; }
  bool may_stop() const noexcept override { return static_cast<bool>(should_stop_); }
  void synchronize() const override {}  // every call has finished when it returns
  const CpuQueue* as_cpu_queue() const noexcept override { return this; }

  /// The caller's wish to end its calls; empty when it has none.
  const std::function<bool()>& should_stop() const noexcept { return should_stop_; }

  /// Calls work(i) for each i in [0, count), on up to threads() threads at once. `work` must not throw.
  /// Errors: invalid_argument for an executor that does not do its work, and in a forked child that lost threads.
  void for_each(std::int64_t count, const std::function<void(std::int64_t)>& work) const;

 private:
  int threads_;
  std::function<bool()> should_stop_;
  ExecutorCalls executor_;
  mutable Callers callers_;
  mutable tbb::task_arena arena_;  // its calls are safe from any thread, but not const
};

/// The CpuQueue behind a queue of the CPU. Errors: invalid_argument for another device's queue.
const CpuQueue& cpu_queue(const Queue& queue);

}  // namespace flashtile::inline v0_2::backend
