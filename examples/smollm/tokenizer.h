// SmolLM2's byte-pair tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/io/gguf.h"

namespace smollm {

/// Text is split into words; their bytes are joined, pair by pair, into the tokens that a vocabulary has.
class Tokenizer {
 public:
  /// Errors: flashtile::Error, std::runtime_error for a file without such a vocabulary.
  explicit Tokenizer(const flashtile::io::GgufFile& file);

  /// Any text: no part of it becomes a control token such as <|im_end|>.
  std::vector<int> tokens(std::string_view text) const;

  /// The bytes that a token stands for; a character may lie in several tokens. None for a control token.
  std::string text(int token) const;

  /// The number of a token that the file writes so, such as "<|im_end|>". Errors: std::runtime_error.
  int number(const std::string& token) const;

 private:
  struct Merge {
    std::size_t rank;
    int token;
  };
  void append_word(std::string_view word, std::vector<int>& tokens) const;

  std::vector<std::string> texts_;  // as the file writes them
  std::vector<bool> is_control_;
  std::unordered_map<std::string, int> index_;   // of texts_
  std::unordered_map<std::string, char> bytes_;  // by the characters that the file writes for them
  std::vector<int> byte_tokens_;
  std::unordered_map<std::uint64_t, Merge> merges_;  // by both tokens
};

}  // namespace smollm
