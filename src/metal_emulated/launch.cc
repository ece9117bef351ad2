// metal::launch on device metal-emulated: by the emulator, with every check on.
#include "src/backends/metal/launch.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "flashtile/error.h"
#include "src/metal_emulated/memory.h"
#include "src/metal_emulator/emulator.h"

namespace flashtile::inline v0_2::metal {
namespace {

using metal_emulator::Layout;
using metal_emulator::Module;

constexpr std::size_t kThreadgroupBytes = 16384;  // what Metal's shader validation leaves of 32768

/// Runs one kernel at a time: a module runs one, and all workers are its own.
class Modules {
 public:
  void run(const Family& family, const metal_emulator::Launch& launch) {
    const std::lock_guard lock(mutex_);
    compiled(family, launch.kernel).run(launch);
  }

 private:
  struct Compiled {
    std::optional<Module> whole;
    std::map<std::string, Module> alone;
  };
  static constexpr std::size_t kMostAlone = 4;

  /// A kernel alone takes a second or two; a program that asks for many gets the whole family at once.
  Module& compiled(const Family& family, const std::string& kernel) {
    Compiled& modules = by_family_[family.name];
    if (!modules.whole) {
      if (const auto found = modules.alone.find(kernel); found != modules.alone.end()) return found->second;
      metal_emulator::CompileOptions options{.metal_version = family.metal_version};
      if (modules.alone.size() < kMostAlone) {
        options.instance = kernel;
        return modules.alone.emplace(kernel, Module::from_source(family.text, options)).first->second;
      }
      modules.whole = Module::from_source(family.text, options);
    }
    return *modules.whole;
  }

  std::mutex mutex_;
  std::map<std::string, Compiled> by_family_;
};

}  // namespace

void launch(const Queue& queue, const Family& family, const char* kernel, Grid grid,
            std::span<const std::byte> params, int simdgroups) {
  static Modules modules;
  if (grid.x <= 0 || grid.y <= 0 || grid.z <= 0) return;
  std::vector<std::byte> bytes(params.begin(), params.end());
  metal_emulator::Launch launch;
  launch.kernel = kernel;
  launch.buffers = {{0, bytes}};
  launch.resident = metal_emulated::allocated();
  launch.threads = {32 * static_cast<std::uint32_t>(simdgroups), 1, 1};
  launch.threadgroups = {threadgroups(grid.x), threadgroups(grid.y), threadgroups(grid.z)};
  launch.layout = static_cast<Layout>(queue.device().index);
  launch.threadgroup_memory_limit = kThreadgroupBytes;
  launch.workers = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 8u));
  try {
    modules.run(family, launch);
  } catch (const metal_emulator::Violation& violation) {
    throw Error(ErrorCode::device_failure, name(queue.device()) + ": " + violation.what());
  }
}

}  // namespace flashtile::inline v0_2::metal
