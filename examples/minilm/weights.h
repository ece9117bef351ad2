// A model's weights where they lie in a .safetensors file.
#pragma once

#include "flashtile/tensor.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace minilm {

/// The file's header is JSON: of each tensor its type, shape, and where its bytes lie behind the header.
class Weights {
 public:
  /// Errors: std::exception for what is no such file.
  explicit Weights(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    content_.assign(std::istreambuf_iterator<char>(file), {});
    std::uint64_t header = 0;
    if (content_.size() < sizeof header) throw std::runtime_error(path + " is no .safetensors file");
    std::memcpy(&header, content_.data(), sizeof header);
    if (header > content_.size() - sizeof header) throw std::runtime_error(path + " is cut short");
    data_ = sizeof header + header;
    entries_ = nlohmann::json::parse(content_.begin() + sizeof header,
                                     content_.begin() + static_cast<std::ptrdiff_t>(data_));
  }

  /// A view of a float32 tensor. Errors: std::exception for one that is not there.
  flashtile::TensorView get(const std::string& name) const {
    const nlohmann::json& entry = entries_.at(name);
    const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
    const auto place = entry.at("data_offsets").get<std::vector<std::size_t>>();
    const flashtile::Dims dims{std::span<const std::int64_t>(shape)};
    const auto bytes = sizeof(float) * static_cast<std::size_t>(flashtile::element_count(dims));
    if (entry.at("dtype") != "F32" || place.at(1) > content_.size() - data_ || place.at(0) > place.at(1) ||
        place.at(1) - place.at(0) != bytes)
      throw std::runtime_error(name + " is not float32, or lies outside of the file");
    return flashtile::packed_view(content_.data() + data_ + place[0], flashtile::DType::f32, dims);
  }

 private:
  std::vector<char> content_;
  std::size_t data_ = 0;
  nlohmann::json entries_;
};

}  // namespace minilm
