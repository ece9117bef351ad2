// Whether the program is the one that runs the parity tables on metal-emulated, and its part of them. Used by the parity tests
// of every op.
#pragma once

#include <cstddef>
#include <vector>

#include "flashtile/device.h"

namespace flashtile::test {

#if defined(FLASHTILE_TEST_METAL_EMULATED)
inline constexpr bool kOnMetalEmulated = true;
#else
inline constexpr bool kOnMetalEmulated = false;
#endif

/// One device of each kind; in the program that is for metal-emulated its devices, one a layout of cooperative tensors.
inline std::vector<Device> devices_under_test() {
  std::vector<Device> all;
  for (const BackendInfo& kind : backends()) {
    for (const DeviceInfo& info : kind.devices) {
      const bool is_first = info.device == kind.devices.front().device;
      if (kOnMetalEmulated ? kind.type == DeviceType::metal_emulated : is_first) all.push_back(info.device);
    }
  }
  return all;
}

/// All cases; on metal-emulated, which is slow, every `step`th of those that are small, so that each kind of case stays.
template <class Case, class IsSmall>
std::vector<Case> cases_under_test(const std::vector<Case>& all, std::size_t step, IsSmall is_small) {
  if (!kOnMetalEmulated) return all;
  std::vector<Case> small, chosen;
  for (const Case& c : all)
    if (is_small(c)) small.push_back(c);
  for (std::size_t i = 0; i < small.size(); i += step) chosen.push_back(small[i]);
  return chosen;
}

}  // namespace flashtile::test
