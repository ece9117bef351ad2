// A language model of Llama's architecture, such as SmolLM2, and its cache of keys and values.
#pragma once

#include "flashtile/rotary.h"
#include "flashtile/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "examples/weights.h"
#include "src/io/gguf.h"

namespace smollm {

/// What the model's file says of its shape.
struct Sizes {
  std::int64_t layers, width, inner_width, heads, kv_heads, head_size, vocabulary, most_tokens;
  double epsilon;  // added to a mean square before its root is taken
};

/// The keys and values of all tokens so far, for each layer. There is room for so many tokens as the model
/// knows positions; memory that is not used yet costs nothing, as the system gives it when it is first written.
struct Cache {
  explicit Cache(const Sizes& sizes);

  std::vector<flashtile::Tensor> keys, values;  // (1, kv_heads, most_tokens, head_size) each
  std::int64_t length = 0;
};

class Model {
 public:
  /// Errors: flashtile::Error, std::runtime_error for a file without such a model.
  explicit Model(std::unique_ptr<flashtile::io::GgufFile> file);

  const Sizes& sizes() const { return sizes_; }

  /// Continues what the cache holds by these tokens, and adds them to it. The hidden states (tokens, width) of
  /// the last layer. Errors: std::runtime_error when the cache is full.
  flashtile::Tensor run(std::span<const int> tokens, Cache& cache) const;

  /// For each row of hidden states the logits of the token that follows: (rows, vocabulary).
  flashtile::Tensor logits(const flashtile::TensorView& hidden) const;

 private:
  flashtile::Tensor embed(std::span<const int> tokens) const;
  void attend(const flashtile::Tensor& x, const flashtile::Tensor& positions, const std::string& layer,
              const flashtile::Tensor& keys, const flashtile::Tensor& values) const;
  void feed_forward(const flashtile::Tensor& x, const std::string& layer) const;
  flashtile::Tensor normalized(const flashtile::TensorView& x, const std::string& name) const;
  flashtile::Tensor linear(const flashtile::Tensor& x, const std::string& name, std::int64_t columns) const;
  void add_linear(const flashtile::Tensor& sum, const flashtile::Tensor& x, const std::string& name) const;

  Sizes sizes_;
  flashtile::Rotary rotary_;
  examples::Weights weights_;
};

}  // namespace smollm
