// Apple's C++ headers of Metal, and what every use of them needs. Included by the files of this folder and by the ways of Apple's libraries.
#pragma once

#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
#include <string>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::metal {

/// Objects that Metal gives away without a "new" live as long as the innermost pool of their thread.
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  NS::SharedPtr<NS::AutoreleasePool> pool_ = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
};

inline std::string text(const NS::String* string) { return string == nullptr ? "" : string->utf8String(); }
inline NS::String* string(const std::string& text) {
  return NS::String::string(text.c_str(), NS::UTF8StringEncoding);
}

/// "call: what Metal says", as an Error of this code.
[[noreturn]] inline void fail(ErrorCode code, const std::string& call, NS::Error* error) {
  throw Error(code, call + ": " + (error == nullptr ? "no reason given" : text(error->localizedDescription())));
}

}  // namespace flashtile::inline v0_2::metal
