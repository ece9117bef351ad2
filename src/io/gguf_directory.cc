#include "src/io/gguf_directory.h"

#include <algorithm>
#include <bit>
#include <set>

namespace flashtile::io {
namespace {

constexpr const char* kAlignmentKey = "general.alignment";
constexpr std::int64_t kDefaultAlignment = 32;
constexpr std::int64_t kMostBytesOfAnElement = 8;

/// Types of values, by the format's numbers.
enum class ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// Reads a file from its start on, in pieces larger than what is asked for: a vocabulary has many short
/// strings.
class Cursor {
 public:
  explicit Cursor(Source& source) : source_(source) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t rest() const { return source_.size() - position_; }

  std::uint64_t number(std::size_t bytes, const char* what) {
    std::byte buffer[8];
    const std::span<std::byte> into(buffer, bytes);
    read(into, what);
    return little_endian(into);
  }

  /// A length and the characters. Memory is taken for no more than the file has.
  std::string string(const char* what) {
    std::string text(checked_count(what), '\0');
    read(std::as_writable_bytes(std::span(text)), what);
    return text;
  }

  /// A count of things of which each has a byte at least.
  std::uint64_t checked_count(const char* what) {
    const std::uint64_t count = number(8, what);
    if (count > rest()) {
      bad_file(source_.name(), std::string("cut short: the length of ") + what + " is " +
                                   std::to_string(count) + "; " + std::to_string(rest()) + " bytes are left");
    }
    return count;
  }

 private:
  void read(std::span<std::byte> into, const char* what) {
    constexpr std::uint64_t kPiece = 1 << 16;
    if (into.size() > piece_.size() - used_) {
      piece_.resize(std::max<std::uint64_t>(into.size(), std::min(kPiece, rest())));
      source_.read(position_, piece_, what);
      used_ = 0;
    }
    std::copy_n(piece_.begin() + static_cast<std::ptrdiff_t>(used_), into.size(), into.begin());
    used_ += into.size();
    position_ += into.size();
  }

  Source& source_;
  std::uint64_t position_ = 0;
  std::vector<std::byte> piece_;  // ends `used_` bytes behind where the position began
  std::size_t used_ = 0;
};

/// Bytes of a tensor in the file. Sizes are multiplied as if 0 were 1: strides are products of them too.
std::uint64_t data_bytes(const GgufEntry& entry, const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    bad_file(file, "tensor '" + entry.name + "' has " + what);
  };
  const GgufType& type = *entry.type;
  const std::int64_t row = entry.shape.rank() == 0 ? 1 : entry.shape[entry.shape.rank() - 1];
  if (row % type.block_elements != 0) {
    refuse("rows of " + std::to_string(row) + " elements; " + std::string(type.name) + " has blocks of " +
           std::to_string(type.block_elements));
  }
  std::int64_t elements = 1, most_bytes = 0;
  bool overflows = false;
  for (const std::int64_t size : entry.shape)
    overflows |= __builtin_mul_overflow(elements, std::max<std::int64_t>(size, 1), &elements);
  overflows |= __builtin_mul_overflow(elements, kMostBytesOfAnElement, &most_bytes);
  if (overflows) refuse("a shape that overflows 64 bits");
  if (std::count(entry.shape.begin(), entry.shape.end(), 0) != 0) return 0;
  return static_cast<std::uint64_t>(elements / type.block_elements) * type.block_bytes;
}

class Reader {
 public:
  explicit Reader(Source& source) : cursor_(source), file_(source.name()), size_(source.size()) {}

  GgufDirectory read() {
    if (cursor_.number(4, "the first word") != kGgufMagic) bad_file(file_, "is no GGUF file");
    if (const std::uint64_t version = cursor_.number(4, "the version"); version != 2 && version != 3) {
      bad_file(file_, "is of GGUF's version " + std::to_string(version) + "; 2 and 3, little-endian, are read");
    }
    const std::uint64_t tensors = cursor_.checked_count("the list of tensors");
    const std::uint64_t values = cursor_.checked_count("the list of values");
    for (std::uint64_t i = 0; i < values; ++i) read_pair();
    std::set<std::string> seen;
    for (std::uint64_t i = 0; i < tensors; ++i) {
      found_.entries.push_back(read_entry());
      const std::string& name = found_.entries.back().name;
      if (!seen.insert(name).second) bad_file(file_, "tensor '" + name + "' is there twice");
    }
    const std::uint64_t alignment = checked_alignment(), over = cursor_.position() % alignment;
    found_.data_begin = cursor_.position() + (over == 0 ? 0 : std::min(alignment - over, cursor_.rest()));
    check_places(alignment);
    return std::move(found_);
  }

 private:
  void read_pair() {
    const std::string key = cursor_.string("a key");
    const ValueType type = read_type();
    if (!found_.values.emplace(key, type == ValueType::array ? read_list(key) : read_single(type, key)).second)
      bad_file(file_, "key '" + key + "' is there twice");
  }

  ValueType read_type() { return static_cast<ValueType>(cursor_.number(4, "the type of a value")); }

