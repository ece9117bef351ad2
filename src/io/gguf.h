// The .gguf format of ggml: named values that describe a model, a directory of tensors, then their bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/io/gguf_directory.h"
#include "src/io/tensor_file.h"

namespace flashtile::io {

/// A .gguf file: its tensors, and the values beside them. A matrix that ggml calls K x N has shape (N, K). F32,
/// F16, BF16, F64, I8, I32 and I64 are read as they are; the block formats Q8_0, Q4_0 and Q4_1 become f32.
class GgufFile final : public TensorFile {
 public:
  /// Reads and checks the directory. Errors: bad_file.
  GgufFile(std::unique_ptr<Source> source, const ReadOptions& options);

  bool has_value(const std::string& key) const { return directory_.values.contains(key); }
  /// The value of a key. Errors: bad_file for a key that is missing or has a value of another kind.
  std::int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;  ///< integers too
  const std::string& text(const std::string& key) const;
  const std::vector<std::string>& texts(const std::string& key) const;
  const std::vector<double>& numbers(const std::string& key) const;

 private:
  Tensor read_at(std::size_t index) override;
  Tensor stored_bytes(const GgufEntry& entry);
  template <class T>
  const T& value(const std::string& key, const char* kind) const;

  ReadOptions options_;
  GgufDirectory directory_;
};

/// Do these first bytes begin a .gguf file?
bool looks_like_gguf(std::span<const std::byte> start);

/// Errors: bad_file.
std::unique_ptr<GgufFile> open_gguf(std::unique_ptr<Source> source, const ReadOptions& options = {});

}  // namespace flashtile::io
