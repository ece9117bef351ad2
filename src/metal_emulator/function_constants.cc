#include "src/metal_emulator/function_constants.h"

#include <charconv>
#include <cstdlib>

#include "flashtile/error.h"

namespace flashtile::metal_emulator {

FunctionConstants::FunctionConstants(const std::map<int, std::string>& values) {
  for (const auto& [index, text] : values) {
    for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
      end = text.find(',', begin);
      const std::string number = text.substr(begin, end == std::string::npos ? end : end - begin);
      if (!values_[index].add(number))
        throw Error(ErrorCode::invalid_argument,
                    "metal emulator: function constant " + std::to_string(index) + " is \"" + text +
                        "\"; give true, false or a number, or for a vector numbers with commas");
    }
  }
}

/// Whether `text` is true, false or a number, which is then the next component.
bool FunctionConstants::Value::add(const std::string& text) {
  if (text == "true" || text == "false") {
    real.push_back(text == "true" ? 1.0 : 0.0);
    integer.push_back(text == "true");
    return true;
  }
  char* end = nullptr;
  real.push_back(std::strtod(text.c_str(), &end));
  integer.emplace_back();
  if (text.empty() || *end != '\0') return false;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), integer.back());
  if (parsed.ptr != text.data() + text.size()) integer.back() = static_cast<std::int64_t>(real.back());
  return true;
}

bool FunctionConstants::find(int index, int component, const char* name, double& real, std::int64_t& integer) {
  const std::size_t at = static_cast<std::size_t>(component);
  const auto found = values_.find(index);
  if (found == values_.end() || found->second.real.size() <= at) {
    const std::string which = component == 0 ? "" : ", component " + std::to_string(component) + ",";
    notes_.push_back("function constant " + std::to_string(index) + " (" + name + ")" + which +
                     " has no value and counts as 0");
    return false;
  }
  real = found->second.real[at];
  integer = found->second.integer[at];
  return true;
}

}  // namespace flashtile::metal_emulator
