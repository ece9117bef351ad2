#include "src/backends/metal/pipelines.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>

#include "src/backends/metal/gpu.h"

namespace flashtile::inline v0_2::metal {
namespace {

/// 320 is Metal 3.2: the major version in the upper half of the word.
MTL::LanguageVersion language(int metal_version) {
  return static_cast<MTL::LanguageVersion>((metal_version / 100 << 16) + metal_version / 10 % 10);
}

NS::SharedPtr<MTL::Library> compile(MTL::Device* device, const Family& family) {
  const std::string what = std::string("Metal: ") + family.name;
  NS::Error* error = nullptr;
  if (const char* folder = std::getenv("FLASHTILE_METALLIB_FOLDER"); folder != nullptr) {
    const std::string path = std::string(folder) + "/" + family.name + ".metallib";
    if (std::filesystem::exists(path)) {
      auto library = NS::TransferPtr(device->newLibrary(string(path), &error));
      if (!library) fail(ErrorCode::device_failure, what + " from " + path, error);
      return library;
    }
  }
  const auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  options->setLanguageVersion(language(family.metal_version));
  options->setFastMathEnabled(false);
  auto library = NS::TransferPtr(device->newLibrary(string(family.text), options.get(), &error));
  if (!library) fail(ErrorCode::device_failure, what + " does not compile", error);
  return library;
}

struct Cache {
  std::mutex mutex;
  std::map<std::pair<int, std::string>, NS::SharedPtr<MTL::Library>> libraries;
  std::map<std::tuple<int, std::string, std::string>, NS::SharedPtr<MTL::ComputePipelineState>> pipelines;
};

}  // namespace

MTL::ComputePipelineState& pipeline(int device, const Family& family, const char* kernel, int threads) {
  static Cache& cache = *new Cache;  // calls may come while the process exits
  const std::lock_guard lock(cache.mutex);
  auto& found = cache.pipelines[{device, family.name, kernel}];
  if (!found) {
    const Pool pool;
    MTL::Device* const metal = gpu(device).device;
    auto& library = cache.libraries[{device, family.name}];
    if (!library) library = compile(metal, family);
    const std::string what = std::string("Metal: kernel ") + kernel + " of " + family.name;
    const auto function = NS::TransferPtr(library->newFunction(string(kernel)));
    if (!function) throw Error(ErrorCode::device_failure, what + " is not in its library");
    NS::Error* error = nullptr;
    found = NS::TransferPtr(metal->newComputePipelineState(function.get(), &error));
    if (!found) fail(ErrorCode::device_failure, what, error);
  }
  if (found->maxTotalThreadsPerThreadgroup() < static_cast<NS::UInteger>(threads)) {
    throw Error(ErrorCode::unsupported, std::string("Metal: kernel ") + kernel + " needs " +
                                            std::to_string(threads) +
                                            " threads a threadgroup; this GPU has registers for " +
                                            std::to_string(found->maxTotalThreadsPerThreadgroup()));
  }
  return *found.get();
}

}  // namespace flashtile::inline v0_2::metal
