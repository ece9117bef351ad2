// The .safetensors format: a JSON header that says where each tensor lies, then their bytes.
#pragma once

#include <map>
#include <memory>
#include <ostream>
#include <span>
#include <string>

#include "src/io/tensor_file.h"

namespace flashtile::io {

/// Do these first nine bytes look like the length of a header that can be read, and its beginning?
bool looks_like_safetensors(std::span<const std::byte> start);

/// Reads and checks the header: no duplicate keys, nothing but spaces behind the JSON, and ranges that cover the
/// data without holes or overlaps. Errors: bad_file.
std::unique_ptr<TensorFile> open_safetensors(std::unique_ptr<Source> source, const ReadOptions& options = {});

/// Errors: invalid_argument for a 4-bit type or a duplicate name.
void write_safetensors(std::ostream& out, std::span<const NamedView> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace flashtile::io
