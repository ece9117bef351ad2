// Runs a piece of a test in a process of its own, so that a crash, a hang or a line on standard error is an
// answer like any other. Used by every test of this folder; none of them may call the library in its own
// process, since a fork takes its threads away.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <regex>
#include <string>

namespace flashtile::test {

inline constexpr unsigned kMostSeconds =
    240;  ///< of one child, under a sanitizer, on a machine that does other things too

inline void write_all(int file, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = write(file, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) return;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
}

inline std::string read_all(int file) {
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t got = read(file, part.data(), part.size());
    if (got == 0 || (got < 0 && errno != EINTR)) return text;
    if (got > 0) text.append(part.data(), static_cast<std::size_t>(got));
  }
}

/// What is left of a program's output without a sanitizer's own line about memory that operator new(nothrow) did not get.
inline std::string without_sanitizers_notes(const std::string& printed) {
  static const std::regex note("==[0-9]+==WARNING: [A-Za-z]+ failed to allocate [^\n]*\n");
  return std::regex_replace(printed, note, "");
}

/// What f() returns in a child of this process. Behind it stands what the child wrote to standard output and
/// error, in brackets, and how it ended, if it did not end well: "killed by signal 11 (Segmentation fault)".
template <class F>
std::string in_child(F&& f) {
  int answer[2], output[2];
  if (pipe(answer) != 0 || pipe(output) != 0) return "no pipe";
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return "no child";
  if (child == 0) {
    alarm(kMostSeconds);
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    for (const int file : {answer[0], output[0], output[1]}) close(file);
    std::string text;
    try {
      text = f();
    } catch (const std::exception& e) {
      text = std::string("exception: ") + e.what();
    }
    write_all(answer[1], text);
    std::fflush(nullptr);
    _exit(0);
  }
  close(answer[1]);
  close(output[1]);
  std::string text = read_all(answer[0]);
  const std::string printed = without_sanitizers_notes(read_all(output[0]));
  close(answer[0]);
  close(output[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!printed.empty()) text += " [" + printed + "]";
  if (WIFSIGNALED(status)) {
    text += " killed by signal " + std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) + ")";
  } else if (WEXITSTATUS(status) != 0) {
    text += " exit status " + std::to_string(WEXITSTATUS(status));
  }
  return text;
}

}  // namespace flashtile::test
