// The rows of one job as lines of at most 80 columns. Called by report.cc.
#pragma once

#include <string>
#include <vector>

#include "bench/peaks.h"
#include "cli/report.h"

namespace flashtile::cli {

enum class Tone { plain, dim, good, bad };
struct TableLine {
  std::string text;
  Tone tone = Tone::plain;
};

/// What the problem is, and where its inputs came from.
std::vector<TableLine> title_of(const Job& job, const Options& options);

/// One line of words, and one for each way that ran.
std::vector<TableLine> table_of(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks);

/// What the columns mean, and which ways did not run and why. `peaks` is null when no share of them is shown.
std::vector<TableLine> footnotes_of(const Job& job, const Options& options, const std::vector<Row>& rows,
                                    const bench::Peaks* peaks);

/// "331 us", "12.3 ms", "1.24 s": three digits.
std::string format_seconds(double seconds);

}  // namespace flashtile::cli
