// What a file is that is no tensor file, told by its first bytes. tensor_file.cc calls it for its message.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace flashtile::io {

inline constexpr std::size_t kTellingBytes = 512;  // enough to tell a text and an HTML page

/// "this is an HDF5 file; ...": what it is, and what to do. `start` holds the first bytes, up to kTellingBytes.
std::string describe_unknown(std::span<const std::byte> start);

}  // namespace flashtile::io
