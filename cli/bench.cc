// flashtile bench: ways measured in turns against the machine's own peak. A wrong result is not timed.
#include "cli/commands.h"

namespace flashtile::cli {

int bench_ways(const Options& options) {
  Report report(options);
  int code = kDone;
  for (const auto& make : jobs_of(options)) {
    const std::unique_ptr<Job> job = make();
    std::vector<std::function<void()>> functions;
    std::vector<Row> rows = judged_rows(*job, options, report, functions);
    const std::optional<bench::Peaks> peaks = peaks_for(*job, functions, report);
    time_rows(*job, rows, functions, options, options.seconds.value_or(1), report);
    report.rows(*job, rows, peaks ? &*peaks : nullptr);
    code = std::max(code, exit_code_of(*job, options, rows, report));
  }
  return code;
}

}  // namespace flashtile::cli
