// flashtile metal run: one kernel of a Metal file, on the host, in a child process, with every access checked.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/commands.h"
#include "flashtile/error.h"
#if FLASHTILE_HAS_METAL_EMULATOR
#include "src/metal_emulator/child_process.h"
#include "src/metal_emulator/emulator.h"
#include "src/metal_emulator/raw_array.h"
#endif

namespace flashtile::cli {

#if !FLASHTILE_HAS_METAL_EMULATOR
int metal(const std::vector<std::string>&) {
  throw Error(ErrorCode::unsupported,
              "metal: this build has no emulator; configure with FLASHTILE_METAL_EMULATOR=ON, which needs "
              "Boost.Context "
              "(libboost-context-dev)");
}
#else
namespace {

namespace emulator = metal_emulator;

struct MetalOptions {
  std::string file;
  emulator::CompileOptions compile;
  emulator::Launch launch;
  emulator::ChildLimits limits;
  std::vector<std::string> buffers, zeros, constants, threadgroup, writes;
  std::string threads = "1", grid = "1", dispatch_threads, layout = "pre-m5", numerics;
  bool unchecked = false, debug = false, zero_tensors = false;
  int memory_mib = 8192;
};

/// "3=text" as a number and a text. Errors: invalid_argument.
std::pair<int, std::string> numbered(const std::string& option, const std::string& value) {
  const std::size_t equals = value.find('=');
  const bool digits = equals > 0 && equals <= 4 && value.find_first_not_of("0123456789") == equals;
  if (equals == std::string::npos || !digits)
    throw Error(ErrorCode::invalid_argument, fmt::format("{} {}: expected NUMBER=VALUE", option, value));
  return {std::stoi(value.substr(0, equals)), value.substr(equals + 1)};
}

/// "X", "X,Y" or "X,Y,Z". Errors: invalid_argument.
emulator::Dim parse_dim(const std::string& option, const std::string& value) {
  std::uint32_t sizes[3] = {1, 1, 1};
  std::size_t count = 0;
  const char* next = value.c_str();
  for (char* end = nullptr; count < 3; next = end + 1) {
    const unsigned long size = std::strtoul(next, &end, 10);
    if (end == next || size == 0 || size > 0x7fffffffUL || *next == '-') break;
    sizes[count++] = static_cast<std::uint32_t>(size);
    if (*end == '\0') return {sizes[0], sizes[1], sizes[2]};
    if (*end != ',') break;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} {}: expected X, X,Y or X,Y,Z, each at least 1", option, value));
}

void describe(CLI::App& app, MetalOptions& options) {
  CLI::App* run =
      app.add_subcommand("run", "run a kernel of a Metal file on the host, with every access checked");
  app.require_subcommand(1);
  run->add_option("file", options.file, "the Metal file")->required();
  run->add_option("--kernel", options.launch.kernel,
                  "which kernel; may be left out when the file has only one");
  run->add_option("--buffer", options.buffers,
                  "N=FILE: a .npy array of any type, or a file's bytes; may be repeated");
  run->add_option("--zeros", options.zeros, "N=TYPE,SIZE,...: a buffer of zeros, for results");
  run->add_option("--write", options.writes, "N=FILE: where a buffer goes afterwards");
  run->add_option("--constant", options.constants,
                  "N=VALUE: a function constant; true, false or a number, of a vector numbers with commas");
  run->add_option("--threadgroup", options.threadgroup,
                  "N=BYTES: the length of a [[threadgroup(N)]] parameter");
  run->add_option("--threads", options.threads, "X,Y,Z: threads of a threadgroup")->capture_default_str();
  CLI::Option* grid =
      run->add_option("--grid", options.grid, "X,Y,Z: threadgroups of the grid")->capture_default_str();
  run->add_option("--dispatch-threads", options.dispatch_threads,
                  "X,Y,Z: threads of the grid, instead of --grid")
      ->excludes(grid);
  run->add_option("--layout", options.layout, "of cooperative tensors: pre-m5, m5, os26.0 or os26.2")
      ->check(CLI::IsMember({"pre-m5", "m5", "os26.0", "os26.2"}))
      ->capture_default_str();
  run->add_option("--numerics", options.numerics,
                  "of matmul2d: sequential or tree; unless set, the layout's own")
      ->check(CLI::IsMember({"sequential", "tree"}));
  run->add_flag("--zero-tensors", options.zero_tensors,
                "fresh cooperative tensors are zero instead of an error to read");
  run->add_option("--threadgroup-memory", options.launch.threadgroup_memory_limit,
                  "bytes that a threadgroup has")
      ->capture_default_str();
  run->add_option("-I,--include", options.compile.include_directories,
                  "a folder for #include; may be repeated");
  run->add_option("-D,--define", options.compile.defines, "NAME or NAME=VALUE; may be repeated");
  run->add_option("--metal-version", options.compile.metal_version, "__METAL_VERSION__")->capture_default_str();
  run->add_flag("--no-checks", options.unchecked, "faster, and nothing is found but crashes");
  run->add_flag("--debug", options.debug,
                "for gdb: no optimisation, no child process; the generated files are kept");
  run->add_option("--workers", options.launch.workers, "threadgroups that run at a time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  run->add_option("--time-limit", options.limits.seconds, "seconds")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  run->add_option("--memory-limit", options.memory_mib, "MiB of address space, 0 for none")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  run->footer(
      "The kernel is native code in a process of its own, which is no sandbox: run only files that you trust.\n"
      "Exit: 0 done, 1 a rule was broken or the kernel crashed, 2 usage, 4 a file.");
}

void apply(MetalOptions& options) {
  static const std::map<std::string, emulator::Layout> layouts{{"pre-m5", emulator::Layout::before_m5},
                                                               {"m5", emulator::Layout::m5},
                                                               {"os26.0", emulator::Layout::os26_0},
                                                               {"os26.2", emulator::Layout::os26_2}};
  emulator::Launch& launch = options.launch;
  launch.layout = layouts.at(options.layout);
  if (!options.numerics.empty())
    launch.numerics = options.numerics == "tree" ? emulator::Numerics::tree : emulator::Numerics::sequential;
  launch.threads = parse_dim("--threads", options.threads);
  launch.threadgroups = parse_dim("--grid", options.grid);
  if (!options.dispatch_threads.empty())
    launch.grid_threads = parse_dim("--dispatch-threads", options.dispatch_threads);
  if (options.zero_tensors) launch.fresh_tensors = emulator::FreshTensors::zero;
  for (const std::string& text : options.constants) launch.constants.insert(numbered("--constant", text));
  for (const std::string& text : options.threadgroup) {
    const auto [index, bytes] = numbered("--threadgroup", text);
    launch.threadgroup_bytes[index] = parse_dim("--threadgroup", bytes).x;
  }
  options.limits.memory_bytes = static_cast<std::uint64_t>(options.memory_mib) << 20;
  if (options.unchecked) options.compile.checks = emulator::Checks::off;
  if (options.debug) options.compile.build = emulator::Build::debuggable;
}

/// What the child does: everything from reading the buffers to writing them.
int run_kernel(MetalOptions& options) {
  std::map<int, emulator::RawArray> arrays;
  for (const std::string& text : options.buffers) {
    const auto [index, path] = numbered("--buffer", text);
    arrays[index] = emulator::read_array(path);
  }
  for (const std::string& text : options.zeros) {
    const auto [index, description] = numbered("--zeros", text);
    arrays[index] = emulator::zeros(description);
  }
  std::map<int, std::string> writes;
  for (const std::string& text : options.writes) {
    const auto [index, path] = numbered("--write", text);
    if (arrays.count(index) == 0)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("--write {}: buffer {} is not bound; give --buffer or --zeros", text, index));
    writes[index] = path;
  }
  emulator::Module module = emulator::Module::from_file(options.file, options.compile);
  if (options.launch.kernel.empty() && module.kernels().size() == 1)
    options.launch.kernel = module.kernels()[0];
  for (auto& [index, array] : arrays) {
    options.launch.buffers[index] = array.bytes;
    if (auto extents = emulator::extents_of(array); !extents.empty()) options.launch.tensors[index] = {extents};
  }
  options.launch.log = [](const std::string& line) { fmt::print(stderr, "log: {}\n", line); };
  const emulator::LaunchReport report = module.run(options.launch);
  for (const std::string& note : report.notes) fmt::print(stderr, "note: {}\n", note);
  if (options.debug) fmt::print(stderr, "note: generated files are in {}\n", module.folder());
  for (const auto& [index, path] : writes) emulator::write_array(path, arrays.at(index));
  fmt::print(stderr, "{}: {:.3f} s\n", options.launch.kernel, report.seconds);
  return kDone;
}

/// The child's own last words: the parent only passes its exit code on.
int run_and_report(MetalOptions& options) {
  try {
    return run_kernel(options);
  } catch (const emulator::Violation& violation) {
    fmt::print(stderr, "{}\n", violation.what());
    return kCheckFailed;
  } catch (const Error& error) {
    fmt::print(stderr, "flashtile: {}\n", error.what());
    return error.code() == ErrorCode::bad_file           ? kBadFile
           : error.code() == ErrorCode::invalid_argument ? kUsage
           : error.code() == ErrorCode::internal         ? kInternal
                                                         : kUnsupported;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "flashtile: out of memory; --memory-limit says how much there is\n");
    return kUnsupported;
  }
}

}  // namespace

int metal(const std::vector<std::string>& arguments) {
  MetalOptions options;
  CLI::App app("Metal kernels on the host", "flashtile metal");
  describe(app, options);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  apply(options);
  if (options.debug) return run_and_report(options);  // where a debugger is, which would have to follow a child
  const emulator::ChildResult result =
      emulator::run_in_child(options.limits, [&] { return run_and_report(options); });
  using End = emulator::ChildResult::End;
  if (result.end == End::timed_out) {
    fmt::print(
        stderr,
        "{}: error: kernel {} was ended after {} s: a loop that does not end? --time-limit allows more\n",
        options.file, options.launch.kernel, options.limits.seconds);
  } else if (result.end == End::signalled) {
    fmt::print(stderr, "{}: error: kernel {} ended by signal {}\n", options.file, options.launch.kernel,
               result.code);
  }
  return result.end == End::exited ? result.code : kCheckFailed;
}
#endif

}  // namespace flashtile::cli
