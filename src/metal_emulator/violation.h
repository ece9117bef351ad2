// The error of a kernel that breaks a rule of Metal's device API.
#pragma once

#include <string>

#include "flashtile/error.h"
#include "src/metal_emulator/device/abi.h"

namespace flashtile::metal_emulator {

using ::metal_device::Dim;

/// Where and by whom a rule was broken. docs/metal.md lists the checks by their ids.
struct ViolationPlace {
  std::string check;        ///< "threadgroup.race", ...
  std::string explanation;  ///< what happened and what to do
  std::string kernel, file;
  std::uint32_t line = 0;  ///< 0 when it is not known
  Dim thread, threadgroup;
};

/// "thread (x, y, z) of threadgroup (x, y, z)".
std::string thread_text(const Dim& thread, const Dim& threadgroup);

class Violation : public Error {
 public:
  explicit Violation(ViolationPlace place);
  const ViolationPlace& place() const noexcept { return place_; }

 private:
  ViolationPlace place_;
};

}  // namespace flashtile::metal_emulator
