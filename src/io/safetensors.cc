#include "src/io/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "flashtile/error.h"
#include "src/io/nonzero.h"

namespace flashtile::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // of the reference reader
constexpr std::size_t kDataAlignment = 64;
constexpr int kMaxDepth = 3;  // {"q": {"shape": [

struct FileType {
  std::string_view name;
  std::uint64_t bits;
  std::optional<DType> dtype;  // none: a type of the format that DType lacks

  bool is_integer() const { return name[0] == 'I' || name[0] == 'U' || name == "BOOL"; }
};
constexpr FileType kFileTypes[] = {
    {"F64", 64, DType::f64}, {"F32", 32, DType::f32}, {"F16", 16, DType::f16}, {"BF16", 16, DType::bf16},
    {"I8", 8, DType::i8},    {"U8", 8, DType::u8},    {"I32", 32, DType::i32}, {"BOOL", 8, DType::u8},
    {"I64", 64, DType::i64}, {"U64", 64, {}},         {"C64", 64, {}},         {"U32", 32, {}},
    {"I16", 16, {}},         {"U16", 16, {}},         {"F8_E5M2", 8, {}},      {"F8_E4M3", 8, {}},
    {"F8_E8M0", 8, {}},      {"F6_E2M3", 6, {}},      {"F6_E3M2", 6, {}},      {"F4", 4, {}}};

struct Entry {
  std::string name;
  FileType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;  // from the first byte of data on
};

/// The header as JSON, refusing what a DOM hides: duplicate keys; and what would cost memory: deep nesting.
json parse_header(const std::string& text, const std::string& file) {
  if (!text.starts_with('{')) bad_file(file, "safetensors header: does not start with '{'");
  // The parser takes a NUL for the end and would not see what follows; other readers might.
  if (text[text.find_last_not_of(' ')] != '}' || text.find('\0') != std::string::npos)
    bad_file(file, "safetensors header: something follows the JSON; only spaces may");
  std::vector<std::set<std::string>> keys(kMaxDepth + 1);
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      if (depth >= kMaxDepth)
        bad_file(file, "safetensors header: nested deeper than " + std::to_string(kMaxDepth) + " levels");
      keys[static_cast<std::size_t>(depth) + 1].clear();
    } else if (event == json::parse_event_t::key) {
      const std::string& key = value.get_ref<const std::string&>();
      if (!keys[static_cast<std::size_t>(depth)].insert(key).second) {
        bad_file(file, "safetensors header: key '" + key + "' is there twice");
      }
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& problem) {
    bad_file(file, std::string("safetensors header: ") + problem.what());
  }
}

std::uint64_t unsigned_number(const json& value, const std::string& what, const std::string& file) {
  if (!value.is_number_unsigned()) bad_file(file, what + " holds " + value.dump() + "; a size is expected");
  return value.get<std::uint64_t>();
}

/// Exact bytes of a tensor. Sizes are multiplied as if 0 were 1 first: strides are products of them too.
std::uint64_t data_bytes(const Entry& entry, const std::string& where, const std::string& file) {
  std::uint64_t bits = entry.type.bits;
  for (const std::int64_t size : entry.shape) {
    if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1)), &bits)) {
      bad_file(file, where + "has a shape that overflows 64 bits");
    }
  }
  if (std::count(entry.shape.begin(), entry.shape.end(), 0) != 0) return 0;
  if (bits % 8 != 0) bad_file(file, where + "does not fill whole bytes");
  return bits / 8;
}

Entry parse_entry(const std::string& name, const json& value, const std::string& file) {
  const std::string where = "tensor '" + name + "' ";
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    bad_file(file, where + "needs exactly dtype, shape and data_offsets");
  }
  if (!value["dtype"].is_string()) bad_file(file, where + "has a dtype that is no string");
  const std::string& spelled = value["dtype"].get_ref<const std::string&>();
  const auto* type = std::find_if(std::begin(kFileTypes), std::end(kFileTypes),
                                  [&](const FileType& t) { return t.name == spelled; });
  if (type == std::end(kFileTypes)) bad_file(file, where + "has the unknown dtype '" + spelled + "'");

  if (!value["shape"].is_array()) bad_file(file, where + "has a shape that is no array");
  Entry entry{name, *type, {}, 0, 0};
  for (const json& size : value["shape"]) {
    const std::uint64_t number = unsigned_number(size, where + "shape", file);
    if (number > static_cast<std::uint64_t>(INT64_MAX))
      bad_file(file, where + "has a shape that overflows 64 bits");
    entry.shape.push_back(static_cast<std::int64_t>(number));
  }
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) bad_file(file, where + "needs two data_offsets");
  entry.begin = unsigned_number(offsets[0], where + "data_offsets", file);
  entry.end = unsigned_number(offsets[1], where + "data_offsets", file);
  const std::uint64_t needed = data_bytes(entry, where, file);
  if (entry.end < entry.begin || entry.end - entry.begin != needed) {
    bad_file(file, where + "needs " + std::to_string(needed) + " bytes; data_offsets are " + offsets.dump());
  }
  return entry;
}

void check_metadata(const json& metadata, const std::string& file) {
  const bool strings = metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                                           [](const json& v) { return v.is_string(); });
  if (!strings) bad_file(file, "safetensors header: __metadata__ must map strings to strings");
}

