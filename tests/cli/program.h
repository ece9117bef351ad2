// Runs the program as its users do: through a shell, with files in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "src/io/tensor_file.h"

namespace flashtile::cli {

using Json = nlohmann::json;

struct Result {
  int code;
  std::string out, error;
};

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() : folder_(testing::TempDir() + "program_test." + std::to_string(getpid()) + "/") {
    const char* program = std::getenv("FLASHTILE_PROGRAM");  // ctest sets it
    program_ = "'" + std::string(program != nullptr ? program : "flashtile") + "'";
    if (const char* emulator = std::getenv("FLASHTILE_TEST_EMULATOR")) program_ = emulator + (" " + program_);
    std::filesystem::create_directories(folder_);
  }
  ~ProgramTest() override { std::filesystem::remove_all(folder_); }

  /// Runs the program through the shell; `before` may set variables or feed standard input.
  Result flashtile(const std::string& arguments, const std::string& before = "") const {
    const std::string out = folder_ + "stdout", error = folder_ + "stderr";
    const int status =
        std::system((before + " " + program_ + " " + arguments + " > " + out + " 2> " + error).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(error)};
  }
  static std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<Json> json_of(const std::string& arguments) const {
    const Result result = flashtile(arguments + " --json");
    EXPECT_EQ(result.code, 0) << result.out << result.error;
    EXPECT_EQ(result.error, "");
    std::vector<Json> lines;
    std::istringstream stream(result.out);
    for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  std::string path(const std::string& name) const { return folder_ + name; }

  const std::string folder_;
  std::string program_;
};

inline std::unique_ptr<io::TensorFile> open(const std::string& path) {
  return io::open_tensor_file(io::open_file(path));
}

}  // namespace flashtile::cli
