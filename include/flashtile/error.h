// The one exception type of the library. Everything the library throws is an Error.
#pragma once

#include <stdexcept>
#include <string>

#include "flashtile/detail/config.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

enum class ErrorCode : int {
  invalid_argument = 1,  ///< the call is wrong; the message names the argument and what was found
  unsupported = 2,     ///< the call is right, but nothing in this build or on this machine can do it; lists why
  out_of_memory = 3,   ///< host or device memory ran out; the library stays usable
  device_failure = 4,  ///< a device or vendor library failed; carries its own text
  bad_file = 5,        ///< a file is missing, cut short or malformed
  internal = 6,        ///< a bug in flashtile
  cancelled = 7,       ///< the queue's should_stop said so; results hold what was done by then
};

/// "invalid_argument", "unsupported", ...
const char* name(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
