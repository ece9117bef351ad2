// run_on_cpu: the threadgroups of a kernel, spread over a queue's threads.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "flashtile/detail/run_on_cpu.h"
#include "flashtile/error.h"
#include "src/backends/cpu/queue.h"
#include "src/backends/cpu/stack.h"
#include "src/core/float_environment.h"

namespace flashtile::inline v0_2 {
namespace backend {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLargeKernelStack = std::size_t{512} << 10;

struct AlignedDelete {
  void operator()(void* memory) const noexcept { ::operator delete(memory, std::align_val_t{kAlignment}); }
};
using AlignedMemory = std::unique_ptr<void, AlignedDelete>;

AlignedMemory aligned_memory(std::size_t bytes) {
  void* memory = ::operator new(bytes, std::align_val_t{kAlignment}, std::nothrow);
  if (memory == nullptr) {
    throw Error(ErrorCode::out_of_memory,
                "launch: no " + std::to_string(bytes) + " bytes of threadgroup memory");
  }
  return AlignedMemory(memory);
}

/// This thread's threadgroup memory. It is kept between launches, so that a warm call allocates nothing; a
/// launch made from inside a kernel gets memory of its own.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : nested_(kept().busy) {
    if (nested_) {
      own_ = aligned_memory(bytes);
      return;
    }
    Kept& k = kept();
    if (k.bytes < bytes) {
      k.memory.reset();  // first, so that both are never held at once
      k.bytes = 0;
      k.memory = aligned_memory(bytes);
      k.bytes = bytes;
    }
    k.busy = true;
  }
  ~Scratch() {
    if (!nested_) kept().busy = false;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* data() const { return nested_ ? own_.get() : kept().memory.get(); }

 private:
  struct Kept {
    AlignedMemory memory;
    std::size_t bytes = 0;
    bool busy = false;
  };
  static Kept& kept() {
    thread_local Kept instance;
    return instance;
  }

  bool nested_;
  AlignedMemory own_;
};

/// One launch: the indices still to be done, and the first exception.
class Work {
 public:
  Work(std::int64_t count, std::int64_t workers, const std::function<bool()>& should_stop)
      : count_(count),
        chunk_(std::clamp<std::int64_t>(count / (workers * 64), 1, 64)),
        should_stop_(should_stop) {}

  /// Takes the next indices, in ascending order; none are left when begin == end, or after a failure.
  struct Range {
    std::int64_t begin, end;
  };
  Range take() {
    const std::int64_t begin = next_.fetch_add(chunk_, std::memory_order_acq_rel);
    if (begin >= count_ || failed_.load(std::memory_order_acquire) || stopped()) return {0, 0};
    return {begin, std::min(begin + chunk_, count_)};
  }

  void fail(std::exception_ptr exception) noexcept {
    if (!failed_.exchange(true, std::memory_order_acq_rel)) exception_ = std::move(exception);
  }

  /// After all workers are done.
  void finish() {
    next_.load(std::memory_order_acquire);
    if (failed_.load(std::memory_order_acquire)) std::rethrow_exception(exception_);
  }

 private:
  /// Asks the caller, and fails when it wants no more.
  bool stopped() noexcept {
    if (!should_stop_) return false;
    try {
      if (!should_stop_()) return false;
      throw Error(ErrorCode::cancelled, "cancelled: the queue's should_stop said so");
    } catch (...) {
      fail(std::current_exception());
    }
    return true;
  }

  const std::int64_t count_, chunk_;
  const std::function<bool()>& should_stop_;
  std::atomic<std::int64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr exception_;
};

/// A barrier that threads may leave for good; those that stay wait only for each other.
class Barrier {
 public:
  /// Before any thread waits.
  void reset(int members) {
    members_ = members;
    waiting_ = 0;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    if (++waiting_ == members_) return release();
    const std::uint64_t phase = phase_;
    released_.wait(lock, [&] { return phase_ != phase; });
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--members_ > 0 && waiting_ == members_) release();
  }

 private:
  void release() {
    waiting_ = 0;
    ++phase_;
    released_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable released_;
  int members_ = 0, waiting_ = 0;
  std::uint64_t phase_ = 0;
};

/// The running thread's place in its threadgroup; empty if the threadgroup has one simdgroup.
struct Membership {
  int simdgroup = 0, simdgroups = 1;
  Barrier* barrier = nullptr;
};
thread_local Membership membership;

using Body = void (*)(const void* context, std::int64_t i, void* memory);

/// As many threads as a threadgroup has simdgroups; they run one threadgroup after another.
class Team {
 public:
  Team(int simdgroups, std::size_t bytes) : simdgroups_(simdgroups), memory_(aligned_memory(bytes)) {
    gate_.reset(simdgroups);
  }

  void start(Work& work, Body body, const void* context) {
    for (int s = 0; s < simdgroups_; ++s) {
      try {
        threads_.push_back(std::make_unique<LargeThread>([=, this, &work] { run(s, work, body, context); }));
      } catch (...) {  // the machine has no more threads: those that started see the failure and stop
        work.fail(std::current_exception());
        for (; s < simdgroups_; ++s) gate_.leave();
      }
    }
  }
  void join() { threads_.clear(); }

