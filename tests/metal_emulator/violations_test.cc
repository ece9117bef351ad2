// Every check is found by a kernel that violates it, at its line: the kernels of violations.metal say which.
#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>

#include "tests/metal_emulator/run_kernel.h"

namespace flashtile::metal_emulator {
namespace {

const char* const kFile = "tests/metal_emulator/violations.metal";

struct Expectation {
  std::string kernel, check;
  std::uint32_t line = 0;
};

/// What the comments of the file say.
std::vector<Expectation> expectations() {
  std::vector<Expectation> found;
  std::ifstream file(kFile);
  std::string line, kernel;
  for (std::uint32_t number = 1; std::getline(file, line); ++number) {
    std::smatch match;
    if (std::regex_match(line, match, std::regex("KERNEL\\((\\w+)\\).*"))) kernel = match[1];
    if (std::regex_search(line, match, std::regex("// CHECK ([\\w.0-9]+)$")))
      found.push_back({kernel, match[1], number});
  }
  return found;
}

void PrintTo(const Expectation& expectation, std::ostream* out) { *out << expectation.check; }

class Violations : public testing::TestWithParam<Expectation> {};

TEST_P(Violations, AreFoundAtTheirLine) {
  // Exactly what the kernels may touch: 16x16 floats, or one tile of 32x32.
  const bool large = GetParam().check == "cooperative.incompatible";
  std::vector<float> buffer(large ? 1024 : 256, 1.0f);
  Launch launch{.kernel = GetParam().kernel, .buffers = {{0, bytes_of(buffer)}}, .threads = {64}};
  if (large) launch.layout = Layout::os26_2;
  try {
    module_of("violations").run(launch);
    FAIL() << "nothing was found";
  } catch (const Violation& violation) {
    EXPECT_EQ(violation.place().check, GetParam().check) << violation.what();
    EXPECT_EQ(violation.place().line, GetParam().line) << violation.what();
    EXPECT_EQ(violation.place().kernel, GetParam().kernel);
    EXPECT_THAT(violation.what(),
                testing::HasSubstr("violations.metal:" + std::to_string(GetParam().line) + ": error: "));
  }
}

INSTANTIATE_TEST_SUITE_P(, Violations, testing::ValuesIn(expectations()),
                         [](const auto& test) { return test.param.kernel; });

}  // namespace
}  // namespace flashtile::metal_emulator
