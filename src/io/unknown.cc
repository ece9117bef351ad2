#include "src/io/unknown.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <string_view>

namespace flashtile::io {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kReadable = ".npy, .npz, .safetensors and .gguf can be read";

struct Kind {
  std::string_view start, what, advice;
};
constexpr std::string_view kConvert = "convert its tensors with Python, by numpy.savez or safetensors";
constexpr std::string_view kUnpack = "unpack it first";
constexpr std::array kKinds{
    Kind{"version https://git-lfs", "a Git LFS pointer and not the file itself", "run git lfs pull"},
    Kind{"/annex/objects/", "a git-annex pointer and not the file itself", "run git annex get"},
    Kind{"\x89HDF\r\n\x1a\n", "an HDF5 file", kConvert},
    Kind{"PAR1", "a Parquet file", kConvert},
    Kind{"MATLAB 5.0 MAT-file", "a MATLAB file", kConvert},
    Kind{"\x80\x02", "a Python pickle, perhaps an old PyTorch checkpoint", kConvert},
    Kind{"\x80\x03", "a Python pickle", kConvert},
    Kind{"\x80\x04", "a Python pickle", kConvert},
    Kind{"\x80\x05", "a Python pickle", kConvert},
    Kind{"\x1f\x8b", "compressed by gzip", kUnpack},
    Kind{"\x28\xb5\x2f\xfd", "compressed by zstd", kUnpack},
    Kind{"\xfd"
         "7zXZ\0"sv,
         "compressed by xz", kUnpack},
    Kind{"BZh", "compressed by bzip2", kUnpack},
};

/// An HTML page starts so, after white space and in either case.
bool is_html(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  const auto starts = [&](std::string_view tag) {
    return text.size() >= tag.size() && std::equal(tag.begin(), tag.end(), text.begin(), [](char t, char c) {
             return t == std::tolower(static_cast<unsigned char>(c));
           });
  };
  return starts("<!doctype html") || starts("<html");
}

/// No control characters but white space; bytes from 0x80 on may be UTF-8.
bool is_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7f : "\t\n\r\f"sv.find(c) != std::string_view::npos;
  });
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    char digits[4];
    std::snprintf(digits, sizeof(digits), " %02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    text += digits;
  }
  return text;
}

}  // namespace

std::string describe_unknown(std::span<const std::byte> start) {
  const std::string_view text{reinterpret_cast<const char*>(start.data()), start.size()};
  const auto this_is = [](std::string_view what, std::string_view advice) {
    return "this is " + std::string(what) + "; " + std::string(advice);
  };
  if (text.empty()) return "is empty; " + std::string(kReadable);
  for (const Kind& kind : kKinds) {
    if (text.starts_with(kind.start)) return this_is(kind.what, kind.advice);
  }
  if (is_html(text)) return this_is("an HTML page, as a failed download leaves it", "download the file again");
  if (is_text(text))
    return this_is("a text file", std::string(kReadable) + "; numpy.loadtxt and numpy.save convert tables");
  return "starts with" + hex(text.substr(0, 8)) + ", which no tensor file does; " + std::string(kReadable);
}

}  // namespace flashtile::io
