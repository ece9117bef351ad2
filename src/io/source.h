// Where the tensor file readers take bytes from: a file, memory, or one member of an archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace flashtile::io {

/// Bytes with a size and a name for messages.
class Source {
 public:
  virtual ~Source() = default;

  /// Fills `into` with the bytes from `offset` on. Errors: bad_file naming `what` when they are not all there.
  void read(std::uint64_t offset, std::span<std::byte> into, const char* what);

  const std::string& name() const noexcept { return name_; }
  std::uint64_t size() const noexcept { return size_; }

 protected:
  Source(std::string name, std::uint64_t size) : name_(std::move(name)), size_(size) {}
  virtual void read_within(std::uint64_t offset, std::span<std::byte> into) = 0;

 private:
  std::string name_;
  std::uint64_t size_;
};

/// A file; a pipe and "-", which is standard input, are read to their end at once. Errors: bad_file with the
/// system's reason.
std::unique_ptr<Source> open_file(const std::string& path);

/// The caller's bytes, which must outlive the source.
std::unique_ptr<Source> memory_source(std::span<const std::byte> bytes, const std::string& name);

/// Throws Error(bad_file, "<name>: <message>").
[[noreturn]] void bad_file(const std::string& name, const std::string& message);

/// An unsigned little-endian integer of `bytes`.
std::uint64_t little_endian(std::span<const std::byte> bytes);

}  // namespace flashtile::io
