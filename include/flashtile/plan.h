// What a call will do, and why: the way chosen, its kernel and workspace, and each refused way with its reason.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/error.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// How a call runs. Immutable, and so safe from any thread; printing it is how dispatch is explained.
struct Plan {
  std::string op;   ///< "attention" or "gemm"
  std::string way;  ///< "tensor_ops", "vendor.cblas", ...
  Device device;
  std::string kernel;  ///< its name and what it is compiled for, such as "tensor_ops f32 avx512 64x64x64"
  std::size_t workspace_bytes = 0;  ///< memory that the call needs besides inputs and outputs
  bool stores_scores = false;       ///< true when the whole score matrix goes to memory (O(S^2))
  std::vector<RefusedWay> refused;  ///< ways that come before the chosen one, or all when a way was forced

  std::string to_string() const;  ///< a few lines for people
  std::string to_json() const;    ///< one object on one line
};

/// One row of an op's table of ways, best first.
struct WayInfo {
  std::string name;
  bool built = true;  ///< false: left out of this build
  std::string about;  ///< one line
};

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
