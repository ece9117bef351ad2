// The log on the library's side. Called where an op has chosen a way.
#pragma once

#include <string>

#include "flashtile/log.h"

namespace flashtile::inline v0_2::core {

/// Does anybody want the log? Where not, a call costs one load.
bool is_logged() noexcept;

/// Hands a text to the callback, unless that has had the same one.
void log_once(const std::string& text) noexcept;

}  // namespace flashtile::inline v0_2::core
