#include "src/backends/metal/gpu.h"

namespace flashtile::inline v0_2::metal {
namespace {

// As numbers, since older headers lack the names.
constexpr auto kApple7 = static_cast<MTL::GPUFamily>(1007);  // M1
constexpr auto kMetal3 = static_cast<MTL::GPUFamily>(5001);
constexpr auto kMetal4 = static_cast<MTL::GPUFamily>(5002);

std::vector<Gpu> find_gpus() {
  const Pool pool;
  std::vector<Gpu> found;
  if (!macos_is_at_least(15)) return found;  // whose compiler knows Metal 3.2
  const auto add = [&](MTL::Device* device) {
    // A virtual machine reports a lower family than the GPU that it computes on, and Metal 3 not at all.
    const bool usable = device->supportsFamily(kApple7) || device->supportsFamily(kMetal3) ||
                        device->supportsFamily(MTL::GPUFamilyApple5);
    if (usable && device->hasUnifiedMemory())
      found.push_back({device->retain(), device->supportsFamily(kMetal4) && macos_is_at_least(26)});
  };
  const auto all = NS::TransferPtr(MTL::CopyAllDevices());  // empty where nobody is logged in
  for (NS::UInteger i = 0; i < all->count(); ++i) add(all->object<MTL::Device>(i));
  if (found.empty()) {
    const auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
    if (device) add(device.get());
  }
  return found;
}

}  // namespace

const std::vector<Gpu>& gpus() {
  static const std::vector<Gpu>& found =
      *new std::vector<Gpu>(find_gpus());  // never destroyed: queues may outlive it
  return found;
}

std::string reason_for_none() {
  return gpus().empty() ? "this machine has no Apple GPU that Metal can use, or a macOS older than 15" : "";
}

const Gpu& gpu(int index) {
  if (const std::string reason = reason_for_none(); !reason.empty())
    throw Error(ErrorCode::unsupported, "device: " + reason);
  if (index < 0 || index >= static_cast<int>(gpus().size())) {
    throw Error(ErrorCode::unsupported, "device: there is no metal:" + std::to_string(index) +
                                            "; this machine has " + std::to_string(gpus().size()));
  }
  return gpus()[static_cast<std::size_t>(index)];
}

bool macos_is_at_least(int major) {
  const Pool pool;
  return NS::ProcessInfo::processInfo()->operatingSystemVersion().majorVersion >= major;
}

}  // namespace flashtile::inline v0_2::metal
