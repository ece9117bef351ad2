// What the commands print: tables for people, JSON lines for programs, notes and progress beside them.
#pragma once

#include <chrono>
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

/// "ok", "wrong", "declined", or "" for a way that was not judged.
std::string verdict_word(const Row& row);

/// 0 where nothing was measured.
double share_of_peak(const bench::Work& work, const Timing& timing, const bench::Peaks& peaks);

class Report {
 public:
  explicit Report(const Options& options);

  /// A line on standard error, unless --quiet or --json.
  void note(const std::string& text);
  /// Replaces the line of progress on standard error, when that is a terminal that can; empty clears it. A new step
  /// shows at once, how far it is at most ten times a second.
  void step(const std::string& text);
  void progress(const std::string& text);
  /// Whether progress() would show anything now.
  bool progress_is_due() const;
  /// A line of data on standard output; with --out - on standard error instead.
  void line(const std::string& text);

  /// The rows of one job, as a table or as JSON lines. `peaks` is null when no share of them is shown.
  void rows(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks);

  bool json() const { return options_.json; }

 private:
  void show(const std::string& progress);

  const Options& options_;
  std::FILE* data_;
  bool color_, progress_;
  bool shown_ = false;  // a line of progress
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace flashtile::cli
