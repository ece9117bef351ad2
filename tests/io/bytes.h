// Bytes by hand, for the tests of the tensor file readers.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/tensor.h"

namespace flashtile::io {

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// The low `bytes` bytes of a number, little-endian.
inline std::string le(std::uint64_t value, int bytes) {
  std::string text;
  for (; bytes > 0; --bytes, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  EXPECT_EQ(tensor.dtype(), dtype_of<T>);
  const T* data = tensor.as<T>();
  return {data, data + tensor.size()};
}

/// A .npy file with this header text, unpadded.
inline std::string npy(const std::string& dict, const std::string& data) {
  return "\x93NUMPY" + std::string("\x01\x00", 2) + le(dict.size(), 2) + dict + data;
}

/// The message of the bad_file error that body throws; a failed expectation when it throws anything else.
template <class Body>
std::string message_of(Body&& body, ErrorCode code = ErrorCode::bad_file) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace flashtile::io
