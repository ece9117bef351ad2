#include "src/io/tensor_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "flashtile/error.h"
#include "src/io/gguf.h"
#include "src/io/npy.h"
#include "src/io/npz.h"
#include "src/io/safetensors.h"
#include "src/io/unknown.h"

namespace flashtile::io {
namespace {

class NpyFile final : public TensorFile {
 public:
  NpyFile(std::unique_ptr<Source> source, const ReadOptions& options)
      : TensorFile(std::move(source)), options_(options) {
    names_ = {""};
  }

 private:
  Tensor read_at(std::size_t) override { return read_npy(*source_, options_); }

  ReadOptions options_;
};

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, "write_tensor_file: " + message);
}

void write_to(std::ostream& out, const std::string& path, std::span<const NamedView> tensors,
              const std::map<std::string, std::string>& metadata) {
  if (path == "-" || path.ends_with(".npy")) {
    if (tensors.size() != 1)
      refuse(path + ": a .npy holds one tensor, found " + std::to_string(tensors.size()));
    write_npy(out, tensors[0].view);
  } else if (path.ends_with(".npz")) {
    write_npz(out, tensors);
  } else {
    write_safetensors(out, tensors, metadata);
  }
}

/// Where a file is written until it is whole, and then renamed to.
struct Destination {
  std::filesystem::path final, temporary;  ///< the same where nothing can be renamed: pipes, devices
};

/// A link is followed, so that the file it points to is replaced and not the link.
Destination destination_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path target = fs::is_symlink(path, ignored) ? fs::weakly_canonical(path, ignored) : fs::path(path);
  const bool special = fs::exists(target, ignored) && !fs::is_regular_file(target, ignored);
  return {target, special ? target : fs::path(target.string() + ".part" + std::to_string(getpid()))};
}

}  // namespace

bool TensorFile::contains(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

Tensor TensorFile::read(const std::string& name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) bad_file(source_->name(), missing(name));
  return read_at(static_cast<std::size_t>(found - names_.begin()));
}

std::string TensorFile::missing(const std::string& name) const {
  constexpr std::size_t kMost = 20;
  const std::string none = "there is no tensor '" + name + "'; the file holds ";
  if (names_.empty()) return none + "none";
  if (names_.size() == 1 && names_[0].empty()) return none + "one without a name";
  std::string list;
  for (std::size_t i = 0; i < std::min(names_.size(), kMost); ++i) list += (i == 0 ? "" : ", ") + names_[i];
  return none + list + (names_.size() > kMost ? " and " + std::to_string(names_.size() - kMost) + " more" : "");
}

std::unique_ptr<TensorFile> open_tensor_file(std::unique_ptr<Source> source, const ReadOptions& options) {
  std::byte bytes[kTellingBytes] = {};
  const std::span<std::byte> start =
      std::span(bytes).first(static_cast<std::size_t>(std::min<std::uint64_t>(source->size(), sizeof(bytes))));
  source->read(0, start, "first bytes");
  const auto starts_with = [&](const char* magic, std::size_t size) {
    return start.size() >= size && std::memcmp(bytes, magic, size) == 0;
  };
  if (starts_with(kNpyMagic, 6)) return std::make_unique<NpyFile>(std::move(source), options);
  if (starts_with("PK", 2)) return open_npz(std::move(source), options);
  if (looks_like_safetensors(start)) return open_safetensors(std::move(source), options);
  if (looks_like_gguf(start)) return open_gguf(std::move(source), options);
  bad_file(source->name(), describe_unknown(start));
}

void check_output(const std::string& path) {
  if (path == "-") return;
  if (!path.ends_with(".npy") && !path.ends_with(".npz") && !path.ends_with(".safetensors")) {
    throw Error(
        ErrorCode::invalid_argument,
        "'" + path + "' ends in none of .npy, .npz and .safetensors; the ending says which format is written");
  }
  const Destination destination = destination_of(path);
  std::error_code ignored;
  if (std::filesystem::is_directory(destination.final, ignored))
    bad_file(path, "is a folder; a file's name is expected");
  if (destination.temporary == destination.final) return;
  const std::filesystem::path folder =
      destination.final.has_parent_path() ? destination.final.parent_path() : ".";
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    bad_file(path, "cannot write into the folder " + folder.string() + ": " + std::strerror(errno));
}

void write_tensor_file(const std::string& path, std::span<const NamedView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  if (path == "-") {
    write_to(std::cout, path, tensors, metadata);
    std::cout.flush();
    if (!std::cout) bad_file("standard output", "cannot write");
    return;
  }
  check_output(path);
  const Destination destination = destination_of(path);
  std::error_code ignored;
  try {
    std::ofstream out(destination.temporary, std::ios::binary | std::ios::trunc);
    if (!out) bad_file(path, std::string("cannot create: ") + std::strerror(errno));
    write_to(out, path, tensors, metadata);
    out.close();
    if (!out) bad_file(path, std::string("cannot write: ") + std::strerror(errno));
    if (destination.temporary == destination.final) return;
    if (const auto old = std::filesystem::status(destination.final, ignored); std::filesystem::exists(old))
      std::filesystem::permissions(destination.temporary, old.permissions(), ignored);
    std::error_code problem;
    std::filesystem::rename(destination.temporary, destination.final, problem);
    if (problem) bad_file(path, "cannot create: " + problem.message());
  } catch (...) {
    if (destination.temporary != destination.final) std::filesystem::remove(destination.temporary, ignored);
    throw;
  }
}

}  // namespace flashtile::io
