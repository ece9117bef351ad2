#include "src/metal_emulator/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace flashtile::metal_emulator {
namespace {

/// An unnamed temporary file that a program's stream goes to: unlike a pipe it never fills up.
class Capture {
 public:
  Capture() : file_(std::tmpfile()) {}
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    if (file_ != nullptr) std::fclose(file_);
  }
  int descriptor() const { return file_ != nullptr ? fileno(file_) : -1; }
  std::string text() const {
    std::string text;
    if (file_ == nullptr) return text;
    std::rewind(file_);
    std::array<char, 4096> block;
    while (const std::size_t got = std::fread(block.data(), 1, block.size(), file_))
      text.append(block.data(), got);
    return text;
  }

 private:
  std::FILE* file_;
};

}  // namespace

ProcessResult run_process(const std::vector<std::string>& command) {
  ProcessResult result;
  Capture output, errors;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.descriptor(), STDERR_FILENO);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  result.started = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  if (!result.started) return result;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  result.output = output.text();
  result.errors = errors.text();
  return result;
}

}  // namespace flashtile::metal_emulator
