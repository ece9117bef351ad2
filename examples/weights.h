// A model's weights, for the examples that run one.
#pragma once

#include "flashtile/tensor.h"

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "src/io/tensor_file.h"

namespace examples {

/// The tensors of a file as float32, each read when it is first asked for.
class Weights {
 public:
  /// Any file that flashtile reads: .safetensors, .gguf. Errors: flashtile::Error.
  explicit Weights(std::unique_ptr<flashtile::io::TensorFile> file) : file_(std::move(file)) {}

  bool contains(const std::string& name) const { return file_->contains(name); }

  /// Errors: flashtile::Error, std::runtime_error for a tensor that is not there or has another shape.
  const flashtile::Tensor& get(const std::string& name, const flashtile::Dims& shape) const {
    auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      const flashtile::Tensor tensor = file_->read(name);
      if (tensor.shape() != shape)
        throw std::runtime_error(name + " has shape " + to_string(tensor.shape()) + "; the model needs " +
                                 to_string(shape));
      const bool plain = tensor.dtype() == flashtile::DType::f32;
      found = tensors_.emplace(name, plain ? tensor : convert(tensor, flashtile::DType::f32)).first;
    }
    return found->second;
  }

  /// The same as a plain array.
  const float* floats(const std::string& name, const flashtile::Dims& shape) const {
    return get(name, shape).as<float>();
  }

 private:
  std::unique_ptr<flashtile::io::TensorFile> file_;
  mutable std::map<std::string, flashtile::Tensor> tensors_;
};

}  // namespace examples