 private:
  void run(int simdgroup, Work& work, Body body, const void* context) {
    membership = {simdgroup, simdgroups_, &barrier_};
    const core::FloatEnvironment environment(subnormals_);
    for (;;) {
      if (simdgroup == 0) {
        range_ = work.take();
        barrier_.reset(simdgroups_);
      }
      gate_.wait();
      const Work::Range range = range_;
      if (range.begin == range.end) return;
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        try {
          body(context, i, memory_.get());
        } catch (...) {
          work.fail(std::current_exception());
        }
        barrier_.leave();
        gate_.wait();  // no thread is in the threadgroup any more
        if (simdgroup == 0) barrier_.reset(simdgroups_);
        gate_.wait();
      }
    }
  }

  const int simdgroups_;
  const core::Subnormals subnormals_ = core::FloatEnvironment::subnormals();  ///< of the thread that launches
  AlignedMemory memory_;
  Barrier gate_, barrier_;
  Work::Range range_{0, 0};
  std::vector<std::unique_ptr<LargeThread>> threads_;  ///< last: they use what is above
};

void run_teams(const CpuQueue& queue, std::int64_t count, std::size_t bytes, int simdgroups, Body body,
               const void* context) {
  const std::int64_t teams = std::clamp<std::int64_t>(queue.threads() / simdgroups, 1, count);
  Work work(count, teams, queue.should_stop());
  std::vector<std::unique_ptr<Team>> running;
  for (std::int64_t t = 0; t < teams; ++t) running.push_back(std::make_unique<Team>(simdgroups, bytes));
  for (const auto& team : running) team->start(work, body, context);
  for (const auto& team : running) team->join();
  work.finish();
}

}  // namespace
}  // namespace backend

namespace detail {

std::int64_t threadgroups_on_cpu(const Queue& queue, std::int64_t x, std::int64_t y, std::int64_t z) {
  if (queue.device().type != DeviceType::cpu) {
    throw Error(ErrorCode::unsupported,
                "launch: this kernel was compiled for CPUs; the queue is of " + name(queue.device()));
  }
  std::int64_t plane = 0, count = 0;
  if (x < 0 || y < 0 || z < 0 || __builtin_mul_overflow(x, y, &plane) ||
      __builtin_mul_overflow(plane, z, &count)) {
    throw Error(ErrorCode::invalid_argument,
                "launch: the grid is " + std::to_string(x) + " x " + std::to_string(y) + " x " +
                    std::to_string(z) + "; expected sizes of 0 or more and fewer than 2^63 threadgroups");
  }
  return count;
}

void run_on_cpu(const Queue& queue, std::int64_t count, std::size_t bytes, int simdgroups,
                void (*body)(const void* context, std::int64_t i, void* memory), const void* context,
                KernelStack stack) {
  const backend::CpuQueue& cpu = backend::cpu_queue(queue);
  if (count < 0) {
    throw Error(ErrorCode::invalid_argument,
                "launch: the grid has " + std::to_string(count) + " threadgroups; expected 0 or more");
  }
  if (count == 0) return;
  if (simdgroups > 1) return backend::run_teams(cpu, count, bytes, simdgroups, body, context);

  const std::int64_t workers = std::min<std::int64_t>(cpu.threads(), count);
  backend::Work work(count, workers, cpu.should_stop());
  const core::Subnormals subnormals = core::FloatEnvironment::subnormals();  // also on other threads
  const auto work_off_here = [&] {
    // A launch from inside a kernel of several simdgroups: this one's threadgroups have one.
    const backend::Membership outer = std::exchange(backend::membership, {});
    try {
      const core::FloatEnvironment environment(subnormals);
      const backend::Scratch memory(bytes);
      for (auto range = work.take(); range.begin < range.end; range = work.take()) {
        for (std::int64_t i = range.begin; i < range.end; ++i) body(context, i, memory.data());
      }
    } catch (...) {
      work.fail(std::current_exception());
    }
    backend::membership = outer;
  };
  const auto work_off = [&](std::int64_t) {
    if (stack == KernelStack::small || backend::stack_has(backend::kLargeKernelStack)) return work_off_here();
    try {
      const backend::LargeThread thread(work_off_here);
    } catch (...) {
      work.fail(std::current_exception());
    }
  };
  cpu.for_each(workers, std::cref(work_off));  // by reference: a std::function of one pointer allocates nothing
  work.finish();
}

int simdgroup_index_on_cpu() noexcept { return backend::membership.simdgroup; }

void threadgroup_barrier_on_cpu() {
  if (backend::membership.barrier != nullptr) backend::membership.barrier->wait();
}

void check_scope_on_cpu(int simdgroups) {
  const int threadgroup = backend::membership.simdgroups;
  if (simdgroups == threadgroup) return;
  throw Error(ErrorCode::invalid_argument, "launch: the kernel uses the scope execution_simdgroups<" +
                                               std::to_string(simdgroups) + ">, and its kSimdgroups is " +
                                               std::to_string(threadgroup) +
                                               "; a scope is one simdgroup or the whole threadgroup");
}

void refuse_on_cpu(const char* why) { throw Error(ErrorCode::invalid_argument, why); }

}  // namespace detail
}  // namespace flashtile::inline v0_2
