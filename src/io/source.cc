#include "src/io/source.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "flashtile/error.h"

namespace flashtile::io {
namespace {

class FileSource final : public Source {
 public:
  FileSource(const std::string& path, std::uint64_t size, std::ifstream stream)
      : Source(path, size), stream_(std::move(stream)) {}

 private:
  void read_within(std::uint64_t offset, std::span<std::byte> into) override {
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
    if (!stream_) bad_file(name(), std::string("cannot read: ") + std::strerror(errno));
  }
  std::ifstream stream_;
};

class MemorySource final : public Source {
 public:
  MemorySource(const std::string& name, std::span<const std::byte> bytes)
      : Source(name, bytes.size()), bytes_(bytes) {}

 private:
  void read_within(std::uint64_t offset, std::span<std::byte> into) override {
    if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
  }
  std::span<const std::byte> bytes_;
};

/// What came out of a pipe.
class PipeSource final : public Source {
 public:
  PipeSource(const std::string& name, std::string bytes)
      : Source(name, bytes.size()), bytes_(std::move(bytes)) {}

 private:
  void read_within(std::uint64_t offset, std::span<std::byte> into) override {
    if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
  }
  std::string bytes_;
};

}  // namespace

void Source::read(std::uint64_t offset, std::span<std::byte> into, const char* what) {
  if (offset > size_ || into.size() > size_ - offset) {
    bad_file(name_, std::string("cut short: ") + what + " needs " + std::to_string(into.size()) +
                        " bytes at offset " + std::to_string(offset) + "; the file has " +
                        std::to_string(size_));
  }
  read_within(offset, into);
}

std::unique_ptr<Source> open_file(const std::string& path) {
  const auto rest_of = [](std::istream& stream) {
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  if (path == "-") return std::make_unique<PipeSource>("standard input", rest_of(std::cin));
  std::error_code problem;
  const std::filesystem::file_status status = std::filesystem::status(path, problem);
  if (std::filesystem::is_directory(status)) bad_file(path, "is a folder; a file is expected");
  if (std::filesystem::is_character_file(status)) bad_file(path, "is a device; a file is expected");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) bad_file(path, std::string("cannot open: ") + std::strerror(errno));
  if (std::filesystem::is_fifo(status)) return std::make_unique<PipeSource>(path, rest_of(stream));
  const std::uint64_t size = std::filesystem::file_size(path, problem);
  if (problem) bad_file(path, "cannot tell its size: " + problem.message());
  return std::make_unique<FileSource>(path, size, std::move(stream));
}

std::unique_ptr<Source> memory_source(std::span<const std::byte> bytes, const std::string& name) {
  return std::make_unique<MemorySource>(name, bytes);
}

void bad_file(const std::string& name, const std::string& message) {
  throw Error(ErrorCode::bad_file, name + ": " + message);
}

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<std::uint64_t>(bytes[i]);
  return value;
}

}  // namespace flashtile::io
