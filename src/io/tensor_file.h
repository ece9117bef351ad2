// Tensor files of any of the three formats, told apart by their first bytes when read and by their ending when
// written. The command line and the tests call it.
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
  /// .npy has no bfloat16: NumPy stores it as '<u2' or '|V2'. Set to read those as bf16;
  /// otherwise they are refused.
  bool two_bytes_are_bf16 = false;
  /// A compressed member of a .npz that says it is larger is refused before any memory is taken for it.
  std::uint64_t max_inflated_bytes = std::uint64_t{1} << 35;
};

/// The tensors of one file. A .npy holds one, named "".
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  const std::vector<std::string>& names() const noexcept { return names_; }
  bool contains(const std::string& name) const;
  /// Errors: bad_file names the file, the tensor and what is wrong, also when its type is none that DType has.
  virtual Tensor read(const std::string& name) = 0;

 protected:
  std::vector<std::string> names_;
};

/// Reads the directory of a file; no tensor data yet. Errors: bad_file.
std::unique_ptr<TensorFile> open_tensor_file(std::unique_ptr<Source> source, const ReadOptions& options = {});

struct NamedView {
  std::string name;
  TensorView view;
};

/// Writes tensors to a file whose ending says the format: .npy (one tensor), .npz or .safetensors; "-" writes
/// one .npy to standard output. Strided and device views are written packed. bf16 in a .npy becomes '<u2'.
/// Errors: invalid_argument for an ending or a type that the format lacks; bad_file when writing fails.
void write_tensor_file(const std::string& path, std::span<const NamedView> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace flashtile::io
