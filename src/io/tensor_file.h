// Tensor files of any of four formats, told apart by their first bytes when read; three are written, and the
// ending says which. The command line and the tests call it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flashtile/tensor.h"
#include "src/io/source.h"

namespace flashtile::io {

struct ReadOptions {
  /// NumPy has no bfloat16, and some programs store it as '<u2'. Set to read that as bf16 and not as integers.
  /// ml_dtypes' '<V2' is always bf16.
  bool two_bytes_are_bf16 = false;
  /// A compressed member of a .npz that says it is larger is refused before any memory is taken for it.
  std::uint64_t max_inflated_bytes = std::uint64_t{1} << 35;
  /// Set for a mask: integers of any width come as u8, nonzero where they are; otherwise types that DType lacks
  /// are refused.
  bool integers_are_boolean = false;
};

/// The tensors of one file. A .npy holds one, named "".
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  const std::vector<std::string>& names() const noexcept { return names_; }
  bool contains(const std::string& name) const;
  /// Errors: bad_file names the file, the tensor and what is wrong, also when its type is none that DType has.
  Tensor read(const std::string& name);
  /// Why read(name) cannot: "there is no tensor 'q'; the file holds key, query and value".
  std::string missing(const std::string& name) const;

 protected:
  explicit TensorFile(std::unique_ptr<Source> source) : source_(std::move(source)) {}
  virtual Tensor read_at(std::size_t index) = 0;  ///< of names_

  std::unique_ptr<Source> source_;
  std::vector<std::string> names_;
};

/// Reads the directory of a file; no tensor data yet. Errors: bad_file.
std::unique_ptr<TensorFile> open_tensor_file(std::unique_ptr<Source> source, const ReadOptions& options = {});

struct NamedView {
  std::string name;
  TensorView view;
};

/// Whether write_tensor_file could write there: to be asked before long work. Writes nothing.
/// Errors: invalid_argument for an ending that no format has; bad_file when the folder is missing or read-only.
void check_output(const std::string& path);

/// Writes tensors to a file whose ending says the format: .npy (one tensor), .npz or .safetensors; "-" writes
/// one .npy to standard output. A file appears under its name when it is whole: it is written beside it first.
/// Strided and device views are written packed. bf16 in a .npy becomes '<u2'. Errors: as check_output();
/// invalid_argument for a type that the format lacks; bad_file when writing fails.
void write_tensor_file(const std::string& path, std::span<const NamedView> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace flashtile::io
