// The work of one call, spread over the threads of a CPU queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/detail/run_on_cpu.h"
#include "src/backends/backend.h"

namespace flashtile::inline v0_2::ops {

/// Calls body(i, memory) for i in [0, count) on the queue's threads, in ascending order of start; memory is
/// `bytes` of scratch of that thread, 64-byte aligned.
template <class Body>
void on_threads(const Queue& queue, std::int64_t count, std::size_t bytes, const Body& body) {
  const auto call = [](const void* context, std::int64_t i, void* memory) {
    (*static_cast<const Body*>(context))(i, static_cast<std::byte*>(memory));
  };
  detail::run_on_cpu(queue, count, bytes, 1, call, &body);
}

/// Had one thread better do a call of so many multiply-adds?
inline bool is_for_one_thread(const Queue& queue, double multiply_adds) {
  constexpr double kWorthThreads = 1e6;  // below, a call is over before a second thread has woken up
  return multiply_adds < kWorthThreads || (queue.threads() == 1 && !queue.state().may_stop());
}

}  // namespace flashtile::inline v0_2::ops
