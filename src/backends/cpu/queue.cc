#include "src/backends/cpu/queue.h"

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "flashtile/error.h"
#include "src/backends/cpu/order.h"

namespace flashtile::inline v0_2 {
namespace backend {
namespace {

constexpr int kMostThreads = 1 << 16;  ///< oneTBB takes memory for each of them

int checked_threads(int threads) {
  if (threads < 0 || threads > kMostThreads) {
    throw Error(ErrorCode::invalid_argument, "Queue::cpu: threads is " + std::to_string(threads) +
                                                 "; expected 1 ... " + std::to_string(kMostThreads) +
                                                 ", or 0 for the default");
  }
  return threads;
}

/// FLASHTILE_THREADS, or else every hardware thread that this process may run on.
int default_threads() {
  const char* text = std::getenv("FLASHTILE_THREADS");
  if (text == nullptr || *text == '\0') return tbb::info::default_concurrency();
  const std::string_view digits(text);
  int threads = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), threads);
  if (error != std::errc{} || end != digits.data() + digits.size() || threads < 1 || threads > kMostThreads) {
    throw Error(ErrorCode::invalid_argument, "FLASHTILE_THREADS is \"" + std::string(digits) +
                                                 "\"; expected a whole number, 1 ... " +
                                                 std::to_string(kMostThreads));
  }
  return threads;
}

/// How many threads oneTBB gives an arena. Of a larger request it would print a warning.
int threads_of_arena(int threads) {
  return std::min(
      threads,
      static_cast<int>(tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism)));
}

}  // namespace

CpuQueue::CpuQueue(CpuQueueOptions options)
    : threads_(checked_threads(options.threads) > 0 ? options.threads : default_threads()),
      should_stop_(std::move(options.should_stop)),
      executor_(std::move(options.executor)),
      arena_(threads_of_arena(threads_)) {}

void CpuQueue::for_each(std::int64_t count, const std::function<void(std::int64_t)>& work) const {
  if (count == 1) return work(0);
  if (executor_) return executor_.run(count, work);
  callers_.enter();
  const struct Leaver {
    Callers& callers;
    ~Leaver() { callers.leave(); }
  } leaver{callers_};
  if (has_lost_threads()) {
    for (std::int64_t i = 0; i < count; ++i) work(i);
    return;
  }
  Order order;
  order.begin();
  arena_.execute([&] {  // on another thread when the arena is full
    tbb::parallel_for(
        std::int64_t{0}, count,
        [&](std::int64_t i) {
          order.enter();
          work(i);
          order.leave();
        },
        tbb::simple_partitioner());
  });
  order.end();
}

const CpuQueue& cpu_queue(const Queue& queue) {
  const CpuQueue* state = queue.state().as_cpu_queue();
  if (state == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "launch: this kernel is compiled for the CPU, and its queue is one of " + name(queue.device()) +
                    " that Queue::cpu has not made");
  }
  return *state;
}

}  // namespace backend

Queue Queue::cpu(CpuQueueOptions options) {
  return Queue(std::make_shared<const backend::CpuQueue>(std::move(options)));
}

}  // namespace flashtile::inline v0_2
