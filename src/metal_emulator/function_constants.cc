#include "src/metal_emulator/function_constants.h"

#include <charconv>
#include <cstdlib>

#include "flashtile/error.h"

namespace flashtile::metal_emulator {

FunctionConstants::FunctionConstants(const std::map<int, std::string>& values) {
  for (const auto& [index, text] : values) {
    if (text == "true" || text == "false") {
      values_[index] = {text == "true" ? 1.0 : 0.0, text == "true"};
      continue;
    }
    Value value{};
    char* end = nullptr;
    value.real = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') {
      throw Error(ErrorCode::invalid_argument, "metal emulator: function constant " + std::to_string(index) +
                                                   " is \"" + text + "\"; give true, false or a number");
    }
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value.integer);
    if (parsed.ptr != text.data() + text.size()) value.integer = static_cast<std::int64_t>(value.real);
    values_[index] = value;
  }
}

bool FunctionConstants::find(int index, const char* name, double& real, std::int64_t& integer) {
  const auto found = values_.find(index);
  if (found == values_.end()) {
    notes_.push_back("function constant " + std::to_string(index) + " (" + name +
                     ") has no value and counts as 0");
    return false;
  }
  real = found->second.real;
  integer = found->second.integer;
  return true;
}

}  // namespace flashtile::metal_emulator
