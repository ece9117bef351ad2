// What the fuzzers of the tensor file readers share: any bytes either become tensors or a bad_file error.
#pragma once

#include <cstdlib>
#include <functional>
#include <memory>
#include <sstream>

#include "flashtile/error.h"
#include "src/io/tensor_file.h"

namespace flashtile::fuzz {

/// Runs body; any error but bad_file is a finding.
inline void expect_bad_file_at_most(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_file) std::abort();
  }
}

/// Every byte of a tensor, so that memory which the reader left unset or too short is noticed.
inline void touch(const Tensor& tensor) {
  const volatile unsigned char* bytes = tensor.as<const unsigned char>();
  for (std::size_t i = 0; i < tensor.size_bytes(); ++i) static_cast<void>(bytes[i]);
}

inline constexpr std::uint64_t kMaxInflatedBytes = std::uint64_t{1} << 24;  // keeps one input fast

using Open = std::unique_ptr<io::TensorFile>(std::unique_ptr<io::Source>, const io::ReadOptions&);

/// Opens the bytes as a file and reads every tensor in it, as values and as a mask.
inline void read_all(const std::function<Open>& open, const std::uint8_t* data, std::size_t size) {
  for (const bool mask : {false, true}) {
    expect_bad_file_at_most([&] {
      const auto file = open(io::memory_source(std::as_bytes(std::span(data, size)), "fuzz"),
                             {.max_inflated_bytes = kMaxInflatedBytes, .integers_are_boolean = mask});
      for (const std::string& name : file->names()) expect_bad_file_at_most([&] { touch(file->read(name)); });
    });
  }
}

}  // namespace flashtile::fuzz
