// Function constants: values that are given when a kernel is launched, by number.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace flashtile::metal_emulator {

class FunctionConstants {
 public:
  /// Values as text: true, false, a number, or the numbers of a vector with commas between. Errors: invalid_argument.
  explicit FunctionConstants(const std::map<int, std::string>& values);

  /// Whether constant `index` has a value for this component. One without is noted under its name.
  bool find(int index, int component, const char* name, double& real, std::int64_t& integer);
  /// "function constant 20 (has_bias) has no value and counts as 0", once each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Value {
    std::vector<double> real;
    std::vector<std::int64_t> integer;
    bool add(const std::string& text);
  };
  std::map<int, Value> values_;
  std::vector<std::string> notes_;
};

}  // namespace flashtile::metal_emulator
