#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "cli/commands.h"
#include "cli/memory_for.h"
#include "flashtile/error.h"

namespace flashtile::cli {
std::string reason_of(const Error& error) {
  return error.refused().empty() ? error.what() : error.refused().front().reason;
}

namespace {

/// Compares with the oracle, and shows how many rows are done.
Verdict verdict_of(Job& job, const std::string& way, const Options& options, Report& report) {
  std::atomic<std::int64_t> done{0};
  std::mutex showing;
  const auto row_done = [&](std::int64_t rows) {
    const std::int64_t so_far = ++done;
    const std::unique_lock only(showing, std::try_to_lock);
    if (only && report.progress_is_due())
      report.progress(fmt::format("{}: compared with the oracle: {} of {} rows", way, so_far, rows));
  };
  report.step(fmt::format("{}: comparing with the oracle", way));
  return memory_for("the oracle's rows", [&] { return job.verify(options.rows, row_done); });
}

}  // namespace

std::vector<Row> judged_rows(Job& job, const Options& options, Report& report,
                             std::vector<std::function<void()>>& functions) {
  const bool all = options.ways[0] == "all";
  std::vector<Row> rows;
  for (const std::string& way : way_names(job, options.ways)) {
    Row row;
    row.way = way;
    try {
      row.kernel = job.plan(way).kernel;
    } catch (const Error& error) {
      if (!all || error.code() != ErrorCode::unsupported) throw;
      row.refusal = reason_of(error);
      rows.push_back(row);
      continue;
    }
    report.step(fmt::format("{}: computing", way));
    const std::function<void()> function = job.prepare(way);
    function();
    job.queue().synchronize();
    row.verdict = verdict_of(job, way, options, report);
    row.judged = true;
    row.timed = row.verdict.right();
    if (row.timed) functions.push_back(function);
    rows.push_back(row);
  }
  return rows;
}

std::optional<bench::Peaks> peaks_for(const Job& job, const std::vector<std::function<void()>>& functions,
                                      Report& report) {
  if (functions.empty()) return {};
  report.step("measuring the machine's peak");
  return bench::measure_peaks(job.queue(), job.dtype());
}

void time_rows(Job& job, std::vector<Row>& rows, const std::vector<std::function<void()>>& functions,
               const Options& options, double seconds, Report& report) {
  // With cold caches one sample is one call: the next one would find what the last one has read.
  const std::vector<Timing> timings = measure(
      functions, seconds, bench::stopwatch_of(job.queue(), options.cache),
      options.cache == bench::Cache::cold ? 1 : 1e4, [&](const std::string& text) { report.progress(text); });
  auto timing = timings.begin();
  for (Row& row : rows) {
    if (row.timed) row.timing = *timing++;
  }
}

int exit_code_of(const Job& job, const Options& options, const std::vector<Row>& rows, Report& report) {
  int code =
      std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.judged; }) ? kDone : kUnsupported;
  for (const Row& row : rows) {
    if (!row.judged || row.verdict.right()) continue;
    report.note(fmt::format("{} is wrong at {}; repeat with: {}", row.way, row.verdict.worst,
                            command_line(options, job.shape(), row.way)));
    code = kCheckFailed;
  }
  return code;
}

int write_and_judge(Job& job, const Options& options, const std::vector<Row>& rows, Report& report) {
  job.write_results();
  const int code = exit_code_of(job, options, rows, report);
  if (code == kDone) return code;
  for (const auto& [option, path] : written_files(options))
    report.note(fmt::format("{} holds the wrong result all the same", path));
  return code;
}

}  // namespace flashtile::cli
