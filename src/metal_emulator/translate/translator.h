// The parts of the translation from the Metal Shading Language to C++, which share one list of tokens. translate() in
// translate.h is the way in; each part has a file of its own.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "src/metal_emulator/translate/tokens.h"

namespace flashtile::metal_emulator {

/// The names in the attributes of a declaration, each with the text of its argument.
using Attributes = std::map<std::string, std::string>;

struct KernelParameter {
  std::string name, space;
  Attributes attributes;
  int position = 0;
};

/// A function with the kernel qualifier, perhaps a template.
struct KernelFunction {
  std::string qualified_name;
  int position = 0;
  bool is_template = false;
  std::string most_threads = "0";
  std::string most_threads_of{};  ///< of a template: the name of a template variable that holds it
  std::vector<KernelParameter> parameters{};
};

/// template [[host_name("...")]] kernel decltype(f<...>) f<...>;
struct KernelInstance {
  std::string host_name, function, expression;
  int position = 0;
  std::string most_threads{};
};

struct FunctionBody {
  std::string name;
  int open = 0, close = 0;  // positions of its braces
};

/// Whether a word is an address space, which C++ does not have.
bool is_address_space(const std::string& word);

class Translator {
 public:
  Translator(const std::string& preprocessed, const std::string& instance)
      : tokens_(preprocessed), only_instance_(instance) {}

  /// Everything, in this order; afterwards text() is C++.
  void run();
  std::string text() const { return tokens_.join(); }
  /// X(name, component, ...) for each swizzle that occurs.
  std::string swizzles() const;
  /// The code that describes the kernels and sets the function constants.
  std::string kernel_table() const;

 private:
  struct Scope {
    std::string path;       // distinguishes declarations of the same name
    std::string qualifier;  // "a::b::", for names used outside
    bool is_class = false;
  };

  // declarations.cc
  void scan(int begin, int end, const Scope& scope);
  int declaration(int begin, int end, const Scope& scope);
  struct Head {  // of one declaration
    enum class Kind { unknown, name_space, type, enumeration, variable, function } kind = Kind::unknown;
    int parameters = -1, body = -1, end = 0;
  };
  Head head_of(int begin, int end) const;
  int past_initialisers(int colon) const;
  bool is_twin(const std::string& signature, int begin, int end);
  std::string signature(int begin, int end) const;
  void function(int begin, const Head& head, const Scope& scope);
  void explicit_instance(int begin, int end, const Scope& scope);
  std::vector<KernelParameter> parameters(int begin, int end);
  Attributes take_attributes(int begin, int end);

  // function_constants.cc
  void variable(int begin, int end, const Scope& scope);
  void class_constant(int begin, int end);
  const std::string& constant_number(int position) const;
  std::string with_numbers(int begin, int end) const;
  void replace_is_defined();

  // threadgroup_variables.cc
  void statements(const FunctionBody& body);
  int threadgroup_variable(int begin, int word, const std::string& function);
  int past_type(int begin) const;
  int past_declarator(int begin, int end) const;

  // array_ranges.cc
  void replace_array_ranges();
  int past_range(int bracket, int& dots) const;

  // words.cc
  void replace_words();
  bool has_const_near(int position) const;
  bool is_swizzle(int dot) const;

  // regions.cc
  void mark_regions();
  void mark_body(const FunctionBody& body);
  void mark_loop(int keyword, int condition);
  bool speaks(int begin, int end) const;
  int past_statement(int begin) const;

  Tokens tokens_;
  std::string only_instance_;  // empty: all of them
  std::map<std::string, KernelFunction> kernels_;
  std::vector<std::string> kernel_order_;
  std::vector<KernelInstance> instances_;
  std::vector<FunctionBody> bodies_;
  struct Seen {
    std::string text;
    int position;
  };
  std::map<std::string, Seen> signatures_;
  std::map<std::string, std::string> constant_numbers_;  // of function constants, by name
  std::set<std::string> constant_names_;                 // and those computed from them
  std::set<int> constexpr_words_;                        // the word constant that becomes constexpr
  std::string set_constants_;
  std::set<std::string> field_names_, swizzles_, collective_names_;
  int threadgroup_variables_ = 0;
};

}  // namespace flashtile::metal_emulator
