// flashtile run: compute, compare, time shortly, and write results, right or wrong.
#include "cli/commands.h"
#include "src/io/tensor_file.h"

namespace flashtile::cli {

int run(const Options& options) {
  const auto files = written_files(options);
  for (const auto& [option, path] : files) io::check_output(path);
  // Who wants a file waits for nothing else, unless --seconds asks for it.
  const bool writes = !files.empty();
  Report report(options);
  int code = kDone;
  for (const auto& make : jobs_of(options)) {
    const std::unique_ptr<Job> job = make();
    std::vector<std::function<void()>> functions;
    std::vector<Row> rows = judged_rows(*job, options, report, functions);
    std::optional<bench::Peaks> peaks;
    if (writes && !options.seconds) {
      for (Row& row : rows) row.timed = false;
    } else {
      if (!writes) peaks = peaks_for(*job, functions, report);
      time_rows(*job, rows, functions, options, options.seconds.value_or(0.2), report);
    }
    report.rows(*job, rows, peaks ? &*peaks : nullptr);
    code = std::max(code, write_and_judge(*job, options, rows, report));
  }
  return code;
}

}  // namespace flashtile::cli
