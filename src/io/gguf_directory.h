// What a .gguf file holds before its data: named values that describe a model, and where each tensor lies.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "flashtile/tensor.h"
#include "src/io/gguf_types.h"
#include "src/io/source.h"

namespace flashtile::io {

inline constexpr std::uint64_t kGgufMagic = 0x46554747;  ///< "GGUF", little-endian

/// Integers are widened, a bool is 0 or 1, and an integer above 2^63 - 1 is a double, as are all numbers of a
/// list.
using GgufValue =
    std::variant<std::int64_t, double, std::string, std::vector<std::string>, std::vector<double>>;

struct GgufEntry {
  std::string name;
  Dims shape;  ///< the contiguous dimension last; the file has it first
  std::uint32_t type_number = 0;
  const GgufType* type = nullptr;  ///< null: one that is not read
  std::uint64_t offset = 0;        ///< from the first byte of data on
  std::uint64_t bytes = 0;         ///< 0 where the type is not read
};

struct GgufDirectory {
  std::map<std::string, GgufValue> values;
  std::vector<GgufEntry> entries;
  std::uint64_t data_begin = 0;
};

/// Versions 2 and 3, little-endian. No key and no tensor is there twice; the bytes of each tensor that can be
/// read lie in the file, aligned and apart from the others'. Errors: bad_file.
GgufDirectory read_gguf_directory(Source& source);

}  // namespace flashtile::io
