// flashtile bench: ways measured in turns against the machine's own peak. A wrong result is not timed.
#include "cli/commands.h"

namespace flashtile::cli {

int bench_ways(const Options& options) {
  Report report(options);
  int code = kDone;
  for (const auto& make : jobs_of(options)) {
    const std::unique_ptr<Job> job = make();
    report.progress("measuring the machine's peak");
    const bench::Peaks peaks = bench::measure_peaks(job->queue(), job->dtype());
    std::vector<std::function<void()>> functions;
    std::vector<Row> rows = judged_rows(*job, options, report, functions);
    time_rows(*job, rows, functions, options, options.seconds > 0 ? options.seconds : 1, report);
    report.rows(*job, rows, &peaks);
    code = std::max(code, exit_code_of(*job, options, rows, report));
  }
  return code;
}

}  // namespace flashtile::cli
