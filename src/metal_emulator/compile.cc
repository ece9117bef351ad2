#include "src/metal_emulator/compile.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "src/metal_emulator/device_headers.h"
#include "src/metal_emulator/process.h"
#include "src/metal_emulator/translate/translate.h"

namespace flashtile::metal_emulator {
namespace {

namespace fs = std::filesystem;

/// Apple's headers by name: all that they declare comes from metal_emulator.h, so that here they are empty.
constexpr std::array kAppleHeaders{"metal_stdlib",
                                   "metal_array",
                                   "metal_assert",
                                   "metal_atomic",
                                   "metal_common",
                                   "metal_compute",
                                   "metal_config",
                                   "metal_cooperative_tensor",
                                   "metal_extended_vector",
                                   "metal_geometric",
                                   "metal_initializer_list",
                                   "metal_integer",
                                   "metal_limits",
                                   "metal_logging",
                                   "metal_math",
                                   "metal_matrix",
                                   "metal_numeric",
                                   "metal_pack",
                                   "metal_packed_vector",
                                   "metal_quadgroup",
                                   "metal_relational",
                                   "metal_simdgroup",
                                   "metal_simdgroup_matrix",
                                   "metal_tensor",
                                   "metal_texture",
                                   "metal_type_traits",
                                   "metal_types",
                                   "metal_uniform",
                                   "metal_utility",
                                   "TargetConditionals.h",
                                   "simd/simd.h",
                                   "simd/matrix_types.h",
                                   "simd/vector_types.h",
                                   "MetalPerformancePrimitives/MetalPerformancePrimitives.h",
                                   "MetalPerformancePrimitives/MPPTensorOpsMatMul2d.h",
                                   "MetalPerformancePrimitives/MPPTensorOpsConvolution2d.h"};

void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw Error(ErrorCode::bad_file, "metal emulator: cannot write " + path.string());
}

std::string compiler_of(const CompileOptions& options) {
  if (!options.compiler.empty()) return options.compiler;
  const char* chosen = std::getenv("CXX");
  return chosen != nullptr && *chosen != '\0' ? chosen : FLASHTILE_METAL_COMPILER;
}

bool is_clang(const std::string& compiler) {
  return fs::path(compiler).filename().string().rfind("clang", 0) == 0;
}

/// Runs one step of the compiler. Errors: unsupported when it is not there; invalid_argument with its messages.
ProcessResult step(std::vector<std::string> command) {
  ProcessResult result = run_process(command);
  if (!result.started || result.exit_code == 127)
    throw Error(ErrorCode::unsupported,
                "metal emulator: kernels are compiled by the host's C++ compiler, and " + command[0] +
                    " cannot be started; install it, or set CXX");
  if (result.exit_code != 0)
    throw Error(ErrorCode::invalid_argument,
                "metal emulator: the kernel file does not compile\n" + result.errors);
  return result;
}

/// What every kernel file is compiled with. `-c` and linking are apart, since the sanitizer's library must not be linked.
std::vector<std::string> compile_command(const std::string& compiler, const CompileOptions& options) {
  std::vector<std::string> command{compiler,        "-std=c++2b",          "-w",
                                   "-fPIC",         "-fvisibility=hidden", "-fno-exceptions",
                                   "-fsigned-char", "-ffp-contract=off",   "-fstack-clash-protection",
                                   "-gdwarf-4"};
  const auto add = [&](std::initializer_list<const char*> flags) {
    command.insert(command.end(), flags.begin(), flags.end());
  };
  if (options.build == Build::debuggable)
    add({"-O0", "-g"});
  else
    add({"-O2", "-g1"});
#if defined(__x86_64__)
  add({"-march=native"});
#endif
  if (is_clang(compiler)) {
    // half rounds after every operation; accesses of 32 bytes would escape the hooks
    add({"-Xclang", "-ffloat16-excess-precision=none", "-Xclang", "-cl-single-precision-constant",
         "-fno-vectorize", "-fno-slp-vectorize"});
  } else {
    add({"-fsingle-precision-constant", "-fno-gnu-unique"});  // template statics stay inside their module
  }
  if (options.checks == Checks::on)
    add({"-fsanitize=thread", "-DMETAL_CHECKED=1"});
  else
    add({"-DMETAL_CHECKED=0"});
  return command;
}

}  // namespace

PrivateFolder::PrivateFolder() {
  std::string pattern = (fs::temp_directory_path() / "flashtile-metal-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr)
    throw Error(ErrorCode::bad_file, "metal emulator: cannot make a folder " + pattern);
  path_ = pattern;
}

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;
  if (!kept_) fs::remove_all(path_, ignored);
}

std::string header_folder(const std::string& folder) { return folder + "/device"; }

std::string compile(const std::string& path, const CompileOptions& options, const std::string& folder) {
  const fs::path root = folder;
  for (const DeviceHeader& header : device_headers())
    write_file(fs::path(header_folder(folder)) / header.name, header.text);
  for (const char* name : kAppleHeaders) write_file(root / "apple" / name, "");

  const std::string compiler = compiler_of(options);
  std::vector<std::string> preprocess{compiler,
                                      "-E",
                                      "-x",
                                      "c++",
                                      "-std=c++2b",
                                      "-w",
                                      "-nostdinc",
                                      "-I",
                                      folder + "/apple",
                                      "-D__METAL__=1",
                                      "-D__METAL_VERSION__=" + std::to_string(options.metal_version),
                                      "-D__HAVE_BFLOAT__=1",
                                      "-D__HAVE_TENSOR__=1",
                                      "-D__METAL_MACOS__=1"};
  for (const std::string& define : options.defines) preprocess.push_back("-D" + define);
  for (const std::string& directory : options.include_directories)
    preprocess.insert(preprocess.end(), {"-I", directory});
  preprocess.insert(preprocess.end(), {"-o", folder + "/kernels.i", path});
  step(preprocess);

  std::ifstream preprocessed(folder + "/kernels.i", std::ios::binary);
  std::ostringstream text;
  text << preprocessed.rdbuf();
  write_file(root / "kernels.cc", translate(text.str(), options.instance));

  std::vector<std::string> command = compile_command(compiler, options);
  command.insert(command.end(),
                 {"-I", header_folder(folder), "-c", folder + "/kernels.cc", "-o", folder + "/kernels.o"});
  step(command);
  std::string library = folder + "/kernels.so";
  step({compiler, "-shared", "-Wl,-Bsymbolic", folder + "/kernels.o", "-lm", "-o", library});
  return library;
}

}  // namespace flashtile::metal_emulator
