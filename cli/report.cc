#include "cli/report.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "cli/json_lines.h"
#include "cli/table.h"

namespace flashtile::cli {
namespace {

/// A failure to write is seen at the end, by who asks the stream.
void put(std::FILE* stream, const std::string& text) {
  std::fputs(text.c_str(), stream);
  std::fflush(stream);
}

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

/// A terminal that knows no escapes says so.
bool dumb() {
  const char* terminal = std::getenv("TERM");
  return terminal == nullptr || std::string_view(terminal) == "dumb";
}

std::string in_color(const std::string& text, Tone tone) {
  constexpr const char* kCodes[] = {"0", "2", "32", "31"};  // plain, dim, good, bad
  return std::string("\x1b[") + kCodes[static_cast<int>(tone)] + "m" + text + "\x1b[0m";
}

}  // namespace

std::string verdict_word(const Row& row) {
  if (!row.refusal.empty()) return "declined";
  if (!row.judged) return "";
  return row.verdict.right() ? "ok" : "wrong";
}

double share_of_peak(const bench::Work& work, const Timing& timing, const bench::Peaks& peaks) {
  return timing.median > 0 && peaks.flops > 0 ? work.flops / timing.median / peaks.flops : 0;
}

Report::Report(const Options& options)
    : options_(options),
      data_(options.out == "-" || options.lse == "-" || options.scores == "-" ? stderr : stdout),
      color_(options.color == Color::always ||
             (options.color == Color::automatic && !set("NO_COLOR") && !dumb() && isatty(fileno(data_)) != 0)),
      progress_(!options.quiet && !options.json && !dumb() && isatty(STDERR_FILENO) != 0) {}

void Report::note(const std::string& text) {
  if (options_.quiet || options_.json) return;
  step("");
  put(stderr, text + "\n");
}

void Report::show(const std::string& progress) {
  if (!progress_ || (progress.empty() && !shown_)) return;
  put(stderr, "\r\x1b[K" + progress);
  shown_ = !progress.empty();
  last_ = std::chrono::steady_clock::now();
}

void Report::step(const std::string& text) { show(text); }

bool Report::progress_is_due() const {
  return progress_ && std::chrono::steady_clock::now() - last_ >= std::chrono::milliseconds(100);
}

void Report::progress(const std::string& text) {
  if (progress_is_due()) show(text);
}

void Report::line(const std::string& text) {
  step("");
  put(data_, text + "\n");
}

void Report::rows(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks) {
  if (options_.json) {
    for (const Row& row : rows) line(stamped(json_of(job, options_, row, peaks)));
    return;
  }
  const auto print = [&](const std::vector<TableLine>& lines) {
    for (const TableLine& one : lines) line(color_ ? in_color(one.text, one.tone) : one.text);
  };
  for (const std::string& text : job.notes()) note(text);
  if (!options_.quiet) print(title_of(job, options_));
  print(table_of(job, rows, peaks));
  if (!options_.quiet) print(footnotes_of(job, options_, rows, peaks));
}

}  // namespace flashtile::cli
