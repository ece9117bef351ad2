// The table that tells the emulator which kernels a file holds, and by which attributes their parameters are found.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return result + "\"";
}

/// A parameter without an attribute takes the first free buffer number.
std::string next_buffer(const std::vector<KernelParameter>& parameters, std::set<std::string>& taken) {
  for (const KernelParameter& parameter : parameters) {
    const auto buffer = parameter.attributes.find("buffer");
    if (buffer != parameter.attributes.end() && is_number(buffer->second)) taken.insert(buffer->second);
  }
  int number = 0;
  while (taken.count(std::to_string(number)) > 0) ++number;
  taken.insert(std::to_string(number));
  return std::to_string(number);
}

/// {"name", "attribute", index, gate}
std::string parameter_row(const Tokens& tokens, const KernelParameter& parameter,
                          const std::vector<KernelParameter>& all, std::set<std::string>& taken) {
  Attributes attributes = parameter.attributes;
  std::string gate = "true";
  if (const auto found = attributes.find("function_constant"); found != attributes.end()) {
    gate = "bool(" + found->second + ")";
    attributes.erase(found);
  }
  if (attributes.empty() && (parameter.space == "device" || parameter.space == "constant"))
    attributes["buffer"] = next_buffer(all, taken);
  if (attributes.empty())
    tokens.fail(parameter.position, "parameter " + parameter.name + " has no attribute that says what it is");
  const auto& [name, argument] = *attributes.begin();
  return "{" + quoted(parameter.name) + ", " + quoted(name) + ", " + (argument.empty() ? "0" : argument) +
         ", " + gate + "}";
}

}  // namespace

std::string Translator::kernel_table() const {
  std::vector<KernelInstance> rows;
  for (const std::string& name : kernel_order_) {
    const KernelFunction& kernel = kernels_.at(name);
    if (!kernel.is_template)
      rows.push_back({name, name, kernel.qualified_name, kernel.position, kernel.most_threads});
  }
  rows.insert(rows.end(), instances_.begin(), instances_.end());

  std::string text =
      "\n#line 1 \"kernel table\"\nnamespace metal_table {\nMETAL_UNCHECKED static void set_constants() {\n" +
      set_constants_ +
      "}\nMETAL_UNCHECKED static const ::metal_device::KernelRow* kernels(uint32_t& count) {\n  static "
      "::metal_device::KernelRow rows[" +
      std::to_string(rows.size() + 1) + "];\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const KernelInstance& row = rows[i];
    const auto found = kernels_.find(row.function);
    if (found == kernels_.end())
      tokens_.fail(row.position, "host_name " + quoted(row.host_name) + " instantiates " + row.function +
                                     ", which is no kernel of this file");
    const KernelFunction& kernel = found->second;
    std::set<std::string> taken;
    std::string parameters;
    for (const KernelParameter& parameter : kernel.parameters)
      parameters +=
          (parameters.empty() ? "" : ", ") + parameter_row(tokens_, parameter, kernel.parameters, taken);
    if (parameters.empty()) parameters = "{}";
    text += fmt::format(
        "  {{\n"
        "    static ::metal_device::Parameter parameters[] = {{{0}}};\n"
        "    const ::metal_device::Parameter now[] = {{{0}}};\n"
        "    for (unsigned i = 0; i < sizeof now / sizeof *now; ++i) parameters[i].bound = now[i].bound;\n"
        "    rows[{1}] = ::metal_device::describe({2}, &{3}, parameters, {4}, {5}, {6});\n"
        "  }}\n",
        parameters, i, quoted(row.host_name), row.expression, quoted(tokens_.file(kernel.position)),
        tokens_.line(kernel.position), row.most_threads);
  }
  return text + "  count = " + std::to_string(rows.size()) +
         ";\n  return rows;\n}\n"
         "METAL_UNCHECKED static void attach(::metal_device::Runtime* runtime) { ::metal_device::runtime = "
         "runtime; }\n"
         "}  // namespace metal_table\n"
         "extern \"C\" __attribute__((visibility(\"default\"))) METAL_UNCHECKED const "
         "::metal_device::ModuleTable* metal_module() {\n"
         "  static const ::metal_device::ModuleTable table{::metal_device::kAbiVersion, &metal_table::attach, "
         "&metal_table::set_constants, &metal_table::kernels};\n"
         "  return &table;\n}\n";
}

}  // namespace flashtile::metal_emulator
