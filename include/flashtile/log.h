// What the library decides, line by line, for a program that asks to see it.
#pragma once

#include <functional>
#include <string>

#include "flashtile/detail/config.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// Takes one text of the log, of one line or several, without a newline at its end.
using LogCallback = std::function<void(const std::string& text)>;

/// Sends the log to a callback, in place of the one before; empty turns it off, as it is at first.
///
/// Texts     For each different problem that attention() and gemm() are called with, once: the shapes and types, the way that
///           was chosen with its kernel, and why the ways before it were not; or why none can. Among them are the products that
///           the way `unfused` makes of attention. They are for people, and may change with any version.
/// Errors    None: what the callback throws is dropped, so that the log changes no result.
/// Threads   Safe from any thread. The callback is called by the thread that calls the library, by several at once; one that was
///           replaced may still be in a call that had begun.
void set_log(LogCallback callback);

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
