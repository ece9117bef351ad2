// Queues, and the callbacks of C as functions of C++.
#include "c_api/queue.h"

#include <cstddef>
#include <functional>
#include <string>

#include "c_api/call.h"

namespace flashtile::c_api {
namespace {

constexpr std::size_t kLeastOptions = offsetof(flashtile_cpu_queue_options, should_stop_user) + sizeof(void*);

using Body = std::function<void(std::int64_t)>;

/// No body throws: the library has caught what its work may throw before that is a body.
void call_body(void* context, int64_t i) noexcept { (*static_cast<const Body*>(context))(i); }

CpuQueueOptions options_of(const flashtile_cpu_queue_options* given) {
  const flashtile_cpu_queue_options o = read(given, "queue_create_cpu: options", kLeastOptions);
  CpuQueueOptions options;
  options.threads = o.threads;
  if (o.executor != nullptr) {
    options.executor = [execute = o.executor, user = o.executor_user](std::int64_t count, const Body& body) {
      execute(user, count, call_body, const_cast<Body*>(&body));
    };
  }
  if (o.should_stop != nullptr)
    options.should_stop = [ask = o.should_stop, user = o.should_stop_user] { return ask(user) != 0; };
  return options;
}

}  // namespace
}  // namespace flashtile::c_api

using namespace flashtile::c_api;

extern "C" {

flashtile_status flashtile_queue_create_cpu(flashtile_queue** queue,
                                            const flashtile_cpu_queue_options* options) {
  return guarded([&] {
    expect_given(queue, "queue_create_cpu: queue");
    *queue = new flashtile_queue{flashtile::Queue::cpu(options_of(options))};
  });
}

flashtile_status flashtile_queue_create_cuda(flashtile_queue** queue, int32_t device_index, void* stream) {
  return guarded([&] {
    expect_given(queue, "queue_create_cuda: queue");
    *queue = new flashtile_queue{flashtile::Queue::cuda(device_index, stream)};
  });
}

int32_t flashtile_queue_threads(const flashtile_queue* queue) {
  return queue != nullptr ? queue->queue.threads() : 0;
}

flashtile_status flashtile_queue_synchronize(const flashtile_queue* queue) {
  return guarded([&] {
    expect_given(queue, "queue_synchronize: queue");
    queue->queue.synchronize();
  });
}

void flashtile_queue_free(flashtile_queue* queue) { delete queue; }

}  // extern "C"