/// Ranges must follow each other without holes or overlaps and end where the data ends.
void check_coverage(std::vector<Entry> entries, std::uint64_t data_size, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      bad_file(file, "tensor '" + entry.name + "' begins at " + std::to_string(entry.begin) + "; " +
                         std::to_string(covered) + " is expected, without holes or overlaps");
    }
    covered = entry.end;
  }
  if (covered != data_size) {
    bad_file(file, "the tensors cover " + std::to_string(covered) + " bytes of data; the file has " +
                       std::to_string(data_size));
  }
}

class SafetensorsFile final : public TensorFile {
 public:
  SafetensorsFile(std::unique_ptr<Source> source, const ReadOptions& options)
      : TensorFile(std::move(source)), options_(options) {
    const std::string& file = source_->name();
    std::byte length[8];
    source_->read(0, length, "safetensors header length");
    const std::uint64_t header_bytes = little_endian(length);
    if (header_bytes > kMaxHeaderBytes || header_bytes > source_->size() - sizeof(length)) {
      bad_file(file, "safetensors header length is " + std::to_string(header_bytes) + "; the file has " +
                         std::to_string(source_->size()) + " bytes and at most " +
                         std::to_string(kMaxHeaderBytes) + " are read");
    }
    std::string text(header_bytes, '\0');
    source_->read(sizeof(length), std::as_writable_bytes(std::span(text)), "safetensors header");
    data_begin_ = sizeof(length) + header_bytes;
    const json header = parse_header(text, file);
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        check_metadata(value, file);
        continue;
      }
      entries_.push_back(parse_entry(name, value, file));
      names_.push_back(name);
    }
    check_coverage(entries_, source_->size() - data_begin_, file);
  }

 private:
  Tensor read_at(std::size_t index) override {
    const Entry& entry = entries_[index];
    const std::string where = "tensor '" + entry.name + "' has ";
    if (entry.shape.size() > kMaxRank) {
      bad_file(source_->name(), where + std::to_string(entry.shape.size()) + " dimensions; at most " +
                                    std::to_string(kMaxRank) + " are read");
    }
    const Dims shape{std::span<const std::int64_t>(entry.shape)};
    const bool boolean = options_.integers_are_boolean && entry.type.is_integer();
    if (!entry.type.dtype && !boolean) {
      bad_file(source_->name(),
               where + "dtype " + std::string(entry.type.name) +
                   ", which flashtile lacks; convert it to F32, F16 or BF16, or to I32, I8 or U8");
    }
    Tensor tensor = boolean ? Tensor(DType::u8, {static_cast<std::int64_t>(entry.end - entry.begin)})
                            : Tensor(*entry.type.dtype, shape);
    source_->read(data_begin_ + entry.begin, {tensor.as<std::byte>(), tensor.size_bytes()}, "tensor data");
    return boolean ? nonzero(tensor, static_cast<std::size_t>(entry.type.bits / 8), shape) : tensor;
  }

  ReadOptions options_;
  std::uint64_t data_begin_ = 0;
  std::vector<Entry> entries_;
};

const FileType& file_type(DType dtype) {
  const auto* type = std::find_if(std::begin(kFileTypes), std::end(kFileTypes),
                                  [&](const FileType& t) { return t.dtype == dtype; });
  if (type == std::end(kFileTypes)) {
    throw Error(ErrorCode::invalid_argument,
                std::string("write_safetensors: .safetensors has no type for ") + name(dtype));
  }
  return *type;
}

}  // namespace

bool looks_like_safetensors(std::span<const std::byte> start) {
  return start.size() >= 9 && little_endian(start.first(8)) <= kMaxHeaderBytes && start[8] == std::byte{'{'};
}

std::unique_ptr<TensorFile> open_safetensors(std::unique_ptr<Source> source, const ReadOptions& options) {
  return std::make_unique<SafetensorsFile>(std::move(source), options);
}

void write_safetensors(std::ostream& out, std::span<const NamedView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  // Widest type first keeps every tensor aligned to its elements.
  std::vector<NamedView> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedView& a, const NamedView& b) {
    return bits(a.view.dtype) > bits(b.view.dtype);
  });
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const NamedView& tensor : ordered) {
    const FileType& type = file_type(tensor.view.dtype);
    if (header.contains(tensor.name) || tensor.name == "__metadata__") {
      throw Error(ErrorCode::invalid_argument, "write_safetensors: name '" + tensor.name + "' is taken");
    }
    const std::uint64_t bytes = static_cast<std::uint64_t>(element_count(tensor.view.shape)) * type.bits / 8;
    json& entry = header[tensor.name];
    entry["dtype"] = type.name;
    entry["shape"] = std::vector<std::int64_t>(tensor.view.shape.begin(), tensor.view.shape.end());
    entry["data_offsets"] = {offset, offset + bytes};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((kDataAlignment - (text.size() + 8) % kDataAlignment) % kDataAlignment, ' ');
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(text.size() >> (8 * i) & 0xff);
  out.write(length.data(), 8);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const NamedView& tensor : ordered) {
    const Tensor packed = copy_to(tensor.view, Device::cpu());
    out.write(packed.as<char>(), static_cast<std::streamsize>(packed.size_bytes()));
  }
}

}  // namespace flashtile::io
