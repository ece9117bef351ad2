// Function constants become plain variables, which are set before a kernel is launched; so do constants computed from them.
#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {
namespace {

/// The text of a type without what the variable that replaces a constant must not have.
std::string plain_type(const Tokens& tokens, int begin, int end) {
  std::string text;
  for (int p = begin; p < end; ++p) {
    const std::string& word = tokens[p];
    if (!tokens.removed(p) && !is_address_space(word) && word != "static" && word != "const" &&
        word != "constexpr")
      text += word + " ";
  }
  return text;
}

}  // namespace

void Translator::variable(int begin, int end, const Scope& scope) {
  const Attributes attributes = take_attributes(begin, end);
  if (scope.is_class) {
    class_constant(begin, end);
    for (int p = begin; p < end; ++p)
      if (tokens_.is_word(p) && (tokens_.is(p + 1, ";") || tokens_.is(p + 1, ",") || tokens_.is(p + 1, "=") ||
                                 tokens_.is(p + 1, "[")))
        field_names_.insert(tokens_[p]);
    return;
  }
  int equals = begin;
  bool is_constant = false;
  for (; equals < end && !tokens_.is(equals, "="); ++equals)
    is_constant = is_constant || tokens_.is(equals, "constant");
  if (!is_constant) return;
  const auto number = attributes.find("function_constant");
  bool computed = false;
  for (int p = equals; p < end; ++p) computed = computed || constant_names_.count(tokens_[p]) > 0;
  if (number == attributes.end() && !computed) return;

  int name = (equals < end ? equals : end - 1) - 1;
  while (name > begin && tokens_.removed(name)) --name;
  if (!tokens_.is_word(name))
    tokens_.fail(begin, "an array that depends on a function constant; make it a function");
  const std::string type = plain_type(tokens_, begin, name), qualified = scope.qualifier + tokens_[name];
  if (number != attributes.end()) {
    constant_numbers_[tokens_[name]] = number->second;
    set_constants_ += "  " + qualified + " = ::metal_device::function_constant<" + type + ">(" +
                      number->second + ", \"" + tokens_[name] + "\");\n";
  } else {
    set_constants_ += "  " + qualified + " = " + with_numbers(equals + 1, end - 1) + ";\n";
  }
  constant_names_.insert(tokens_[name]);
  const std::string declaration = "static " + type + tokens_[name] + ";";
  tokens_.remove(begin, end);
  tokens_.replace(begin, declaration);
}

/// static const constant T x = ...; in a class needs constexpr in C++, unless T is an integer.
void Translator::class_constant(int begin, int end) {
  int constant = -1;
  bool is_static = false;
  for (int p = begin; p < end && !tokens_.is(p, "="); ++p) {
    if (tokens_.is(p, "constexpr")) return;
    is_static = is_static || tokens_.is(p, "static");
    if (tokens_.is(p, "constant")) constant = p;
  }
  if (is_static && constant >= 0) constexpr_words_.insert(constant);
}

/// The number of the function constant that is asked for at `position`, which is the name in is_function_constant_defined(name).
const std::string& Translator::constant_number(int position) const {
  const auto number = constant_numbers_.find(tokens_[position]);
  if (number == constant_numbers_.end())
    tokens_.fail(position, tokens_[position] + " is no function constant of this file");
  return number->second;
}

/// Text in which is_function_constant_defined(name) asks by number.
std::string Translator::with_numbers(int begin, int end) const {
  std::string text;
  for (int p = begin; p < end; ++p) {
    if (tokens_.is(p, "is_function_constant_defined")) {
      text += "::metal_device::is_defined(" + constant_number(p + 2) + ") ";
      p += 3;
    } else if (!tokens_.removed(p)) {
      text += tokens_[p] + " ";
    }
  }
  return text;
}

void Translator::replace_is_defined() {
  for (int p = 0; p < tokens_.size(); ++p) {
    if (!tokens_.is(p, "is_function_constant_defined") || tokens_.removed(p)) continue;
    tokens_.replace(p, "::metal_device::is_defined");
    tokens_.replace(p + 2, constant_number(p + 2));
  }
}

}  // namespace flashtile::metal_emulator
