#include "src/io/gguf.h"

#include <variant>

#include "src/io/nonzero.h"

namespace flashtile::io {

GgufFile::GgufFile(std::unique_ptr<Source> source, const ReadOptions& options)
    : TensorFile(std::move(source)), options_(options), directory_(read_gguf_directory(*source_)) {
  for (const GgufEntry& entry : directory_.entries) names_.push_back(entry.name);
}

template <class T>
const T& GgufFile::value(const std::string& key, const char* kind) const {
  const auto found = directory_.values.find(key);
  if (found == directory_.values.end()) bad_file(source_->name(), "there is no key '" + key + "'");
  const T* const value = std::get_if<T>(&found->second);
  if (value == nullptr) bad_file(source_->name(), "the value of key '" + key + "' is no " + kind);
  return *value;
}

std::int64_t GgufFile::integer(const std::string& key) const { return value<std::int64_t>(key, "integer"); }

double GgufFile::number(const std::string& key) const {
  const auto found = directory_.values.find(key);
  const bool whole = found != directory_.values.end() && std::holds_alternative<std::int64_t>(found->second);
  return whole ? static_cast<double>(integer(key)) : value<double>(key, "number");
}

const std::string& GgufFile::text(const std::string& key) const { return value<std::string>(key, "text"); }

const std::vector<std::string>& GgufFile::texts(const std::string& key) const {
  return value<std::vector<std::string>>(key, "list of texts");
}

const std::vector<double>& GgufFile::numbers(const std::string& key) const {
  return value<std::vector<double>>(key, "list of numbers");
}

Tensor GgufFile::stored_bytes(const GgufEntry& entry) {
  Tensor bytes(DType::u8, {static_cast<std::int64_t>(entry.bytes)});
  source_->read(directory_.data_begin + entry.offset, {bytes.as<std::byte>(), bytes.size_bytes()},
                "tensor data");
  return bytes;
}

Tensor GgufFile::read_at(std::size_t index) {
  const GgufEntry& entry = directory_.entries[index];
  const std::string where = "tensor '" + entry.name + "' has type ";
  if (entry.type == nullptr) {
    bad_file(source_->name(),
             where + std::to_string(entry.type_number) +
                 " of ggml, which is not read; convert it to F32, F16, BF16, Q8_0, Q4_0 or Q4_1");
  }
  const GgufType& type = *entry.type;
  if (options_.integers_are_boolean && type.is_integer())
    return nonzero(stored_bytes(entry), type.block_bytes, entry.shape);
  if (!type.dtype) {
    bad_file(source_->name(),
             where + std::string(type.name) + ", which flashtile lacks; convert it to I8 or I32");
  }
  Tensor tensor(*type.dtype, entry.shape);
  if (type.expand == nullptr) {
    source_->read(directory_.data_begin + entry.offset, {tensor.as<std::byte>(), tensor.size_bytes()},
                  "tensor data");
    return tensor;
  }
  const Tensor stored = stored_bytes(entry);
  const std::byte* block = stored.as<std::byte>();
  for (std::int64_t i = 0; i < tensor.size(); i += type.block_elements, block += type.block_bytes)
    type.expand(block, tensor.as<float>() + i);
  return tensor;
}

bool looks_like_gguf(std::span<const std::byte> start) {
  return start.size() >= 4 && little_endian(start.first(4)) == kGgufMagic;
}

std::unique_ptr<GgufFile> open_gguf(std::unique_ptr<Source> source, const ReadOptions& options) {
  return std::make_unique<GgufFile>(std::move(source), options);
}

}  // namespace flashtile::io
