#include "cli/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace flashtile::cli {
namespace {

constexpr int kSchemaVersion = 1;
constexpr const char* kGreen = "32";
constexpr const char* kRed = "31";
constexpr const char* kDim = "2";

/// One cell a column; the first column is left-aligned, and so is the last.
using Cells = std::vector<std::string>;

std::string aligned(const std::vector<Cells>& table, std::size_t row) {
  std::string text;
  for (std::size_t column = 0; column < table[row].size(); ++column) {
    std::size_t width = 0;
    for (const Cells& cells : table) width = std::max(width, column < cells.size() ? cells[column].size() : 0);
    const bool last = column + 1 == table[0].size();
    if (column > 0) text += "  ";
    text += column == 0 ? fmt::format("{:<{}}", table[row][column], width)
            : last      ? table[row][column]
                        : fmt::format("{:>{}}", table[row][column], width);
  }
  return text;
}

std::string verdict_word(const Row& row) {
  if (!row.refusal.empty()) return "declined";
  if (!row.judged) return "";
  return row.verdict.right() ? "ok" : "wrong";
}

std::string title(const Job& job) {
  std::string text;
  const Json problem = job.describe();
  for (const auto& [key, value] : problem.items()) {
    if (!value.is_null())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key,
                          value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

double share(const bench::Work& work, const Timing& timing, const bench::Peaks& peaks) {
  return timing.median > 0 && peaks.flops > 0 ? work.flops / timing.median / peaks.flops : 0;
}

}  // namespace

Report::Report(const Options& options)
    : options_(options), data_(options.out == "-" || options.lse == "-" ? stderr : stdout) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = no_color != nullptr && *no_color != '\0';
  color_ = options.color == Color::always ||
           (options.color == Color::automatic && !plain && isatty(fileno(data_)) != 0);
  progress_ = !options.quiet && !options.json && isatty(STDERR_FILENO) != 0;
}

void Report::note(const std::string& text) {
  if (options_.quiet || options_.json) return;
  progress("");
  fmt::print(stderr, "{}\n", text);
}

void Report::progress(const std::string& text) {
  if (!progress_) return;
  fmt::print(stderr, "\r\x1b[K{}", text);
  std::fflush(stderr);
}

void Report::line(const std::string& text) {
  progress("");
  fmt::print(data_, "{}\n", text);
  std::fflush(data_);
}

std::string Report::colored(const std::string& text, const char* code) const {
  return color_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

void Report::rows(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks) {
  options_.json ? json_rows(job, rows, peaks) : table(job, rows, peaks);
}

void Report::table(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks) {
  note(title(job));
  const bench::Work work = job.work();
  const bool timed = std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.timed; });
  const bool judged = std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.judged; });
  std::vector<Cells> table(1, Cells{"way"});
  if (timed) table[0].insert(table[0].end(), {"time", "fastest", "spread", "GFLOP/s", "GB/s", "of peak"});
  if (judged) table[0].insert(table[0].end(), {"max error", "its bound", "bound used"});
  table[0].push_back("verdict");
  for (const Row& row : rows) {
    Cells cells{row.way};
    if (timed) {
      const Timing& t = row.timing;
      const bool rated = row.timed && t.median > 0;
      cells.push_back(row.timed ? format_seconds(t.median) : "");
      cells.push_back(row.timed ? format_seconds(t.minimum) : "");
      cells.push_back(row.timed ? fmt::format("{:.0f} %", 100 * t.spread()) : "");
      cells.push_back(rated ? fmt::format("{:.1f}", work.flops / t.median * 1e-9) : "");
      cells.push_back(rated ? fmt::format("{:.1f}", work.bytes / t.median * 1e-9) : "");
      cells.push_back(rated && peaks != nullptr ? fmt::format("{:.1f} %", 100 * share(work, t, *peaks)) : "");
    }
    if (judged) {
      cells.push_back(row.judged ? fmt::format("{:.2e}", row.verdict.max_error) : "");
      cells.push_back(row.judged ? fmt::format("{:.2e}", row.verdict.error_bound) : "");
      cells.push_back(row.judged ? fmt::format("{:.1f} %", 100 * row.verdict.bound_used) : "");
    }
    const std::string word = verdict_word(row);
    cells.push_back(row.refusal.empty() ? word : word + ": " + row.refusal);
    table.push_back(cells);
  }
  for (std::size_t i = 0; i < table.size(); ++i) {
    const char* code = i == 0 || !rows[i - 1].refusal.empty()               ? kDim
                       : rows[i - 1].judged && !rows[i - 1].verdict.right() ? kRed
                                                                            : kGreen;
    line(colored(aligned(table, i), code));
  }
  if (peaks != nullptr && timed) {
    note(fmt::format("peak: {:.1f} GFLOP/s ({}), {:.1f} GB/s read from memory", peaks->flops * 1e-9,
                     peaks->arithmetic, peaks->read_bytes * 1e-9));
  }
  const auto any = std::find_if(rows.begin(), rows.end(), [](const Row& row) { return row.judged; });
  if (any != rows.end()) {
    note(fmt::format("oracle: float64, {} of {} rows compared, seed {}", any->verdict.rows,
                     any->verdict.total_rows, options_.seed));
  }
}

void Report::json_rows(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks) {
  const bench::Work work = job.work();
  for (const Row& row : rows) {
    Json json;
    json["schema_version"] = kSchemaVersion;
    const Json problem = job.describe();
    json["op"] = problem["op"];
    json["way"] = row.way;
    json.update(problem);
    json["threads"] = job.queue().threads();
    json["seed"] = options_.seed;
    json["verdict"] = verdict_word(row);
    if (!row.refusal.empty()) json["reason"] = row.refusal;
    if (!row.kernel.empty()) json["kernel"] = row.kernel;
    if (row.timed) {
      const Timing& t = row.timing;
      json["cache"] = options_.cache == bench::Cache::cold ? "cold" : "warm";
      json["median_ms"] = t.median * 1e3;
      json["min_ms"] = t.minimum * 1e3;
      json["spread"] = t.spread();
      json["samples"] = t.samples;
      json["tflops"] = t.median > 0 ? work.flops / t.median * 1e-12 : 0;
      json["gbps"] = t.median > 0 ? work.bytes / t.median * 1e-9 : 0;
      if (peaks != nullptr) {
        json["peak_share"] = share(work, t, *peaks);
        json["peak_tflops"] = peaks->flops * 1e-12;
        json["peak_arithmetic"] = peaks->arithmetic;
        json["peak_read_gbps"] = peaks->read_bytes * 1e-9;
      }
    }
    if (row.judged) {
      json["max_error"] = row.verdict.max_error;
      json["error_bound"] = row.verdict.error_bound;
      json["bound_used"] = row.verdict.bound_used;
      json["rows_compared"] = row.verdict.rows;
      json["rows"] = row.verdict.total_rows;
      if (!row.verdict.right()) json["repeat"] = command_line(options_, job.shape(), row.way);
    }
    line(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

std::string format_seconds(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

std::string error_json(const std::string& code, const std::string& message, int exit_code) {
  Json json;
  json["schema_version"] = kSchemaVersion;
  json["error"] = {{"code", code}, {"message", message}};
  json["exit_code"] = exit_code;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace flashtile::cli
