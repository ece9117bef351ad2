// What the commands print: tables for people, JSON lines for programs, notes and progress beside them.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "bench/peaks.h"
#include "cli/arguments.h"
#include "cli/job.h"
#include "cli/measure.h"

namespace flashtile::cli {

/// What is known about one way of one job.
struct Row {
  std::string way;
  std::string kernel;
  std::string refusal;  ///< why the way did not run; nothing below is then set
  bool timed = false;
  Timing timing;
  bool judged = false;
  Verdict verdict;
};

class Report {
 public:
  explicit Report(const Options& options);

  /// A line on standard error, unless --quiet or --json.
  void note(const std::string& text);
  /// Replaces the line of progress on standard error, when that is a terminal; empty clears it.
  void progress(const std::string& text);
  /// A line of data on standard output; with --out - on standard error instead.
  void line(const std::string& text);

  /// The rows of one job, as a table or as JSON lines. `peaks` is null when nothing was timed.
  void rows(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks);

  bool json() const { return options_.json; }

 private:
  std::string colored(const std::string& text, const char* code) const;
  void table(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks);
  void json_rows(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks);

  const Options& options_;
  std::FILE* data_;
  bool color_, progress_;
};

/// "331 us", "12.3 ms", "1.24 s".
std::string format_seconds(double seconds);

/// {"error": {"code": ..., "message": ...}, "exit_code": ...} on one line.
std::string error_json(const std::string& code, const std::string& message, int exit_code);

}  // namespace flashtile::cli
