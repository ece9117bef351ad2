// The types of tensors in .gguf files: plain elements, and ggml's blocks of small integers with scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "flashtile/dtype.h"

namespace flashtile::io {

/// Elements lie in blocks of so many bytes. They are stored as `dtype` says, or a block is expanded to float32.
struct GgufType {
  std::string_view name;
  std::int64_t block_elements;
  std::uint64_t block_bytes;
  void (*expand)(const std::byte* block, float* elements);  ///< null: stored as `dtype`
  std::uint32_t number;                                     ///< the format's
  std::optional<DType> dtype;                               ///< none: a type that DType lacks

  bool is_integer() const { return name[0] == 'I'; }
};

/// Null for a type that is not read.
const GgufType* find_gguf_type(std::uint32_t number);

}  // namespace flashtile::io
