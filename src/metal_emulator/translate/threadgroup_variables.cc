// Variables that a kernel declares in threadgroup memory: one for all threads, which C++ would make one a thread.
#include <fmt/format.h>

#include <set>

#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {
namespace {

constexpr int kDynamicVariables = 64;  // the numbers before are those of [[threadgroup(n)]] parameters

const std::set<std::string>& built_in_words() {
  static const std::set<std::string> words{"unsigned", "signed", "int",   "char",
                                           "short",    "long",   "const", "volatile"};
  return words;
}

}  // namespace

void Translator::statements(const FunctionBody& body) {
  static const std::set<std::string> before_statement{";", "{", "}", ":", ")"};
  for (int p = body.open + 1; p < body.close;) {
    int word = p;
    if (before_statement.count(tokens_[p - 1]) > 0) {
      while (tokens_.is(word, "const") || tokens_.is(word, "volatile") || tokens_.is(word, "static") ||
             tokens_.is(word, "[["))
        word = tokens_.past(word);
      if (tokens_.is(word, "threadgroup")) {
        p = threadgroup_variable(p, word, body.name);
        continue;
      }
    }
    ++p;
  }
}

/// Past the type specifier that begins here.
int Translator::past_type(int p) const {
  const Tokens& t = tokens_;
  bool seen = false;
  for (;;) {
    if (built_in_words().count(t[p]) > 0) {
      seen = seen || (!t.is(p, "const") && !t.is(p, "volatile"));
      ++p;
    } else if (t.is(p, "struct") || t.is(p, "typename") || t.is(p, "class") || t.is(p, "::")) {
      ++p;
    } else if (t.is(p, "decltype")) {
      return t.past(p + 1);
    } else if (seen || !t.is_word(p)) {
      return p;
    } else {
      seen = true;
      for (++p;;) {
        if (t.is(p, "<") && t.past_angles(p) >= 0) p = t.past_angles(p);
        if (!t.is(p, "::")) break;
        p += t.is(p + 1, "template") ? 3 : 2;
      }
    }
  }
}

/// To the ',' or ';' behind a declarator.
int Translator::past_declarator(int p, int end) const {
  while (p < end && !tokens_.is(p, ",") && !tokens_.is(p, ";")) p = tokens_.past(p);
  return p;
}

/// threadgroup T a[N][P], s;  ->  a reference to storage that all threads share, for each name.
int Translator::threadgroup_variable(int begin, int word, const std::string& function) {
  const int type_begin = word + 1, type_end = past_type(type_begin);
  int end = type_end;
  while (!tokens_.is(end, ";")) end = tokens_.past(end);
  // A pointer or reference into threadgroup memory, or a cast, declares no storage.
  if (tokens_.is(type_end, "*") || tokens_.is(type_end, "&") || tokens_.is(type_end, "(") ||
      tokens_.is(type_begin, "auto"))
    return end;
  std::string type, declarations;
  for (int p = type_begin; p < type_end; ++p)
    if (!is_address_space(tokens_[p])) type += tokens_[p] + " ";
  for (int p = type_end; p < end;) {
    const int past = past_declarator(p, end);
    if (tokens_.is(p, "*") || tokens_.is(p, "&")) {  // threadgroup T a[2], *p = a;
      declarations += type + tokens_.text(p, past) + "; ";
    } else {
      int extents_end = p + 1;
      while (tokens_.is(extents_end, "[")) extents_end = tokens_.past(extents_end);
      // An initialiser is left out: no thread runs it, so that a kernel that counts on it reads what nobody wrote.
      declarations += fmt::format(
          "auto& {0} = ::metal_device::threadgroup_variable<::metal_device::identity<{1}{2}>, {3}>("
          "\"threadgroup variable {0} of {4}\"); ",
          tokens_[p], type, tokens_.text(p + 1, extents_end), kDynamicVariables + threadgroup_variables_++,
          function);
    }
    p = past + 1;
  }
  tokens_.remove(begin, end + 1);
  tokens_.replace(begin, declarations);
  return end + 1;
}

}  // namespace flashtile::metal_emulator
