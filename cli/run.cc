// flashtile run: compute, compare, time shortly, and write results, right or wrong.
#include "cli/commands.h"

namespace flashtile::cli {

int run(const Options& options) {
  Report report(options);
  int code = kDone;
  for (const auto& make : jobs_of(options)) {
    const std::unique_ptr<Job> job = make();
    std::vector<std::function<void()>> functions;
    std::vector<Row> rows = judged_rows(*job, options, report, functions);
    time_rows(*job, rows, functions, options, options.seconds > 0 ? options.seconds : 0.2, report);
    report.progress("measuring the machine's peak");
    const bench::Peaks peaks = bench::measure_peaks(job->queue(), job->dtype());
    report.rows(*job, rows, &peaks);
    code = std::max(code, write_and_judge(*job, options, rows, report));
  }
  return code;
}

}  // namespace flashtile::cli