  GgufValue read_single(ValueType type, const std::string& key) {
    const auto bits = [&](std::size_t bytes) { return cursor_.number(bytes, "a value"); };
    const auto unsigned_of = [&](std::size_t bytes) -> GgufValue {
      const std::uint64_t number = bits(bytes);
      if (number > std::uint64_t{INT64_MAX}) return static_cast<double>(number);
      return static_cast<std::int64_t>(number);
    };
    switch (type) {
      case ValueType::u8: return unsigned_of(1);
      case ValueType::i8: return std::int64_t{static_cast<std::int8_t>(bits(1))};
      case ValueType::u16: return unsigned_of(2);
      case ValueType::i16: return std::int64_t{static_cast<std::int16_t>(bits(2))};
      case ValueType::u32: return unsigned_of(4);
      case ValueType::i32: return std::int64_t{static_cast<std::int32_t>(bits(4))};
      case ValueType::f32: return double{std::bit_cast<float>(static_cast<std::uint32_t>(bits(4)))};
      case ValueType::boolean: return std::int64_t{bits(1) != 0};
      case ValueType::string: return cursor_.string("a value");
      case ValueType::u64: return unsigned_of(8);
      case ValueType::i64: return static_cast<std::int64_t>(bits(8));
      case ValueType::f64: return std::bit_cast<double>(bits(8));
      case ValueType::array: bad_file(file_, "key '" + key + "' has a list of lists, which is not read");
    }
    bad_file(file_, "key '" + key + "' has a value of the unknown type " +
                        std::to_string(static_cast<std::uint32_t>(type)));
  }

  GgufValue read_list(const std::string& key) {
    const ValueType type = read_type();
    const std::uint64_t count = cursor_.checked_count("a list");
    std::vector<std::string> texts;
    std::vector<double> numbers;
    for (std::uint64_t i = 0; i < count; ++i) {
      GgufValue value = read_single(type, key);
      if (auto* const text = std::get_if<std::string>(&value)) {
        texts.push_back(std::move(*text));
      } else {
        const auto* const integer = std::get_if<std::int64_t>(&value);
        numbers.push_back(integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value));
      }
    }
    if (type == ValueType::string) return texts;
    return numbers;
  }

  GgufEntry read_entry() {
    GgufEntry entry;
    entry.name = cursor_.string("a tensor's name");
    const std::uint64_t rank = cursor_.number(4, "a tensor's rank");
    if (rank > kMaxRank) {
      bad_file(file_, "tensor '" + entry.name + "' has " + std::to_string(rank) + " dimensions; at most " +
                          std::to_string(kMaxRank) + " are read");
    }
    std::vector<std::int64_t> sizes(rank);
    for (std::int64_t& size : sizes) {
      const std::uint64_t number = cursor_.number(8, "a tensor's shape");
      if (number > std::uint64_t{INT64_MAX})
        bad_file(file_, "tensor '" + entry.name + "' has a shape that overflows 64 bits");
      size = static_cast<std::int64_t>(number);
    }
    std::reverse(sizes.begin(), sizes.end());
    entry.shape = Dims{std::span<const std::int64_t>(sizes)};
    entry.type_number = static_cast<std::uint32_t>(cursor_.number(4, "a tensor's type"));
    entry.type = find_gguf_type(entry.type_number);
    entry.offset = cursor_.number(8, "a tensor's offset");
    entry.bytes = entry.type == nullptr ? 0 : data_bytes(entry, file_);
    return entry;
  }

  std::uint64_t checked_alignment() const {
    const auto found = found_.values.find(kAlignmentKey);
    if (found == found_.values.end()) return kDefaultAlignment;
    const auto* const alignment = std::get_if<std::int64_t>(&found->second);
    if (alignment == nullptr || *alignment <= 0 || !std::has_single_bit(static_cast<std::uint64_t>(*alignment)))
      bad_file(file_, std::string(kAlignmentKey) + " is no power of two");
    return static_cast<std::uint64_t>(*alignment);
  }

  /// Each tensor lies in the data, aligned, and behind the end of the one before.
  void check_places(std::uint64_t alignment) const {
    const std::uint64_t size = size_ - found_.data_begin;
    std::vector<const GgufEntry*> ordered;
    for (const GgufEntry& entry : found_.entries) ordered.push_back(&entry);
    std::sort(ordered.begin(), ordered.end(), [](const GgufEntry* a, const GgufEntry* b) {
      return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
    });
    std::uint64_t end = 0;
    for (const GgufEntry* entry : ordered) {
      const std::string where = "tensor '" + entry->name + "' begins at " + std::to_string(entry->offset);
      if (entry->offset % alignment != 0)
        bad_file(file_, where + ", which is no multiple of " + std::to_string(alignment));
      if (entry->offset < end) bad_file(file_, where + ", inside of the one before it");
      if (entry->offset > size || entry->bytes > size - entry->offset) {
        bad_file(file_, "cut short: " + where + " and has " + std::to_string(entry->bytes) +
                            " bytes; the file has " + std::to_string(size) + " of data");
      }
      end = entry->offset + entry->bytes;
    }
  }

  Cursor cursor_;
  const std::string& file_;
  const std::uint64_t size_;
  GgufDirectory found_;
};

}  // namespace

GgufDirectory read_gguf_directory(Source& source) { return Reader(source).read(); }

}  // namespace flashtile::io
