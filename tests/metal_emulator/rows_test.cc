// rows.md and docs/metal.md are true: the tests that they name are there, and every check is violated by a kernel.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace flashtile::metal_emulator {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// "Suite.Test" of every test of this program, without the numbers of typed ones; of violations "Violations/<kernel>".
std::set<std::string> tests() {
  std::set<std::string> names;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    const std::string name = suite.name();
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const std::string test = suite.GetTestInfo(j)->name();
      if (name == "Violations")
        names.insert("Violations/" + test.substr(test.find('/') + 1));
      else
        names.insert(name.substr(0, name.find('/')) + "." + test);
    }
  }
  return names;
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

TEST(Rows, AreHeldByTestsThatExist) {
  const std::set<std::string> existing = tests();
  const std::set<std::string> named =
      matches(text_of("tests/metal_emulator/rows.md"), "([A-Z]\\w+(?:\\.[A-Z]|/[a-z])\\w+)");
  EXPECT_GT(named.size(), 60u);
  for (const std::string& name : named)
    EXPECT_TRUE(existing.count(name) == 1) << name << " is no test of this program";
}

TEST(Rows, OfViolationsAreAllListed) {
  const std::string rows = text_of("tests/metal_emulator/rows.md");
  const std::set<std::string> elsewhere{"past_the_end", "before_the_start", "wild_pointer",
                                        "write_to_a_constant", "deep_stack"};  // no rule of Metal's alone
  for (const std::string& name : tests()) {
    if (name.rfind("Violations/", 0) != 0 || elsewhere.count(name.substr(11)) == 1) continue;
    EXPECT_NE(rows.find(name), std::string::npos) << name << " is in no row";
  }
}

TEST(Checks, AreDocumentedAndViolated) {
  const std::string pattern =
      "((?:threadgroup|buffer|pointer|constant|barrier|simdgroup|simd|cooperative|matmul2d|convolution2d|"
      "tensor|stack|region)\\.[a-z_]+)";
  std::set<std::string> documented = matches(text_of("docs/metal.md"), "`" + pattern + "`");
  const std::set<std::string> violated =
      matches(text_of("tests/metal_emulator/violations.metal"), "// CHECK " + pattern);
  documented.erase("region.too_deep");  // Messages.SayWhenRegionsAreTooDeep
  EXPECT_EQ(documented, violated);
}

}  // namespace
}  // namespace flashtile::metal_emulator
