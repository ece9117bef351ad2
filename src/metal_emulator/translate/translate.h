// From kernel text, already preprocessed, to C++ that the host compiler takes. Tokens are rewritten where C++ cannot say what
// MSL says; types are left to the compiler. What cannot be shown to keep its meaning is an error.
#pragma once

#include <string>

namespace flashtile::metal_emulator {

/// C++ with #line directives that name the kernel's own files. Errors: invalid_argument as "file:line: error: ...".
/// Where `instance` is not empty, explicit instances with another host_name are left out.
std::string translate(const std::string& preprocessed, const std::string& instance);

}  // namespace flashtile::metal_emulator
