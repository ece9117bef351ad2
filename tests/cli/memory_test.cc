// How much memory the program takes, and what it says when there is too little.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace flashtile::cli {
namespace {

using testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

struct Result {
  int code;
  long most_kib;  ///< of memory, at any time
  std::string error;
};

Result flashtile(std::vector<std::string> arguments) {
  const char* const program = std::getenv("FLASHTILE_PROGRAM");  // ctest sets it
  arguments.insert(arguments.begin(), program != nullptr ? program : "flashtile");
  if (const char* emulator = std::getenv("FLASHTILE_TEST_EMULATOR")) {
    std::istringstream text(emulator);
    arguments.insert(arguments.begin(), std::istream_iterator<std::string>(text), {});
  }
  const std::string error = testing::TempDir() + "memory_test." + std::to_string(getpid());
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr ||
        std::freopen(error.c_str(), "w", stderr) == nullptr)
      _exit(126);
    execvp(words[0], words.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  std::ifstream file(error);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::remove(error.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, usage.ru_maxrss, text};
}

/// A mask of 16 MiB is not copied, let alone as 8 bytes an element, to compare one row.
TEST(Memory, TheOracleTakesWhatItsRowsNeed) {
  if (kSanitized) GTEST_SKIP() << "memory cannot be measured under a sanitizer";
  const std::vector<std::string> check{"check", "--way",   "flash.cpu",        "--rows",
                                       "1",     "--shape", "1,1,1,4096,4096,1"};
  std::vector<std::string> masked = check;
  masked.insert(masked.end(), {"--mask", "boolean"});
  const Result without = flashtile(check), with = flashtile(masked);
  ASSERT_EQ(without.code, 0) << without.error;
  ASSERT_EQ(with.code, 0) << with.error;
  EXPECT_LE(with.most_kib, without.most_kib + 24 * 1024);
}

TEST(Memory, AnErrorNamesWhatWantedIt) {
  if (kSanitized) GTEST_SKIP() << "memory cannot be measured under a sanitizer";
  const Result inputs = flashtile({"check", "--shape", "1,1,1,1,1000000000000000,1"});
  EXPECT_EQ(inputs.code, 3);
  EXPECT_THAT(inputs.error,
              HasSubstr("out of memory for q, k and v: cpu: no 4000000000000000 bytes of memory"));
  const Result matrices = flashtile({"check", "--op", "gemm", "--shape", "1,1000000000000000,1"});
  EXPECT_EQ(matrices.code, 3);
  EXPECT_THAT(matrices.error, HasSubstr("out of memory for a and b: cpu: no 4000000000000000 bytes of memory"));
}

}  // namespace
}  // namespace flashtile::cli
