#include "src/backends/metal/queue.h"

#include <set>
#include <utility>

#include "src/backends/metal/gpu.h"
#include "src/backends/metal/memory.h"

namespace flashtile::inline v0_2::metal {
namespace {

struct Queues {
  std::mutex mutex;
  std::set<const MetalQueue*> all;
};
Queues& queues() {
  static Queues& known = *new Queues;
  return known;
}

}  // namespace

MetalQueue::MetalQueue(int device, MTL::CommandQueue* queue)
    : device_(device),
      queue_(queue != nullptr ? NS::RetainPtr(queue) : NS::TransferPtr(gpu(device).device->newCommandQueue())),
      done_(NS::TransferPtr(gpu(device).device->newSharedEvent())) {
  if (!queue_ || !done_) throw Error(ErrorCode::device_failure, "newCommandQueue: Metal gives no queue");
  const std::lock_guard lock(queues().mutex);
  queues().all.insert(this);
}

MetalQueue::~MetalQueue() {
  {
    const std::lock_guard lock(queues().mutex);
    queues().all.erase(this);
  }
  wait();
}

void MetalQueue::submit(const std::function<void(MTL::CommandBuffer*)>& encode) const {
  const Pool pool;
  const auto commands = NS::RetainPtr(queue_->commandBuffer());
  if (!commands) throw Error(ErrorCode::device_failure, "commandBuffer: Metal gives none");
  encode(commands.get());
  const std::lock_guard lock(mutex_);
  commands->encodeSignalEvent(done_.get(), ++submitted_);
  commands->commit();
  unfinished_.push_back({commands, submitted_});
  collect();
}

/// Forgets command buffers that have run, and memory that only they used. Called with the mutex.
void MetalQueue::collect() const {
  while (!unfinished_.empty()) {
    MTL::CommandBuffer& oldest = *unfinished_.front().commands.get();
    if (oldest.status() != MTL::CommandBufferStatusCompleted &&
        oldest.status() != MTL::CommandBufferStatusError)
      break;
    if (oldest.status() == MTL::CommandBufferStatusError && failure_.empty()) {
      NS::Error* const error = oldest.error();
      failure_ = error == nullptr ? "no reason given" : text(error->localizedDescription());
    }
    unfinished_.pop_front();
  }
  // A buffer that failed may never signal: nothing unfinished means that all is done as well.
  while (!released_.empty() && (unfinished_.empty() || released_.front().number <= done_->signaledValue())) {
    forget(released_.front().address);
    released_.pop_front();
  }
}

void MetalQueue::release_after_work(void* address) const {
  const Pool pool;
  const std::lock_guard lock(mutex_);
  released_.push_back({address, submitted_});
  collect();
}

void MetalQueue::wait() const {
  const Pool pool;
  NS::SharedPtr<MTL::CommandBuffer> last;
  {
    const std::lock_guard lock(mutex_);
    if (!unfinished_.empty()) last = unfinished_.back().commands;
  }
  if (last) last->waitUntilCompleted();
  const std::lock_guard lock(mutex_);
  collect();
}

void MetalQueue::synchronize() const {
  wait();
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) return;
  throw Error(ErrorCode::device_failure, "Metal: work queued earlier failed: " + std::exchange(failure_, {}));
}

void MetalQueue::wait_for_all(int device) {
  const std::lock_guard lock(queues().mutex);
  for (const MetalQueue* queue : queues().all)
    if (queue->device_ == device) queue->wait();
}

const MetalQueue& state_of(const Queue& queue) { return static_cast<const MetalQueue&>(queue.state()); }

}  // namespace flashtile::inline v0_2::metal
