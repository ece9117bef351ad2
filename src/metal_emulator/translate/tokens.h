// Preprocessed kernel text as tokens that can be looked at, replaced and joined again, with their places in the source.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flashtile::metal_emulator {

/// Tokens are numbered without white space and line markers, which stay between them. Looking always shows the original text;
/// replacing changes what join() gives. Names that look past either end see "".
class Tokens {
 public:
  /// Errors: invalid_argument for brackets that do not match.
  explicit Tokens(const std::string& preprocessed);

  int size() const { return static_cast<int>(significant_.size()); }
  const std::string& operator[](int position) const;
  bool is(int position, const char* text) const { return (*this)[position] == text; }
  bool is_word(int position) const;  ///< an identifier or a keyword
  bool opens(int position) const;
  /// The position of the bracket that belongs to the one at `position`.
  int match(int position) const { return match_[static_cast<std::size_t>(position)]; }
  /// Past the bracket that opens at `position`, or past the token there.
  int past(int position) const { return opens(position) ? match(position) + 1 : position + 1; }
  /// Past template brackets that open at `position`; -1 when they do not close, so that '<' means less.
  int past_angles(int position) const;

  /// Original tokens [begin, end) with single spaces between, without those that are removed.
  std::string text(int begin, int end) const;

  void replace(int position, std::string text);
  void insert_before(int position, const std::string& text);
  void insert_after(int position, const std::string& text);
  /// Takes tokens away for good: text() does not show them any more either.
  void remove(int begin, int end);
  bool removed(int position) const { return removed_[static_cast<std::size_t>(position)]; }

  std::string join() const;

  const std::string& file(int position) const;
  std::uint32_t line(int position) const;
  /// Throws Error(invalid_argument, "file:line: error: <message>").
  [[noreturn]] void fail(int position, const std::string& message) const;

 private:
  struct Piece {
    std::string text;  // as it will be joined
    std::string original;
    std::uint32_t file = 0, line = 0;
    bool trivia = false;
  };
  void split(const std::string& preprocessed);
  void add(const std::string& text, bool trivia, std::uint32_t line);
  void split_brackets();
  void match_brackets();
  Piece& piece(int position) { return pieces_[significant_[static_cast<std::size_t>(position)]]; }
  const Piece& piece(int position) const { return pieces_[significant_[static_cast<std::size_t>(position)]]; }

  std::vector<Piece> pieces_;
  std::vector<std::size_t> significant_;
  std::vector<int> match_;
  std::vector<bool> removed_;
  std::vector<std::string> files_{"?"};
};

}  // namespace flashtile::metal_emulator
