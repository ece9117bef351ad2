#include "examples/smollm/model.h"

#include "flashtile/append_kv.h"
#include "flashtile/attention.h"
#include "flashtile/gemm.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace smollm {

using flashtile::DType, flashtile::Tensor, flashtile::TensorView;

namespace {

/// Sizes are at most 2^20, so that no product of a few of them overflows.
std::int64_t size_of(const flashtile::io::GgufFile& file, const std::string& key) {
  const std::int64_t size = file.integer(key);
  if (size < 1 || size > 1 << 20) throw std::runtime_error(key + " is " + std::to_string(size));
  return size;
}

Sizes sizes_of(const flashtile::io::GgufFile& file) {
  if (const std::string& architecture = file.text("general.architecture"); architecture != "llama")
    throw std::runtime_error("the model's architecture is " + architecture + "; llama is expected");
  if (file.contains("rope_freqs.weight"))
    throw std::runtime_error("the model stretches its positions; this example does not");
  Sizes sizes{.layers = size_of(file, "llama.block_count"),
              .width = size_of(file, "llama.embedding_length"),
              .inner_width = size_of(file, "llama.feed_forward_length"),
              .heads = size_of(file, "llama.attention.head_count"),
              .kv_heads = size_of(file, "llama.attention.head_count_kv"),
              .head_size = size_of(file, "llama.rope.dimension_count"),
              .vocabulary = static_cast<std::int64_t>(file.texts("tokenizer.ggml.tokens").size()),
              .most_tokens = size_of(file, "llama.context_length"),
              .epsilon = file.number("llama.attention.layer_norm_rms_epsilon")};
  if (sizes.heads * sizes.head_size != sizes.width)
    throw std::runtime_error("the heads do not fill the model's width");
  return sizes;
}

/// (tokens, heads * head_size) as (1, heads, tokens, head_size): the same memory.
TensorView heads_of(const Tensor& x, std::int64_t head_size) {
  return flashtile::packed_view(x.data(), x.dtype(), {1, x.shape()[0], x.shape()[1] / head_size, head_size})
      .permuted({0, 2, 1, 3});
}

}  // namespace

Cache::Cache(const Sizes& sizes) {
  for (std::int64_t i = 0; i < sizes.layers; ++i) {
    for (auto* const side : {&keys, &values})
      side->emplace_back(DType::f32, flashtile::Dims{1, sizes.kv_heads, sizes.most_tokens, sizes.head_size});
  }
}

// ggml keeps the rows of q's and k's weights in an order that pairs neighbours.
Model::Model(std::unique_ptr<flashtile::io::GgufFile> file)
    : sizes_(sizes_of(*file)),
      rotary_{.pairs = flashtile::RotaryPairs::interleaved, .base = file->number("llama.rope.freq_base")},
      weights_(std::move(file)) {}

Tensor Model::run(std::span<const int> tokens, Cache& cache) const {
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (count == 0) throw std::runtime_error("there are no tokens to go on from");
  if (count > sizes_.most_tokens - cache.length)
    throw std::runtime_error("the model knows positions for " + std::to_string(sizes_.most_tokens) +
                             " tokens, no more");
  const Tensor positions(DType::i32, {count});
  std::iota(positions.as<std::int32_t>(), positions.as<std::int32_t>() + count,
            static_cast<std::int32_t>(cache.length));
  cache.length += count;

  const Tensor x = embed(tokens);
  for (std::int64_t i = 0; i < sizes_.layers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    const auto at = static_cast<std::size_t>(i);
    attend(x, positions, layer, cache.keys[at], cache.values[at]);
    feed_forward(x, layer);
  }
  return x;
}

Tensor Model::logits(const TensorView& hidden) const {
  const std::string name = weights_.contains("output.weight") ? "output" : "token_embd";
  return linear(normalized(hidden, "output_norm"), name, sizes_.vocabulary);
}

