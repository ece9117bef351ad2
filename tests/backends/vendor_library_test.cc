#include "src/backends/vendor_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flashtile::inline v0_2::backend {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

#if defined(__APPLE__)
constexpr char kMath[] = "libm.dylib";
#else
constexpr char kMath[] = "libm.so.6";
#endif

TEST(VendorLibrary, TakesTheFirstNameThatCanBeLoaded) {
  VendorLibrary library({"libflashtile_no_such.so", kMath});
  double (*cosine)(double) = nullptr;
  library.find("cos", cosine);
  EXPECT_EQ(library.missing(), "");
  ASSERT_NE(cosine, nullptr);
  EXPECT_EQ(cosine(0.0), 1.0);
}

TEST(VendorLibrary, SaysWhatTheLoaderSaidOfTheFirstName) {
  VendorLibrary library({"libflashtile_no_such.so", "libflashtile_nor_this.so"});
  EXPECT_THAT(library.missing(), StartsWith("libflashtile_no_such.so cannot be loaded: "));
  double (*cosine)(double) = nullptr;
  library.find("cos", cosine);
  EXPECT_EQ(cosine, nullptr);
  EXPECT_THAT(library.missing(), HasSubstr("cannot be loaded")) << "the first reason stays";
}

TEST(VendorLibrary, OneWithoutAFunctionThatIsNeededIsMissing) {
  VendorLibrary library({kMath});
  void (*function)() = nullptr;
  library.find_optional("flashtile_no_such_function", function);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(library.missing(), "");
  library.find("flashtile_no_such_function", function);
  EXPECT_EQ(library.missing(), std::string(kMath) + " has no flashtile_no_such_function");
}

}  // namespace
}  // namespace flashtile::inline v0_2::backend
