// The CPU as a backend: host memory, and the process-wide queue.
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <thread>

#include "flashtile/error.h"
#include "src/backends/cpu/isa.h"
#include "src/backends/cpu/queue.h"

namespace flashtile::inline v0_2::backend {
namespace {

constexpr std::align_val_t kAlignment{64};

/// The processor's own name, as Linux tells it.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos && line.rfind("model name", 0) == 0) return line.substr(colon + 2);
  }
  return "CPU";
}

std::size_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page_bytes > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page_bytes)
                                     : 0;
}

void expect_first(int device_index) {
  if (device_index != 0) {
    throw Error(ErrorCode::unsupported,
                "device: there is one CPU device, with index 0, not " + std::to_string(device_index));
  }
}

class CpuBackend final : public Backend {
 public:
  BackendInfo info() const override {
    try {
      return {DeviceType::cpu,
              {{Device::cpu(), processor_name(), std::string(name(best_isa())), memory_bytes(),
                static_cast<int>(std::thread::hardware_concurrency())}},
              ""};
    } catch (const std::exception& e) {  // FLASHTILE_MAX_ISA is wrong
      return {DeviceType::cpu, {}, e.what()};
    }
  }

  std::shared_ptr<void> allocate(std::size_t bytes, int device_index) const override {
    expect_first(device_index);
    void* memory = ::operator new(bytes, kAlignment, std::nothrow);
    if (memory == nullptr) {
      throw Error(ErrorCode::out_of_memory, "cpu: no " + std::to_string(bytes) + " bytes of memory");
    }
    return {memory, [](void* owned) { ::operator delete(owned, kAlignment); }};
  }

  std::shared_ptr<void> allocate_for(const Queue&, std::size_t bytes) const override {
    return allocate(bytes, 0);
  }

  void copy_from_host(int device_index, void* to, const void* from, std::size_t bytes) const override {
    expect_first(device_index);
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void copy_to_host(int device_index, void* to, const void* from, std::size_t bytes) const override {
    copy_from_host(device_index, to, from, bytes);
  }

  Queue default_queue(int device_index) const override {
    expect_first(device_index);
    static const Queue& queue =
        *new Queue(Queue::cpu());  // never destroyed: calls may come while the process exits
    return queue;
  }

  Queue queue_over(int, void*) const override {
    throw Error(ErrorCode::unsupported, "device: a CPU queue has no stream; use Queue::cpu");
  }
};

}  // namespace

const Backend& cpu() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace flashtile::inline v0_2::backend
