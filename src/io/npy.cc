#include "src/io/npy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "flashtile/error.h"
#include "src/io/nonzero.h"

namespace flashtile::io {
namespace {

constexpr std::uint64_t kMaxHeaderBytes =
    65535;  // all that version 1.0 can say, and far more than a plain array needs
constexpr std::size_t kDataAlignment = 64;

struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

/// Parses the header: a Python dict literal with exactly the keys descr, fortran_order and shape, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key = string("a key");
      expect(':');
      if (key == "descr" && !descr_) {
        if (peek() == '[') fail("descr is a structured type; only plain numbers can be read");
        descr_ = string("descr");
      } else if (key == "fortran_order" && !fortran_order_) {
        fortran_order_ = boolean();
      } else if (key == "shape" && !shape_) {
        shape_ = shape();
      } else {
        fail("key '" + key + "' is unknown or given twice; descr, fortran_order and shape are expected");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("there is text after the closing brace");
    if (!descr_ || !fortran_order_ || !shape_) {
      fail(std::string("key '") + (!descr_ ? "descr" : !shape_ ? "shape" : "fortran_order") + "' is missing");
    }
    return {*descr_, *fortran_order_, *shape_};
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { bad_file(file_, "npy header: " + message); }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("'") + c + "' is expected at character " + std::to_string(at_));
  }

  std::string string(const char* what) {
    const char quote = peek();
    const std::size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos)
      fail(std::string(what) + " is expected in quotes at character " + std::to_string(at_));
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return std::string(value);
  }

  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail("fortran_order is neither True nor False");
  }

  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      sizes.push_back(size());
      if (sizes.size() > kMaxRank) fail("shape has more than " + std::to_string(kMaxRank) + " dimensions");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::int64_t size() {
    if (peek() < '0' || peek() > '9') fail("a size is expected at character " + std::to_string(at_));
    std::int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[at_] - '0', &value)) {
        fail("a size of shape does not fit 64 bits");
      }
    }
    return value;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::int64_t>> shape_;
};

/// NumPy's name of the type that a descr without its byte order stands for: "int64" for "i8".
std::string numpy_name(const std::string& kind) {
  if (kind.starts_with('O')) return "Python objects";
  const std::pair<char, const char*> words[] = {{'f', "float"}, {'i', "int"}, {'u', "uint"}, {'c', "complex"}};
  for (const auto& [letter, word] : words) {
    if (kind.size() >= 2 && kind.size() <= 4 && kind[0] == letter &&
        kind.find_first_not_of("0123456789", 1) == std::string::npos)
      return word + std::to_string(8 * std::atoi(kind.c_str() + 1));
  }
  return "";
}

/// How an element lies in the file, and what it is read as.
struct Element {
  std::size_t bytes;
  DType dtype;
};

Element element_of(const std::string& descr, const ReadOptions& options, const std::string& file) {
  // The byte order is the first character; it says nothing about one-byte and raw types.
  const std::string kind = descr.empty() || std::strchr("<>|=", descr[0]) == nullptr ? descr : descr.substr(1);
  if (kind == "f8") return {8, DType::f64};
  if (kind == "f4") return {4, DType::f32};
  if (kind == "f2") return {2, DType::f16};
  if (kind == "V2" || kind == "bfloat16" || (kind == "u2" && options.two_bytes_are_bf16))
    return {2, DType::bf16};
  if (kind == "u1" || kind == "b1") return {1, DType::u8};
  for (const char* integer : {"i1", "i2", "u2", "i4", "u4", "i8", "u8"}) {
    if (options.integers_are_boolean && kind == integer)
      return {static_cast<std::size_t>(kind[1] - '0'), DType::u8};
  }
  if (kind == "i8") return {8, DType::i64};
  if (kind == "i4") return {4, DType::i32};
  if (kind == "i1") return {1, DType::i8};
  const std::string what = numpy_name(kind).empty() ? "" : " (" + numpy_name(kind) + ")";
  bad_file(file,
           "dtype '" + descr + "'" + what + " is not read; " +
               (kind == "u2" ? "if it holds bfloat16, ask for that (--dtype bf16)"
                             : "convert it to float32, float16, int32, int8, uint8 or bool (numpy's astype)"));
}

void swap_bytes(std::span<std::byte> bytes, std::size_t element) {
  for (std::size_t at = 0; at + element <= bytes.size(); at += element) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + element));
  }
}

/// The row-major tensor of data whose first dimension is the contiguous one.
Tensor from_fortran_order(const Tensor& data, const Dims& shape) {
  Dims order = shape;
  for (int i = 0; i < shape.rank(); ++i) order[i] = shape.rank() - 1 - i;
  return copy_to(data.view().permuted(order), Device::cpu());
}

