// From an address in a compiled kernel file to the line of the kernel's source, by binutils' addr2line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace flashtile::metal_emulator {

struct SourceLine {
  std::string file;
  std::uint32_t line = 0;  ///< 0: not known
};

/// The lines of one loaded module.
class SourceLines {
 public:
  SourceLines() = default;
  /// `symbol` is any address inside the module, `own_headers` the folder whose lines are not the kernel's.
  SourceLines(std::string path, const void* symbol, std::string own_headers);

  /// The innermost line of the call chain at a return address that is not in the emulator's own headers.
  SourceLine at(const void* return_address) const;
  /// Whether the address is code or constant data of the module.
  bool contains(const void* address) const { return address >= begin_ && address < end_; }

 private:
  std::string path_, own_headers_;
  const std::byte *base_ = nullptr, *begin_ = nullptr, *end_ = nullptr;
};

}  // namespace flashtile::metal_emulator
