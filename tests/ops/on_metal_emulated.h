// What the tests of every op run on: ways, devices, and the cases of a table, of which the program for metal-emulated has its
// part; and how their tests are called.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <vector>

#include "flashtile/device.h"
#include "flashtile/plan.h"

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

/// The ways of a table that this build has.
inline std::vector<std::string> built(const std::vector<WayInfo>& ways) {
  std::vector<std::string> names;
  for (const WayInfo& way : ways) {
    if (way.built) names.push_back(way.name);
  }
  return names;
}

/// A text as the name of a test: of letters, digits and underscores.
inline std::string as_test_name(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return text;
}

}  // namespace flashtile::test
