// The ways that run on a CPU by code of this library's own.
#pragma once

#include <string>
#include <vector>

#include "flashtile/attention.h"

namespace flashtile::test {

/// Is it built, for CPUs, and no other library's?
inline bool is_ours_on_cpus(const WayInfo& way) {
  return way.built && !way.name.starts_with("vendor.") && !way.name.starts_with("flash.sm");
}

/// Those of attention.
inline std::vector<std::string> our_ways_on_cpus() {
  std::vector<std::string> names;
  for (const WayInfo& way : attention_ways()) {
    if (is_ours_on_cpus(way)) names.push_back(way.name);
  }
  return names;
}

}  // namespace flashtile::test
