// Modules: loading, and the checks of a launch before any thread runs.
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "src/metal_emulator/builtin_index.h"
#include "src/metal_emulator/compile.h"
#include "src/metal_emulator/emulator.h"
#include "src/metal_emulator/function_constants.h"
#include "src/metal_emulator/group.h"
#include "src/metal_emulator/runtime.h"

namespace flashtile::metal_emulator {

struct Module::State {
  PrivateFolder folder;
  std::string library_path;
  void* library = nullptr;
  const ::metal_device::ModuleTable* table = nullptr;
  CompileOptions options;
  SourceLines lines;

  ~State() {
    if (library != nullptr) dlclose(library);
  }
};

namespace {

using ::metal_device::KernelRow;
using ::metal_device::Parameter;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, "metal emulator: " + message);
}

std::uint64_t count(const Dim& dim) { return std::uint64_t{dim.x} * dim.y * dim.z; }

std::span<const KernelRow> rows(const ::metal_device::ModuleTable& table) {
  std::uint32_t number = 0;
  const KernelRow* first = table.kernels(number);
  return {first, number};
}

const KernelRow& kernel_named(const ::metal_device::ModuleTable& table, const std::string& name) {
  std::string names;
  for (const KernelRow& row : rows(table)) {
    if (name == row.name) return row;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  refuse(names.empty() ? "the file has no kernel" : "the file has no kernel \"" + name + "\"; it has " + names);
}

void check_sizes(const KernelRow& kernel, const Launch& launch) {
  const std::uint64_t threads = count(launch.threads);
  const std::uint64_t most = kernel.most_threads > 0 ? kernel.most_threads : ::metal_device::kMostThreads;
  if (threads == 0 || threads > most || threads > ::metal_device::kMostThreads)
    refuse(std::string(kernel.name) + ": " + std::to_string(threads) +
           " threads a threadgroup; it takes 1 to " + std::to_string(most));
  if (launch.threadgroup_memory_limit > 32768) refuse("a threadgroup has at most 32768 bytes of memory");
}

/// Errors when a parameter cannot be bound.
void check_parameter(const KernelRow& kernel, const Parameter& parameter, const Launch& launch) {
  const std::string what = std::string(kernel.name) + ": parameter " + parameter.name;
  const std::string number = std::to_string(parameter.index);
  if (std::strcmp(parameter.attribute, "threadgroup") == 0) {
    const auto bytes = launch.threadgroup_bytes.find(parameter.index);
    if (bytes == launch.threadgroup_bytes.end() || bytes->second == 0)
      refuse(what + " is threadgroup memory " + number + ", whose length was not given");
    return;
  }
  if (std::strcmp(parameter.attribute, "buffer") != 0)
    refuse(what + " has the attribute [[" + parameter.attribute + "]], which the emulator does not know");
  if (!parameter.is_pointer && !parameter.is_reference && parameter.rank == 0)
    refuse(what + " is a buffer, and must be a pointer, a reference or a tensor");
  if (!parameter.bound) return;
  const auto buffer = launch.buffers.find(parameter.index);
  if (buffer == launch.buffers.end()) refuse(what + " is buffer " + number + ", which is not bound");
  if (parameter.is_reference && buffer->second.size() < parameter.element_bytes)
    refuse(what + " needs " + std::to_string(parameter.element_bytes) + " bytes; buffer " + number + " has " +
           std::to_string(buffer->second.size()));
}

/// What the host says of a parameter that is a tensor, after check_parameter. Errors when it does not fit.
::metal_device::HostTensor host_tensor(const KernelRow& kernel, const Parameter& parameter,
                                       const Launch& launch) {
  const std::string what = std::string(kernel.name) + ": parameter " + parameter.name;
  const auto given = launch.tensors.find(parameter.index);
  if (given == launch.tensors.end())
    refuse(what + " is a tensor, and buffer " + std::to_string(parameter.index) + " has no extents");
  const auto& [extents, strides] = given->second;
  if (extents.size() != parameter.rank || (!strides.empty() && strides.size() != parameter.rank))
    refuse(what + " is a tensor of " + std::to_string(parameter.rank) + " dimensions; the buffer has " +
           std::to_string(extents.size()));
  ::metal_device::HostTensor host{};
  std::int64_t packed = 1, last = 0;
  for (std::size_t r = 0; r < extents.size(); ++r) {
    host.extents[r] = extents[r] * (r == 0 && parameter.element_bits < 8 ? 8 / parameter.element_bits : 1);
    host.strides[r] = strides.empty() ? packed : strides[r];
    packed *= host.extents[r];
    last += (host.extents[r] - 1) * host.strides[r];
    if (host.extents[r] < 1 ||
        (parameter.fixed_extents[r] >= 0 && parameter.fixed_extents[r] != host.extents[r]))
      refuse(what + ": extent " + std::to_string(r) + " of the buffer is " + std::to_string(host.extents[r]) +
             (host.extents[r] < 1 ? "" : "; its type says " + std::to_string(parameter.fixed_extents[r])));
  }
  if (host.strides[0] != 1)
    refuse(what + ": the first stride is " + std::to_string(host.strides[0]) + "; it must be 1");
  const std::size_t bytes = launch.buffers.at(parameter.index).size();
  if (last < 0 || static_cast<std::size_t>(last) >= bytes * 8 / parameter.element_bits)
    refuse(what + ": its extents and strides reach past the " + std::to_string(bytes) + " bytes of the buffer");
  return host;
}

/// The caller's buffers between guard pages, once each; copied back when the kernel has ended well.
class GuardedBuffers {
 public:
  explicit GuardedBuffers(const std::map<int, std::span<std::byte>>& buffers) {
    for (const auto& [index, bytes] : buffers) {
      auto [copy, is_new] = copies_.try_emplace(bytes.data());
      if (is_new || copy->second.memory.bytes().size() < bytes.size()) {
        copy->second = {bytes, GuardedMemory(bytes.size())};
        if (!bytes.empty()) std::memcpy(copy->second.memory.bytes().data(), bytes.data(), bytes.size());
      }
    }
    for (const auto& [index, bytes] : buffers) bound.push_back({index, &copies_.at(bytes.data()).memory});
  }
  void copy_back() const {
    for (const auto& [data, copy] : copies_)
      if (!copy.bytes.empty()) std::memcpy(copy.bytes.data(), copy.memory.bytes().data(), copy.bytes.size());
  }

  std::vector<LaunchState::Bound> bound;

 private:
  struct Copy {
    std::span<std::byte> bytes;
    GuardedMemory memory;
  };
  std::map<std::byte*, Copy> copies_;
};

Dim threadgroups_of(const Launch& launch) {
  if (!launch.grid_threads) return launch.threadgroups;
  const auto groups = [](std::uint32_t threads, std::uint32_t size) { return (threads + size - 1) / size; };
  return {groups(launch.grid_threads->x, launch.threads.x), groups(launch.grid_threads->y, launch.threads.y),
          groups(launch.grid_threads->z, launch.threads.z)};
}

/// Runs every threadgroup. The first violation ends the launch and is thrown.
void run_groups(const LaunchState& state, int workers) {
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const std::uint64_t total = count(state.threadgroups);
  const auto work = [&] {
    try {
      Group group(state);
      for (std::uint64_t i; (i = next++) < total;) {
        const std::uint64_t x = state.threadgroups.x, y = state.threadgroups.y;
        group.run({static_cast<std::uint32_t>(i % x), static_cast<std::uint32_t>(i / x % y),
                   static_cast<std::uint32_t>(i / x / y)});
      }
    } catch (...) {
      next = total;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  const auto most = std::min(static_cast<std::uint64_t>(workers), total);
  for (std::uint64_t i = 1; i < most; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

Module::Module(std::unique_ptr<State> state) : state_(std::move(state)) {}
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;
Module::~Module() = default;

Module Module::from_file(const std::string& path, const CompileOptions& options) {
  if (!std::filesystem::is_regular_file(path))
    throw Error(ErrorCode::bad_file, path + ": there is no such file");
  auto state = std::make_unique<State>();
  state->options = options;
  if (options.build == Build::debuggable) state->folder.keep();
  state->library_path = compile(path, options, state->folder.path());
  state->library = dlopen(state->library_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (state->library == nullptr) throw Error(ErrorCode::internal, std::string("metal emulator: ") + dlerror());
  using Entry = const ::metal_device::ModuleTable* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(state->library, "metal_module"));
  state->table = entry();
  state->table->attach(&runtime());
  state->lines = SourceLines(state->library_path, reinterpret_cast<const void*>(entry),
                             header_folder(state->folder.path()));
  return Module(std::move(state));
}

Module Module::from_source(const std::string& text, const CompileOptions& options) {
  const PrivateFolder folder;
  const std::string path = folder.path() + "/source.metal";
  std::ofstream(path, std::ios::binary) << text;
  return from_file(path, options);
}

std::vector<std::string> Module::kernels() const {
  std::vector<std::string> names;
  for (const KernelRow& row : rows(*state_->table)) names.emplace_back(row.name);
  return names;
}

const std::string& Module::folder() const { return state_->folder.path(); }

LaunchReport Module::run(const Launch& launch) {
  FunctionConstants constants(launch.constants);
  use_constants(&constants);
  state_->table->set_constants();
  const KernelRow& kernel = kernel_named(*state_->table, launch.kernel);
  use_constants(nullptr);
  check_sizes(kernel, launch);

  GuardedBuffers buffers(launch.buffers);
  LaunchState state;
  state.kernel = &kernel;
  state.threads = launch.threads;
  state.threadgroups = threadgroups_of(launch);
  state.grid_threads = launch.grid_threads.value_or(Dim{state.threadgroups.x * launch.threads.x,
                                                        state.threadgroups.y * launch.threads.y,
                                                        state.threadgroups.z * launch.threads.z});
  state.checked = state_->options.checks == Checks::on;
  state.poisons = state.checked && launch.fresh_tensors == FreshTensors::poison;
  state.layout = launch.layout;
  state.numerics =
      launch.numerics.value_or(launch.layout == Layout::m5 ? Numerics::tree : Numerics::sequential);
  state.threadgroup_limit = launch.threadgroup_memory_limit;
  state.threadgroup_bytes = launch.threadgroup_bytes;
  state.buffers = buffers.bound;
  state.resident = launch.resident;
  state.lines = &state_->lines;
  std::mutex log_mutex;
  if (launch.log)
    state.log = [&](const std::string& line) {
      const std::lock_guard lock(log_mutex);
      launch.log(line);
    };
  for (std::uint32_t i = 0; i < kernel.parameter_count; ++i) {
    state.builtins.push_back(builtin_index(kernel.parameters[i].attribute));
    if (state.builtins.back() >= 0) continue;
    const Parameter& parameter = kernel.parameters[i];
    check_parameter(kernel, parameter, launch);
    if (parameter.rank > 0 && parameter.bound)
      state.tensors[parameter.index] = host_tensor(kernel, parameter, launch);
  }
  const auto start = std::chrono::steady_clock::now();
  run_groups(state, std::max(1, launch.workers));
  buffers.copy_back();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), constants.notes()};
}

}  // namespace flashtile::metal_emulator
