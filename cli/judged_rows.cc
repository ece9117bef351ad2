#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/memory_for.h"
#include "flashtile/error.h"

namespace flashtile::cli {
std::string reason_of(const Error& error, const std::string& op, const std::string& way) {
  const std::string text = error.what(), known = fmt::format("{}: way {} cannot run this call: ", op, way);
  return text.starts_with(known) ? text.substr(known.size()) : text;
}

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
      row.refusal = reason_of(error, name(options.op), way);
      rows.push_back(row);
      continue;
    }
    report.progress(fmt::format("{}: comparing with the oracle", way));
    const std::function<void()> function = job.prepare(way);
    function();
    job.queue().synchronize();
    row.verdict = memory_for("the oracle's rows", [&] { return job.verify(options.rows); });
    row.judged = true;
    row.timed = row.verdict.right();
    if (row.timed) functions.push_back(function);
    rows.push_back(row);
  }
  return rows;
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
  int code = kDone;
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
  for (const std::string& path : {options.out, options.lse}) {
    if (!path.empty()) report.note(fmt::format("{} holds the wrong result all the same", path));
  }
  return code;
}

}  // namespace flashtile::cli
