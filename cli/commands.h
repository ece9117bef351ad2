// The subcommands: each does its work, prints it, and returns the exit code. Called by main.cc. Errors of the
// library pass through.
#pragma once

#include "cli/arguments.h"
#include "cli/report.h"
#include "flashtile/error.h"

namespace flashtile::cli {

int info(const Options& options);
int run(const Options& options);
int check(const Options& options);
int bench_ways(const Options& options);
int explain(const Options& options);
/// `flashtile metal ...`: has options of its own, so that it gets the arguments behind its name.
int metal(const std::vector<std::string>& arguments);

/// Prepares and runs each way of --way once and compares it with the oracle. Appends the runnable of each
/// correct way to `functions`, and marks its row as `timed`. Refused ways are rows too, unless one was asked
/// for by name: then its reason is thrown. Called by run, check and bench.
std::vector<Row> judged_rows(Job& job, const Options& options, Report& report,
                             std::vector<std::function<void()>>& functions);

/// Why the way that was asked for declined.
std::string reason_of(const Error& error);

/// The machine's peaks, when there is something to time beside them.
std::optional<bench::Peaks> peaks_for(const Job& job, const std::vector<std::function<void()>>& functions,
                                      Report& report);

/// Times the right ways in turns and sets their rows' timings.
void time_rows(Job& job, std::vector<Row>& rows, const std::vector<std::function<void()>>& functions,
               const Options& options, double seconds, Report& report);

/// 0; 1 when a way's result is wrong, then also notes how to repeat it; 3 when no way could do it.
int exit_code_of(const Job& job, const Options& options, const std::vector<Row>& rows, Report& report);

/// The same, after the result has been written to the files that the options name, whatever the verdict: who
/// wants to look into a wrong result needs it. A note says when what was written is wrong.
int write_and_judge(Job& job, const Options& options, const std::vector<Row>& rows, Report& report);

}  // namespace flashtile::cli
