#include "src/metal_emulator/raw_array.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "flashtile/error.h"

namespace flashtile::metal_emulator {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr std::size_t kMagicBytes = 6, kAlignment = 64;

struct Type {
  const char* code;  // as NumPy writes it
  std::size_t bytes;
};
const std::map<std::string, Type>& types() {
  static const std::map<std::string, Type> table{
      {"float32", {"<f4", 4}}, {"float16", {"<f2", 2}}, {"bfloat16", {"<u2", 2}}, {"int8", {"|i1", 1}},
      {"int16", {"<i2", 2}},   {"int32", {"<i4", 4}},   {"int64", {"<i8", 8}},    {"uint8", {"|u1", 1}},
      {"uint16", {"<u2", 2}},  {"uint32", {"<u4", 4}},  {"uint64", {"<u8", 8}}};
  return table;
}

}  // namespace

RawArray read_array(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw Error(ErrorCode::bad_file, path + ": cannot be read");
  const std::string all = text.str();
  std::size_t header = 0;
  if (all.compare(0, kMagicBytes, kMagic) == 0) {
    const auto byte = [&](std::size_t i) {
      return i < all.size() ? static_cast<std::size_t>(static_cast<unsigned char>(all[i])) : 0;
    };
    const bool long_size = byte(kMagicBytes) >= 2;  // versions 2 and 3 have four bytes of header size
    header = long_size ? 12 + byte(8) + (byte(9) << 8) + (byte(10) << 16) + (byte(11) << 24)
                       : 10 + byte(8) + (byte(9) << 8);
    if (header > all.size()) throw Error(ErrorCode::bad_file, path + ": the .npy header is cut short");
    if (all.substr(0, header).find("'>") != std::string::npos)
      throw Error(ErrorCode::bad_file, path + ": big-endian data; save it as a native array");
  }
  RawArray array{all.substr(0, header), std::vector<std::byte>(all.size() - header)};
  std::memcpy(array.bytes.data(), all.data() + header, array.bytes.size());
  return array;
}

std::vector<std::int64_t> extents_of(const RawArray& array) {
  std::vector<std::int64_t> extents;
  const std::size_t shape = array.header.find("'shape': (");
  if (shape == std::string::npos) return extents;
  const char* const end = array.header.data() + array.header.size();
  for (const char* at = array.header.data() + shape + 10; at < end && *at != ')';) {
    std::int64_t extent = 0;
    const auto parsed = std::from_chars(at, end, extent);
    if (parsed.ec == std::errc()) extents.push_back(extent);
    at = parsed.ec == std::errc() ? parsed.ptr : at + 1;
  }
  if (array.header.find("'fortran_order': True") == std::string::npos)
    std::reverse(extents.begin(), extents.end());
  return extents;
}

void write_array(const std::string& path, const RawArray& array) {
  std::ofstream file(path, std::ios::binary);
  file << array.header;
  file.write(reinterpret_cast<const char*>(array.bytes.data()),
             static_cast<std::streamsize>(array.bytes.size()));
  if (!file.flush()) throw Error(ErrorCode::bad_file, path + ": cannot be written");
}

RawArray zeros(const std::string& description) {
  std::istringstream parts(description);
  std::string type, size, shape;
  std::getline(parts, type, ',');
  const auto found = types().find(type);
  if (found == types().end()) {
    std::string names;
    for (const auto& [name, ignored] : types()) names += (names.empty() ? "" : ", ") + name;
    throw Error(ErrorCode::invalid_argument, "\"" + type + "\" is no type of zeros; there are " + names);
  }
  std::size_t bytes = found->second.bytes;
  while (std::getline(parts, size, ',')) {
    std::size_t count = 0;
    const auto parsed = std::from_chars(size.data(), size.data() + size.size(), count);
    if (parsed.ec != std::errc() || parsed.ptr != size.data() + size.size())
      throw Error(ErrorCode::invalid_argument, "\"" + size + "\" is no size; zeros are TYPE,SIZE,SIZE...");
    if (__builtin_mul_overflow(bytes, count, &bytes))
      throw Error(ErrorCode::invalid_argument, "zeros of " + description + " are too many");
    shape += size + ",";
  }
  std::string header = std::string("{'descr': '") + found->second.code +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.append(kAlignment - (10 + header.size() + 1) % kAlignment, ' ');
  header += '\n';
  const std::string start{kMagic, kMagicBytes};
  const char version[] = {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return {start + std::string(version, sizeof version) + header, std::vector<std::byte>(bytes)};
}

}  // namespace flashtile::metal_emulator
