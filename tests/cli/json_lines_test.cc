#include "cli/json_lines.h"

#include <gmock/gmock.h>

namespace flashtile::cli {
namespace {

TEST(JsonLines, SayWhatAndWhereAndWhen) {
  const Json line = Json::parse(stamped({{"op", "gemm"}}));
  EXPECT_EQ(line["schema_version"], 2);
  EXPECT_EQ(line["version"], FLASHTILE_VERSION);
  EXPECT_EQ(line["cpu"], backends()[0].devices[0].name);
  EXPECT_THAT(line["date"].get<std::string>(),
              testing::MatchesRegex("20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z"));
  EXPECT_EQ(line["op"], "gemm");
}

TEST(JsonLines, ErrorsAreOneLineOfValidText) {
  const std::string text = stamped(error_json("bad_file", "q.npy: \"x\"\xff\n", 4));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const Json line = Json::parse(text);
  EXPECT_EQ(line["error"]["code"], "bad_file");
  EXPECT_EQ(line["error"]["message"], "q.npy: \"x\"\xef\xbf\xbd\n");
  EXPECT_EQ(line["exit_code"], 4);
}

}  // namespace
}  // namespace flashtile::cli
