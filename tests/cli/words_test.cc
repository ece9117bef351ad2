#include "cli/words.h"

#include <gtest/gtest.h>

namespace flashtile::cli {
namespace {

TEST(Words, SuggestionsAreNearOrWhatOthersSay) {
  const std::vector<std::string> commands{"info", "run", "check", "bench", "explain"};
  EXPECT_EQ(suggestion("chekc", commands), "; did you mean 'check'?");  // two letters in the wrong order
  EXPECT_EQ(suggestion("bnch", commands), "; did you mean 'bench'?");   // one is missing
  EXPECT_EQ(suggestion("explains", commands), "; did you mean 'explain'?");
  EXPECT_EQ(suggestion("ran", commands), "; did you mean 'run'?");
  EXPECT_EQ(suggestion("attention", commands), "");
  EXPECT_EQ(suggestion("xyz", commands), "");
  EXPECT_EQ(suggestion("", commands), "");
  EXPECT_EQ(suggestion("run", {}), "");
  EXPECT_EQ(suggestion(std::string(1 << 20, 'x'), commands), "");
  EXPECT_EQ(suggestion("float32", {"f16", "f32"}), "; did you mean 'f32'?");
  EXPECT_EQ(suggestion("int8", {"f16", "f32"}), "");  // what it stands for is no choice here
}

}  // namespace
}  // namespace flashtile::cli
