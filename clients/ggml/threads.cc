#include "clients/ggml/threads.h"

#include <exception>

namespace flashtile_ggml {
namespace {

/// Calls body(i) for each i in [0, count).
void run(int threads, std::int64_t count, const std::function<void(std::int64_t)>& body) {
  std::exception_ptr first;  // none may leave a parallel region
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical
      if (first == nullptr) first = std::current_exception();
    }
  }
  if (first != nullptr) std::rethrow_exception(first);
}

flashtile::Queue queue_of(int threads) {
  flashtile::CpuQueueOptions options{.threads = threads};
#if defined(_OPENMP)
  options.executor = [threads](std::int64_t count, const std::function<void(std::int64_t)>& body) {
    run(threads, count, body);
  };
#endif
  return flashtile::Queue::cpu(options);
}

}  // namespace

Threads::Threads(int count) : count_(count), queue_(queue_of(count)) {}

void Threads::for_each(std::int64_t count, const std::function<void(std::int64_t)>& body) const {
  run(count_, count, body);
}

}  // namespace flashtile_ggml
