// What every kind of device implements, and how the rest of the library finds it. Knows no op.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "flashtile/device.h"

namespace flashtile::inline v0_2 {

namespace backend {
class CpuQueue;
}

/// The part of a queue that depends on its kind of device. Immutable, so that copies of a Queue
/// may be used from any thread.
struct Queue::State {
  virtual ~State() = default;
  virtual Device device() const noexcept = 0;
  virtual int threads() const noexcept { return 1; }
  /// Whether the caller may end calls between tasks: then they are not made one task for speed.
  virtual bool may_stop() const noexcept { return false; }
  virtual void* native_stream() const noexcept { return nullptr; }
  virtual void synchronize() const = 0;
  virtual const backend::CpuQueue* as_cpu_queue() const noexcept { return nullptr; }
};

namespace backend {

/// One kind of device. All calls may be made from any thread; all but info() throw Error(unsupported) with the
/// reason when the device is not there, and Error(device_failure) with the vendor's own text when it fails.
class Backend {
 public:
  virtual ~Backend() = default;

  /// The devices of this machine, or why there are none. Never throws.
  virtual BackendInfo info() const = 0;

  /// Memory of a device, aligned to 64 bytes, not initialised; never null. Errors: out_of_memory.
  virtual std::shared_ptr<void> allocate(std::size_t bytes, int device_index) const = 0;

  /// Memory for work that is put on `queue`: it may be released once that work has been queued.
  /// Errors: out_of_memory.
  virtual std::shared_ptr<void> allocate_for(const Queue& queue, std::size_t bytes) const = 0;

  /// Gives memory that is kept for allocate_for and not in use back to the device.
  virtual void release_unused(int /*device_index*/) const {}

  /// Copies bytes between the host and a device, or within the device; on return they are there.
  virtual void copy_from_host(int device_index, void* to, const void* from, std::size_t bytes) const = 0;
  virtual void copy_to_host(int device_index, void* to, const void* from, std::size_t bytes) const = 0;

  /// Why work of the device cannot use memory that lies at `data`, as in "is on cuda:1"; empty when it can, and
  /// where nobody knows.
  virtual std::string cannot_use(int, const void*) const { return {}; }

  /// The most memory that a threadgroup of a kernel may have.
  virtual std::size_t most_threadgroup_bytes(int) const { return SIZE_MAX; }

  /// Why kernels of a text, "tensor_ops" or "simdgroup", cannot run there; empty when they can.
  virtual std::string_view cannot_run(std::string_view /*text*/, int) const { return {}; }

  /// How many compute units share the threadgroups of a kernel.
  virtual int compute_units(int) const { return 1; }

  /// The process-wide queue of a device, and one over the caller's own stream.
  virtual Queue default_queue(int device_index) const = 0;
  virtual Queue queue_over(int device_index, void* stream) const = 0;
};

/// Makes `backend` that of metal-emulated, which is no part of this library: the target that holds it does so before main.
void use_metal_emulated(const Backend& backend);

/// The backend of a kind of device. One that this build lacks exists too, and all its errors say so.
const Backend& of(DeviceType type);

const Backend& cpu();
#if FLASHTILE_HAS_CUDA
const Backend& cuda();
#endif
#if FLASHTILE_HAS_METAL
const Backend& metal_gpus();
#endif

}  // namespace backend
}  // namespace flashtile::inline v0_2
