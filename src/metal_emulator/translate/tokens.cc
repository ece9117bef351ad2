#include "src/metal_emulator/translate/tokens.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>

#include "flashtile/error.h"

namespace flashtile::metal_emulator {
namespace {

const std::string kNothing;

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool continues_word(char c) { return starts_word(c) || std::isdigit(static_cast<unsigned char>(c)) != 0; }

std::size_t end_of_number(std::string_view text, std::size_t i) {
  for (++i; i < text.size(); ++i) {
    const bool sign = (text[i] == '+' || text[i] == '-') &&
                      std::string_view("eEpP").find(text[i - 1]) != std::string_view::npos;
    if (!sign && !continues_word(text[i]) && text[i] != '.' && text[i] != '\'') break;
  }
  return i;
}

std::size_t end_of_string(std::string_view text, std::size_t i) {
  const char quote = text[i];
  for (++i; i < text.size() && text[i] != quote; ++i)
    if (text[i] == '\\') ++i;
  return std::min(i + 1, text.size());
}

/// "]]" and "[[" are told apart from two brackets later; '>' stays single, for template brackets.
std::size_t end_of_operator(std::string_view text, std::size_t i) {
  static constexpr std::array<std::string_view, 24> kOperators{
      "<<=", ">>=", "...", "[[", "]]", "::", "->", "&&", "||", "++", "--", "<<",
      "-=",  "+=",  "*=",  "/=", "%=", "&=", "|=", "^=", "==", "!=", "<=", ">="};
  for (const std::string_view op : kOperators)
    if (text.substr(i, op.size()) == op) return i + op.size();
  return i + 1;
}

const char* closing(const std::string& bracket) {
  if (bracket == "(") return ")";
  if (bracket == "[") return "]";
  if (bracket == "[[") return "]]";
  if (bracket == "{") return "}";
  return nullptr;
}

bool closes(const std::string& text) { return text == ")" || text == "]" || text == "]]" || text == "}"; }

}  // namespace

Tokens::Tokens(const std::string& preprocessed) {
  split(preprocessed);
  split_brackets();
  for (std::size_t i = 0; i < pieces_.size(); ++i)
    if (!pieces_[i].trivia) significant_.push_back(i);
  removed_.resize(significant_.size());
  match_brackets();
}

void Tokens::add(const std::string& text, bool trivia, std::uint32_t line) {
  pieces_.push_back({text, text, static_cast<std::uint32_t>(files_.size() - 1), line, trivia});
}

void Tokens::split(const std::string& preprocessed) {
  const std::string_view text = preprocessed;
  std::uint32_t line = 1;
  for (std::size_t i = 0, end = 0; i < text.size(); i = end) {
    const char c = text[i];
    if (c == '#' && (i == 0 || text[i - 1] == '\n')) {  // a line marker or a pragma
      end = std::min(text.find('\n', i), text.size());
      std::string mark(text.substr(i, end - i));
      const std::size_t quote = mark.find('"');
      const std::size_t digits = mark.find_first_of("0123456789");
      if (digits < 3 && quote != std::string::npos) {
        std::uint32_t next = 0;
        std::from_chars(mark.data() + digits, mark.data() + mark.size(), next);
        files_.push_back(mark.substr(quote + 1, mark.find('"', quote + 1) - quote - 1));
        line = std::max(next, 1u) - 1;  // the newline that ends the marker counts up
        mark = "#line " + std::to_string(std::max(next, 1u)) + " \"" + files_.back() + "\"";
      }
      add(mark, true, line);
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      end = std::min(text.find_first_not_of(" \t\r\n\f\v", i), text.size());
      // Each newline ends its piece, so that a line marker always starts one.
      const std::size_t newline = text.find('\n', i);
      if (newline < end) end = newline + 1;
      add(std::string(text.substr(i, end - i)), true, line);
    } else {
      end = c == '"' || c == '\'' ? end_of_string(text, i)
            : std::isdigit(static_cast<unsigned char>(c)) != 0 ||
                    (c == '.' && i + 1 < text.size() &&
                     std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0)
                ? end_of_number(text, i)
            : starts_word(c)
                ? std::min(
                      static_cast<std::size_t>(std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(i),
                                                                text.end(), continues_word) -
                                               text.begin()),
                      text.size())
                : end_of_operator(text, i);
      add(std::string(text.substr(i, end - i)), false, line);
    }
    line += static_cast<std::uint32_t>(std::count(text.begin() + static_cast<std::ptrdiff_t>(i),
                                                  text.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  }
}

/// Two adjacent '[' always open an attribute in C++; two ']' may be subscripts that end.
void Tokens::split_brackets() {
  std::vector<Piece> split;
  std::vector<bool> attribute;  // the brackets that are open
  for (Piece& piece : pieces_) {
    if (!piece.trivia && (piece.text == "[" || piece.text == "[[")) attribute.push_back(piece.text == "[[");
    if (!piece.trivia && piece.text == "]" && !attribute.empty()) attribute.pop_back();
    if (!piece.trivia && piece.text == "]]" && !attribute.empty()) {
      const bool one = attribute.back();
      attribute.pop_back();
      if (!one) {
        if (!attribute.empty()) attribute.pop_back();
        piece.text = piece.original = "]";
        split.push_back(piece);
      }
    }
    split.push_back(std::move(piece));
  }
  pieces_ = std::move(split);
}

void Tokens::match_brackets() {
  match_.assign(significant_.size(), -1);
  std::vector<int> open;
  for (int p = 0; p < size(); ++p) {
    if (opens(p)) open.push_back(p);
    if (!closes((*this)[p])) continue;
    if (open.empty() || closing((*this)[open.back()]) != (*this)[p])
      fail(p, "\"" + (*this)[p] + "\" has no bracket that it closes");
    match_[static_cast<std::size_t>(p)] = open.back();
    match_[static_cast<std::size_t>(open.back())] = p;
    open.pop_back();
  }
  if (!open.empty()) fail(open.back(), "\"" + (*this)[open.back()] + "\" is never closed");
}

const std::string& Tokens::operator[](int position) const {
  return position >= 0 && position < size() ? piece(position).original : kNothing;
}

bool Tokens::is_word(int position) const {
  const std::string& text = (*this)[position];
  return !text.empty() && starts_word(text[0]);
}

bool Tokens::opens(int position) const { return closing((*this)[position]) != nullptr; }

int Tokens::past_angles(int position) const {
  int depth = 0;
  for (int p = position; p < size();) {
    const std::string& text = (*this)[p];
    if (text == ";" || closes(text)) return -1;
    if (text == "<" && (depth == 0 || is_word(p - 1))) ++depth;  // after a bracket or a number it means less
    if (text == ">") --depth;
    p = past(p);
    if (depth == 0) return p;
  }
  return -1;
}

std::string Tokens::text(int begin, int end) const {
  std::string text;
  for (int p = begin; p < end; ++p) {
    if (removed(p)) continue;
    text += (text.empty() ? "" : " ") + (*this)[p];
  }
  return text;
}

void Tokens::replace(int position, std::string text) { piece(position).text = std::move(text); }
void Tokens::insert_before(int position, const std::string& text) { piece(position).text.insert(0, text); }
void Tokens::insert_after(int position, const std::string& text) { piece(position).text += text; }

void Tokens::remove(int begin, int end) {
  for (int p = begin; p < end; ++p) {
    removed_[static_cast<std::size_t>(p)] = true;
    replace(p, "");
  }
}

std::string Tokens::join() const {
  std::string text;
  for (const Piece& piece : pieces_) text += piece.text;
  return text;
}

const std::string& Tokens::file(int position) const { return files_[piece(position).file]; }
std::uint32_t Tokens::line(int position) const { return piece(position).line; }

void Tokens::fail(int position, const std::string& message) const {
  throw Error(ErrorCode::invalid_argument,
              file(position) + ":" + std::to_string(line(position)) + ": error: " + message);
}

}  // namespace flashtile::metal_emulator