Dims reversed(const Dims& dims) {
  Dims result = dims;
  for (int i = 0; i < dims.rank(); ++i) result[i] = dims[dims.rank() - 1 - i];
  return result;
}

/// Sizes are multiplied as if 0 were 1 first: strides are products of them too.
std::uint64_t data_bytes(const Dims& shape, std::uint64_t element, const std::string& file) {
  std::uint64_t bytes = element;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1)), &bytes)) {
      bad_file(file, "shape " + to_string(shape) + " overflows 64 bits");
    }
  }
  return std::count(shape.begin(), shape.end(), 0) != 0 ? 0 : bytes;
}

const char* descr_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return "<f8";
    case DType::f32: return "<f4";
    case DType::f16: return "<f2";
    case DType::bf16: return "<u2";
    case DType::i32: return "<i4";
    case DType::i64: return "<i8";
    case DType::i8: return "|i1";
    case DType::u8: return "|u1";
    case DType::int4:
    case DType::uint4:
    case DType::f8_e4m3:
    case DType::f8_e5m2:
    case DType::q8_0:
    case DType::q4_0: break;
  }
  throw Error(ErrorCode::invalid_argument, std::string("write_npy: .npy has no type for ") + name(dtype));
}

/// Magic, version 1.0, length and dict, padded so that the data starts at a multiple of 64.
std::string header_of(const TensorView& view) {
  std::string shape = to_string(view.shape);
  std::string dict = std::string("{'descr': '") + descr_of(view.dtype) +
                     "', 'fortran_order': False, 'shape': " + shape + ", }";
  const std::size_t prefix = 10;
  const std::size_t unpadded = prefix + dict.size() + 1;
  dict.append((kDataAlignment - unpadded % kDataAlignment) % kDataAlignment, ' ');
  dict += '\n';
  std::string header(kNpyMagic, 6);
  header += {'\x01', '\x00', static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)};
  return header + dict;
}

}  // namespace

Tensor read_npy(Source& source, const ReadOptions& options) {
  const std::string& file = source.name();
  std::byte start[8];
  source.read(0, start, "npy magic and version");
  if (std::memcmp(start, kNpyMagic, 6) != 0) bad_file(file, "does not start with the npy magic");
  const int major = std::to_integer<int>(start[6]);
  const int minor = std::to_integer<int>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    bad_file(file, "npy version is " + std::to_string(major) + "." + std::to_string(minor) +
                       "; 1.0, 2.0 and 3.0 are known");
  }

  std::byte length[4] = {};
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  source.read(8, std::span(length).first(length_bytes), "npy header length");
  const std::uint64_t header_bytes = little_endian(std::span(length).first(length_bytes));
  if (header_bytes > kMaxHeaderBytes) {
    bad_file(file, "npy header length is " + std::to_string(header_bytes) + "; at most " +
                       std::to_string(kMaxHeaderBytes) + " is read");
  }
  std::string text(header_bytes, '\0');
  source.read(8 + length_bytes, std::as_writable_bytes(std::span(text)), "npy header");
  const NpyHeader header = HeaderParser(text, file).parse();

  const Element element = element_of(header.descr, options, file);
  const Dims shape{std::span<const std::int64_t>(header.shape)};
  const std::uint64_t data_begin = 8 + length_bytes + header_bytes;
  const std::uint64_t available = source.size() - data_begin;
  const std::uint64_t needed = data_bytes(shape, element.bytes, file);
  if (needed != available) {
    bad_file(file, "shape " + to_string(shape) + " of " + header.descr + " needs " + std::to_string(needed) +
                       " bytes of data; the file has " + std::to_string(available));
  }

  const Dims stored = header.fortran_order ? reversed(shape) : shape;
  const bool widened =
      element.bytes != static_cast<std::size_t>(bits(element.dtype) / 8);  // integers for a mask
  Tensor tensor(element.dtype, widened ? Dims{static_cast<std::int64_t>(needed)} : stored);
  const std::span<std::byte> data{tensor.as<std::byte>(), static_cast<std::size_t>(needed)};
  source.read(data_begin, data, "array data");
  if (widened) {
    tensor = nonzero(tensor, element.bytes, stored);
  } else if (header.descr[0] == '>') {
    swap_bytes(data, element.bytes);
  }
  return header.fortran_order ? from_fortran_order(tensor, shape) : tensor;
}

void write_npy(std::ostream& out, const TensorView& view) {
  const std::string header = header_of(view);
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  const Tensor packed = copy_to(view, Device::cpu());
  out.write(packed.as<char>(), static_cast<std::streamsize>(packed.size_bytes()));
}

std::uint64_t npy_size(const TensorView& view) {
  return header_of(view).size() + static_cast<std::uint64_t>(element_count(view.shape) * bits(view.dtype) / 8);
}

}  // namespace flashtile::io