Tensor Model::embed(std::span<const int> tokens) const {
  const float* const words = weights_.floats("token_embd.weight", {sizes_.vocabulary, sizes_.width});
  Tensor x(DType::f32, {static_cast<std::int64_t>(tokens.size()), sizes_.width});
  float* row = x.as<float>();
  for (const int token : tokens) row = std::copy_n(words + token * sizes_.width, sizes_.width, row);
  return x;
}

/// Adds to x what its rows attend to. Queries are turned by their positions; new keys, too, on their way into
/// the cache. Each query sees the keys of all tokens before it and its own, which are the first ones of the
/// cache: a view of them is enough.
void Model::attend(const Tensor& x, const Tensor& positions, const std::string& layer, const Tensor& keys,
                   const Tensor& values) const {
  const std::int64_t kv_width = sizes_.kv_heads * sizes_.head_size;
  const Tensor rows = normalized(x, layer + "attn_norm"), q = linear(rows, layer + "attn_q", sizes_.width),
               k = linear(rows, layer + "attn_k", kv_width), v = linear(rows, layer + "attn_v", kv_width);
  const auto heads = [&](const Tensor& side) { return heads_of(side, sizes_.head_size); };
  flashtile::rotary_into(heads(q), heads(q), positions, rotary_);
  flashtile::append_kv(keys, values, heads(k), heads(v), positions, {.rotary = rotary_});

  const std::int64_t length = positions.as<std::int32_t>()[positions.size() - 1] + 1;
  const Tensor out(DType::f32, q.shape());
  flashtile::attention_into({.out = heads(out)}, heads(q), keys.view().sliced(2, 0, length),
                            values.view().sliced(2, 0, length),
                            {.mask = {.causal = flashtile::CausalCorner::bottom_right}});
  add_linear(x, out, layer + "attn_output");
}

/// Adds to x: down(silu(gate(x)) * up(x)).
void Model::feed_forward(const Tensor& x, const std::string& layer) const {
  const Tensor rows = normalized(x, layer + "ffn_norm"),
               gate = linear(rows, layer + "ffn_gate", sizes_.inner_width),
               up = linear(rows, layer + "ffn_up", sizes_.inner_width);
  for (std::int64_t i = 0; i < gate.size(); ++i) {
    float& u = gate.as<float>()[i];
    u = u / (1 + std::exp(-u)) * up.as<float>()[i];
  }
  add_linear(x, gate, layer + "ffn_down");
}

/// Each row divided by its root mean square, then scaled.
Tensor Model::normalized(const TensorView& x, const std::string& name) const {
  const float* const scale = weights_.floats(name + ".weight", {sizes_.width});
  Tensor y = flashtile::copy_to(x, {});
  for (std::int64_t i = 0; i < y.shape()[0]; ++i) {
    float* const row = y.as<float>() + i * sizes_.width;
    const double squares = std::inner_product(row, row + sizes_.width, row, 0.0);
    const double factor = 1 / std::sqrt(squares / static_cast<double>(sizes_.width) + sizes_.epsilon);
    for (std::int64_t j = 0; j < sizes_.width; ++j) row[j] = static_cast<float>(row[j] * factor) * scale[j];
  }
  return y;
}

/// x weight^T, in rows.
Tensor Model::linear(const Tensor& x, const std::string& name, std::int64_t columns) const {
  Tensor y(DType::f32, {x.shape()[0], columns});
  const Tensor& weight = weights_.get(name + ".weight", {columns, x.shape()[1]});
  flashtile::gemm(y, x, weight.view().permuted({1, 0}));
  return y;
}

void Model::add_linear(const Tensor& sum, const Tensor& x, const std::string& name) const {
  const Tensor& weight = weights_.get(name + ".weight", {sum.shape()[1], x.shape()[1]});
  flashtile::gemm(sum, x, weight.view().permuted({1, 0}), {.beta = 1.0f});
}

}  // namespace smollm
