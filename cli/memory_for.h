// Who wanted the memory that was not there.
#pragma once

#include <fmt/format.h>

#include <new>
#include <string>

#include "flashtile/error.h"

namespace flashtile::cli {

/// f(), where running out of memory says what the memory was for: "the mask". Errors: out_of_memory, and f's.
template <class F>
auto memory_for(const std::string& what, F&& f) {
  const auto text = [&](const char* found) { return fmt::format("out of memory for {}: {}", what, found); };
  try {
    return f();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::out_of_memory) throw;
    throw Error(ErrorCode::out_of_memory, text(error.what()));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, text("the machine gives no more"));
  }
}

}  // namespace flashtile::cli
