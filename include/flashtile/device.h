// Devices, and the queues that work is put on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flashtile/detail/config.h"
#include "flashtile/result.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// metal_emulated: Apple GPUs imitated on the host, to test kernels; in programs that link it (docs/metal.md). Its devices
/// differ in how they spread cooperative tensors over lanes.
enum class DeviceType : std::uint8_t { cpu, cuda, metal, metal_emulated };

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  static Device cpu() { return {}; }
  static Device cuda(int index = 0) { return {DeviceType::cuda, index}; }
  friend bool operator==(const Device&, const Device&) = default;
};

/// "cpu", "cuda:0", "metal:0", "metal-emulated:0".
std::string name(Device device);

/// The device that a name such as "cpu", "cuda" or "cuda:1" spells. Errors: invalid_argument.
Device parse_device(const std::string& text);

struct DeviceInfo {
  Device device;
  std::string name;          ///< as the vendor spells it
  std::string architecture;  ///< "avx512", "sm_90", ...: what kernels are chosen by
  std::size_t memory_bytes = 0;
  int compute_units = 0;  ///< hardware threads, multiprocessors or GPU cores
};

/// What one kind of device offers in this build on this machine: its devices, or the reason why there are none.
/// metal_emulated is listed in programs that link it. backends() is safe from any thread.
struct BackendInfo {
  DeviceType type;
  std::vector<DeviceInfo> devices;
  std::string unavailable_reason;
};
std::vector<BackendInfo> backends();

/// A caller's own threads: calls body(i) once for each i in [0, count), on any threads, and returns when all of
/// them have returned. An exception that leaves body must reach the caller of the executor. A call whose executor
/// loses bodies ends with invalid_argument.
using Executor = std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& body)>;

struct CpuQueueOptions {
  /// At most this many threads work at once, and never more of the library's own than the machine has; up to
  /// 65536. 0 = FLASHTILE_THREADS, or else every hardware thread.
  int threads = 0;
  Executor executor{};  ///< used instead of the library's own threads when set
  /// Asked before each task of a call, by the threads that do them, several at once; a small call is one task. True, or an
  /// exception, ends the call: with ErrorCode::cancelled, or with that exception. Empty = never.
  std::function<bool()> should_stop{};
};

/// Where work runs: a set of CPU threads, or a stream of a GPU. Cheap to copy; copies share the queue, and a
/// queue that was moved from is still that queue.
///
/// Threads    Calls on one CPU queue from several threads are safe. A GPU queue orders work as its stream does.
/// Processes  After a fork the child may use a CPU queue that nobody was in at that moment. On one that was busy
///            its calls end with invalid_argument. Queues that the child makes work.
class Queue {
 public:
  /// Errors: invalid_argument for a number of threads that cannot be, also in FLASHTILE_THREADS.
  static Queue cpu(CpuQueueOptions options = {});
  /// A queue over the caller's cudaStream_t (nullptr = the default stream).
  /// Errors: unsupported, with the reason.
  static Queue cuda(int device_index = 0, void* stream = nullptr);
  /// The process-wide queue of a device. Errors: unsupported when the device is not there.
  static Queue default_for(Device device);

  /// The same for a program without exceptions.
  static Result<Queue> try_cpu(CpuQueueOptions options = {}) noexcept;
  static Result<Queue> try_cuda(int device_index = 0, void* stream = nullptr) noexcept;
  static Result<Queue> try_default_for(Device device) noexcept;

  Queue(const Queue&) = default;
  Queue& operator=(const Queue&) = default;

  Device device() const noexcept;
  int threads() const noexcept;          ///< CPU: how many threads may work at once; 1 on a GPU
  void* native_stream() const noexcept;  ///< cudaStream_t; nullptr on a CPU
  /// Waits for all work of this queue.
  /// Errors: device_failure, also for work that failed after its call returned.
  void synchronize() const;

  struct State;
  /// Errors: invalid_argument for null.
  explicit Queue(std::shared_ptr<const State> state);
  const State& state() const noexcept { return *state_; }

 private:
  std::shared_ptr<const State> state_;  ///< never null
};

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
