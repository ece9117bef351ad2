// The one exception type of the library. Everything the library throws is an Error.
#pragma once

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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

/// A way that was not taken, and why.
struct RefusedWay {
  std::string way;
  std::string reason;
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Error(ErrorCode code, const std::string& message, std::vector<RefusedWay> refused) : Error(code, message) {
    refused_ = std::make_shared<const std::vector<RefusedWay>>(std::move(refused));
  }
  ErrorCode code() const noexcept { return code_; }
  /// Where no way can run a call: the ways that were asked, each with its reason. Empty for all other errors.
  std::span<const RefusedWay> refused() const noexcept {
    return refused_ == nullptr ? std::span<const RefusedWay>() : *refused_;
  }

 private:
  ErrorCode code_;
  std::shared_ptr<const std::vector<RefusedWay>> refused_;  // shared, since copying an exception must not throw
};

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
