// Runs kernels of the Metal Shading Language on the host, and checks what they do. A Module is one kernel file, compiled by the
// host's C++ compiler; run() launches one of its kernels over a grid. Called by `flashtile metal run` and by tests.
//
// A kernel is native code inside this process. Every checked access that would leave its memory is stopped before it happens,
// but the emulator is no sandbox: run files that you do not trust in a child process, as the command line does.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/metal_emulator/device/abi.h"
#include "src/metal_emulator/violation.h"

namespace flashtile::metal_emulator {

using ::metal_device::Layout;
using ::metal_device::Numerics;

/// on: every load, store, barrier and collective is checked. off: faster, and only what costs nothing is.
enum class Checks { on, off };
/// optimised: as fast as the host can. debuggable: -O0 and full debug information, and the generated files are kept.
enum class Build { optimised, debuggable };

struct CompileOptions {
  std::vector<std::string> include_directories{}, defines{};  ///< defines as NAME or NAME=VALUE
  Checks checks = Checks::on;
  Build build = Build::optimised;
  int metal_version = 400;  ///< __METAL_VERSION__
  std::string instance{};   ///< the one host_name whose explicit instance is compiled; empty: all of them
  std::string compiler{};   ///< empty: $CXX, or the compiler that flashtile was built with
};

/// What fresh cooperative tensors hold: zero, as kernels in the wild rely on, or poison, which is an error to read.
enum class FreshTensors { poison, zero };

/// How a buffer is a tensor that the kernel takes as a parameter (tensor_handle), dimension 0 first.
struct TensorSizes {
  std::vector<std::int64_t> extents;    ///< of a packed format dimension 0 counts bytes
  std::vector<std::int64_t> strides{};  ///< in elements; empty: without gaps
};

struct Launch {
  std::string kernel;
  std::map<int, std::span<std::byte>> buffers{};  ///< by number; results are in the same memory afterwards
  std::map<int, TensorSizes>
      tensors{};  ///< of buffers that are bound to parameters that are tensors; others are left alone
  /// Memory that pointers inside of buffers may point to, as GPU addresses do; it is used where it lies.
  std::vector<std::span<std::byte>> resident{};
  std::map<int, std::string> constants{};          ///< function constants by number: true, false or a number
  std::map<int, std::size_t> threadgroup_bytes{};  ///< for [[threadgroup(n)]] parameters
  Dim threads{};                                   ///< of a threadgroup
  Dim threadgroups{};                              ///< of the grid
  std::optional<Dim>
      grid_threads{};  ///< of the grid, instead of `threadgroups`: those at the edge may be smaller
  Layout layout = Layout::before_m5;   ///< of cooperative tensors
  std::optional<Numerics> numerics{};  ///< of matmul2d; unless set: tree for Layout::m5, sequential for others
  FreshTensors fresh_tensors = FreshTensors::poison;
  std::size_t threadgroup_memory_limit = 32768;  ///< bytes; shader validation leaves kernels about 16384
  int workers = 1;  ///< operating system threads, each with a threadgroup at a time
  /// What becomes of a line of the kernel's os_log, with the thread that wrote it; one call at a time.
  std::function<void(const std::string&)> log{};
};

struct LaunchReport {
  double seconds = 0;
  std::vector<std::string> notes;  ///< what the caller may want to know, such as constants without a value
};

class Module {
 public:
  /// Errors: bad_file; invalid_argument with the compiler's messages; unsupported where there is no compiler.
  static Module from_file(const std::string& path, const CompileOptions& options = {});
  static Module from_source(const std::string& text, const CompileOptions& options = {});
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;
  ~Module();

  std::vector<std::string> kernels() const;
  /// The folder with what was generated; it is removed with the module unless the build is debuggable.
  const std::string& folder() const;

  /// Runs a kernel to its end. One at a time a module.
  /// Errors: invalid_argument for a launch that Metal would refuse; Violation for what the kernel does.
  LaunchReport run(const Launch& launch);

 private:
  struct State;
  explicit Module(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashtile::metal_emulator
