// Single words: address spaces go, `constant` becomes const, and swizzles become calls.
#include <algorithm>

#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {
namespace {

bool all_of_set(const std::string& text, const char* set) {
  return text.find_first_not_of(set) == std::string::npos;
}

bool assigns(const std::string& op) {
  static const std::set<std::string> ops{"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="};
  return ops.count(op) > 0;
}

int component(char letter) {
  static const std::string letters = "xyzwrgba";
  return static_cast<int>(letters.find(letter) % 4);
}

}  // namespace

void Translator::replace_words() {
  for (int p = 0; p < tokens_.size(); ++p) {
    if (tokens_.removed(p)) continue;
    const std::string& word = tokens_[p];
    if (word == "constant") {
      tokens_.replace(p, constexpr_words_.count(p) > 0 ? "constexpr" : has_const_near(p) ? "" : "const");
    } else if (is_address_space(word) || word == "kernel") {
      tokens_.replace(p, "");
    } else if (is_swizzle(p)) {
      swizzles_.insert(tokens_[p + 1]);
      tokens_.insert_after(p + 1,
                           assigns(tokens_[p + 2]) ? "_set()" : "()");  // a value, unless it is assigned to
    }
  }
}

/// Whether `constant` would be a second const among its specifiers, or is a method's qualifier.
bool Translator::has_const_near(int position) const {
  const Tokens& t = tokens_;
  if (t.is(position - 1, ")")) return true;
  for (int p = position - 1; t.is_word(p) || t.is(p, "::"); --p)
    if (t.is(p, "const") || t.is(p, "constexpr")) return true;
  for (int p = position + 1; t.is_word(p) || t.is(p, "::") || (t.is(p, "<") && t.past_angles(p) >= 0);) {
    if (t.is(p, "const") || t.is(p, "constexpr")) return true;
    p = t.is(p, "<") ? t.past_angles(p) : p + 1;
  }
  return false;
}

/// Whether a dot or arrow is followed by two to four component names that are no field of the file's own structs.
bool Translator::is_swizzle(int dot) const {
  if (!tokens_.is(dot, ".") && !tokens_.is(dot, "->")) return false;
  const std::string& name = tokens_[dot + 1];
  if (name.size() < 2 || name.size() > 4 || tokens_.is(dot + 2, "(") || field_names_.count(name) > 0)
    return false;
  return all_of_set(name, "xyzw") || all_of_set(name, "rgba");
}

std::string Translator::swizzles() const {
  std::string text;
  for (const std::string& name : swizzles_) {
    text += "X(" + name;
    for (const char letter : name) text += ", " + std::to_string(component(letter));
    text += ") ";
  }
  return text;
}

}  // namespace flashtile::metal_emulator
