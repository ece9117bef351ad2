#include "examples/smollm/tokenizer.h"

#include <algorithm>
#include <stdexcept>

#include "examples/smollm/words.h"

namespace smollm {
namespace {

constexpr double kControlType = 3;

/// The file writes a byte as a character that can be printed: as itself, or else as one of those from U+0100
/// on, in order.
std::vector<std::string> byte_characters() {
  std::vector<std::string> found(256);
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    const unsigned character = printable ? byte : next++;
    if (character < 0x80) {
      found[byte] = static_cast<char>(character);
    } else {
      found[byte] = {static_cast<char>(0xc0 | character >> 6), static_cast<char>(0x80 | (character & 0x3f))};
    }
  }
  return found;
}

std::uint64_t both(int left, int right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

Tokenizer::Tokenizer(const flashtile::io::GgufFile& file) : texts_(file.texts("tokenizer.ggml.tokens")) {
  if (file.text("tokenizer.ggml.model") != "gpt2" || file.text("tokenizer.ggml.pre") != "smollm")
    throw std::runtime_error("the file's tokenizer is not SmolLM2's");
  for (const double type : file.numbers("tokenizer.ggml.token_type"))
    is_control_.push_back(type == kControlType);
  if (is_control_.size() != texts_.size()) throw std::runtime_error("the file's vocabulary is not whole");
  for (const std::string& text : texts_) index_.emplace(text, static_cast<int>(index_.size()));
  const std::vector<std::string> characters = byte_characters();
  for (unsigned byte = 0; byte < 256; ++byte) {
    bytes_.emplace(characters[byte], static_cast<char>(byte));
    const auto found = index_.find(characters[byte]);
    byte_tokens_.push_back(
        found == index_.end() ? 0 : found->second);  // UTF-8 has no byte that the vocabulary lacks
  }
  for (const std::string& pair : file.texts("tokenizer.ggml.merges")) {
    const std::size_t space = std::min(pair.find(' '), pair.size() - 1);
    const std::string left = pair.substr(0, space), right = pair.substr(space + 1);
    merges_.emplace(both(number(left), number(right)), Merge{merges_.size(), number(left + right)});
  }
}

int Tokenizer::number(const std::string& token) const {
  const auto found = index_.find(token);
  if (found == index_.end()) throw std::runtime_error("the vocabulary lacks '" + token + "'");
  return found->second;
}

std::vector<int> Tokenizer::tokens(std::string_view text) const {
  std::vector<int> found;
  for (const std::string_view word : words(text)) append_word(word, found);
  return found;
}

/// Joins neighbours, always the pair that comes first in the list of merges, until there is none.
void Tokenizer::append_word(std::string_view word, std::vector<int>& tokens) const {
  std::vector<int> parts;
  for (const char byte : word) parts.push_back(byte_tokens_[static_cast<unsigned char>(byte)]);
  while (true) {
    const Merge* best = nullptr;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = merges_.find(both(parts[i], parts[i + 1]));
      if (found == merges_.end() || (best != nullptr && found->second.rank >= best->rank)) continue;
      best = &found->second;
      place = i;
    }
    if (best == nullptr) break;
    parts[place] = best->token;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
  tokens.insert(tokens.end(), parts.begin(), parts.end());
}

std::string Tokenizer::text(int token) const {
  const auto at = static_cast<std::size_t>(token);
  if (is_control_[at]) return "";
  std::string bytes;
  for (std::size_t i = 0, length = 0; i < texts_[at].size(); i += length) {
    length = static_cast<unsigned char>(texts_[at][i]) < 0x80 ? 1 : 2;
    const auto found = bytes_.find(texts_[at].substr(i, length));
    if (found != bytes_.end()) bytes += found->second;
  }
  return bytes;
}

}  // namespace smollm
