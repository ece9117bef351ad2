// BERT's uncased WordPiece tokenizer, for text in ASCII.
#pragma once

#include <algorithm>
#include <cctype>
#include <fstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace minilm {

/// Words are split into the longest pieces that the vocabulary has; what follows another piece begins with "##" there.
/// A word without such pieces, as one with other letters than ASCII's may be, is [UNK].
class Tokenizer {
 public:
  /// A file with a piece on each line. Errors: std::runtime_error.
  explicit Tokenizer(const std::string& path) {
    std::ifstream file(path);
    for (std::string piece; std::getline(file, piece);) {
      if (!piece.empty() && piece.back() == '\r') piece.pop_back();
      index_.emplace(piece, static_cast<int>(index_.size()));
    }
    for (const char* needed : {"[CLS]", "[SEP]", "[UNK]"}) {
      if (!index_.contains(needed)) throw std::runtime_error(path + " is no vocabulary: it lacks " + needed);
    }
  }

  /// The numbers of [CLS], of the text's pieces, as many as fit, and of [SEP].
  std::vector<int> tokens(const std::string& text, std::size_t most) const {
    std::vector<int> found = {index_.at("[CLS]")};
    for (const std::string& word : words(text)) append_pieces(word, found);
    found.resize(std::min(found.size(), most - 1));
    found.push_back(index_.at("[SEP]"));
    return found;
  }

 private:
  /// Lower case; each mark of punctuation is a word.
  static std::vector<std::string> words(const std::string& text) {
    std::vector<std::string> found;
    bool inside = false;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      const bool alone = std::ispunct(byte) != 0;
      if (std::isspace(byte) != 0 || std::iscntrl(byte) != 0) {
        inside = false;
        continue;
      }
      if (alone || !inside) found.emplace_back();
      found.back() += static_cast<char>(std::tolower(byte));
      inside = !alone;
    }
    return found;
  }

  void append_pieces(const std::string& word, std::vector<int>& found) const {
    const std::size_t before = found.size();
    for (std::size_t start = 0, end = word.size(); start < word.size(); end = word.size()) {
      const std::string prefix = start > 0 ? "##" : "";
      auto piece = index_.end();
      for (; end > start && piece == index_.end(); --end)
        piece = index_.find(prefix + word.substr(start, end - start));
      if (piece == index_.end()) {
        found.resize(before);
        found.push_back(index_.at("[UNK]"));
        return;
      }
      found.push_back(piece->second);
      start += piece->first.size() - prefix.size();
    }
  }

  std::unordered_map<std::string, int> index_;
};

}  // namespace minilm
