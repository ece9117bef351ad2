#include "src/io/tensor_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>

#include "flashtile/error.h"
#include "src/io/npy.h"
#include "src/io/npz.h"
#include "src/io/safetensors.h"

namespace flashtile::io {
namespace {

class NpyFile final : public TensorFile {
 public:
  NpyFile(std::unique_ptr<Source> source, const ReadOptions& options)
      : source_(std::move(source)), options_(options) {
    names_ = {""};
  }
  Tensor read(const std::string& name) override {
    if (!contains(name))
      bad_file(source_->name(), "a .npy holds one array without a name; '" + name + "' was asked for");
    return read_npy(*source_, options_);
  }

 private:
  std::unique_ptr<Source> source_;
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

}  // namespace

bool TensorFile::contains(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::unique_ptr<TensorFile> open_tensor_file(std::unique_ptr<Source> source, const ReadOptions& options) {
  std::byte start[6] = {};
  const std::uint64_t known = std::min<std::uint64_t>(source->size(), sizeof(start));
  source->read(0, std::span(start).first(known), "first bytes");
  if (std::memcmp(start, kNpyMagic, 6) == 0) return std::make_unique<NpyFile>(std::move(source), options);
  if (std::memcmp(start, "PK", 2) == 0) return open_npz(std::move(source), options);
  return open_safetensors(std::move(source));
}

void write_tensor_file(const std::string& path, std::span<const NamedView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  if (path == "-") {
    write_to(std::cout, path, tensors, metadata);
    std::cout.flush();
    if (!std::cout) bad_file("standard output", "cannot write");
    return;
  }
  if (!path.ends_with(".npy") && !path.ends_with(".npz") && !path.ends_with(".safetensors")) {
    refuse("'" + path + "' ends in none of .npy, .npz and .safetensors");
  }
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!out) bad_file(path, std::string("cannot create: ") + std::strerror(errno));
  write_to(out, path, tensors, metadata);
  out.flush();
  if (!out) bad_file(path, std::string("cannot write: ") + std::strerror(errno));
}

}  // namespace flashtile::io
