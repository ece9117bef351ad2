// Buffers in files: .npy arrays of any type and shape, of which only the bytes matter to a kernel, or plain bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace flashtile::metal_emulator {

struct RawArray {
  std::string header;  ///< of a .npy file; empty for plain bytes
  std::vector<std::byte> bytes;
};

/// A .npy file, told by its first bytes, or else any file as it is. Errors: bad_file.
RawArray read_array(const std::string& path);

/// The array's extents, that of the innermost dimension first; none of plain bytes.
std::vector<std::int64_t> extents_of(const RawArray& array);

/// The header that was read, if any, and the bytes. Errors: bad_file.
void write_array(const std::string& path, const RawArray& array);

/// Zeros of "TYPE[,SIZE...]": float32, float16, bfloat16 (stored as uint16), int8 to int64, uint8 to uint64.
/// Errors: invalid_argument.
RawArray zeros(const std::string& description);

}  // namespace flashtile::metal_emulator
