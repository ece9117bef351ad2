// A queue of an Apple GPU: the process's own or the caller's. Work is done in the order in which it was put there.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "src/backends/backend.h"
#include "src/backends/metal/api.h"

namespace flashtile::inline v0_2::metal {

class MetalQueue final : public Queue::State {
 public:
  /// Over the caller's MTL::CommandQueue, or a new one for null.
  MetalQueue(int device, MTL::CommandQueue* queue);
  ~MetalQueue() override;

  Device device() const noexcept override { return {DeviceType::metal, device_}; }
  void* native_stream() const noexcept override { return queue_.get(); }
  void synchronize() const override;

  /// Puts one command buffer on the queue, which `encode` fills. Errors: those of encode; device_failure.
  void submit(const std::function<void(MTL::CommandBuffer*)>& encode) const;

  /// Keeps the memory at this address until all work of now is done.
  void release_after_work(void* address) const;

  /// Waits for all queues of a device; what failed is left to their synchronize().
  static void wait_for_all(int device);

 private:
  struct Submitted {
    NS::SharedPtr<MTL::CommandBuffer> commands;
    std::uint64_t number;
  };
  struct Released {
    void* address;
    std::uint64_t number;
  };
  void wait() const;
  void collect() const;

  int device_;
  NS::SharedPtr<MTL::CommandQueue> queue_;
  NS::SharedPtr<MTL::SharedEvent> done_;  ///< its value is the number of the last command buffer that has run
  mutable std::mutex mutex_;
  mutable std::uint64_t submitted_ = 0;
  mutable std::deque<Submitted> unfinished_;
  mutable std::deque<Released> released_;
  mutable std::string failure_;  ///< of work that failed after its call returned
};

/// The state of a queue on a device of this kind.
const MetalQueue& state_of(const Queue& queue);

}  // namespace flashtile::inline v0_2::metal
