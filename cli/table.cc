#include "cli/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "cli/text.h"

namespace flashtile::cli {
namespace {

/// One cell a column; the first column is left-aligned, and so is the last.
using Cells = std::vector<std::string>;

std::string aligned(const std::vector<Cells>& table, std::size_t row) {
  std::string text;
  for (std::size_t column = 0; column < table[row].size(); ++column) {
    std::size_t width = 0;
    for (const Cells& cells : table) width = std::max(width, cells[column].size());
    const bool last = column + 1 == table[row].size();
    if (column > 0) text += "  ";
    text += column == 0 ? fmt::format("{:<{}}", table[row][column], width)
            : last      ? table[row][column]
                        : fmt::format("{:>{}}", table[row][column], width);
  }
  return text;
}

std::string rate(double giga) {
  return giga < 999.95 ? fmt::format("{:.1f}", giga) : fmt::format("{:.0f}", giga);
}

/// A problem's key in a title: short for sizes, and the value alone where that says enough.
std::string spelled(const std::string& key, const Json& value) {
  static const std::map<std::string, std::string> kShort{{"batch", "B"},       {"query_heads", "Hq"},
                                                         {"kv_heads", "Hkv"},  {"query_length", "Lq"},
                                                         {"kv_length", "Lkv"}, {"head_dim", "D"},
                                                         {"value_dim", "Dv"},  {"m", "M"},
                                                         {"n", "N"},           {"k", "K"}};
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (key == "op" || key == "device" || key == "dtype" || key == "layout") return text;
  const auto found = kShort.find(key);
  return (found == kShort.end() ? key : found->second) + " " + text;
}

std::string sources_of(const Options& options) {
  const std::string model =
      options.layers.empty() ? ""
                             : fmt::format("{} {}, layers {}: ", options.model, options.phase, options.layers);
  if (!options.shapes.empty()) return fmt::format("{}random inputs, seed {}", model, options.seed);
  const auto said = [](const std::string& path) { return path == "-" ? "standard input" : path; };
  if (!options.file.empty()) return said(options.file);
  return options.op == Op::attention
             ? fmt::format("{}, {}, {}", said(options.q), said(options.k), said(options.v))
             : fmt::format("{}, {}", said(options.a), said(options.b));
}

bool any(const std::vector<Row>& rows, bool Row::* member) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.*member; });
}

void add_wrapped(std::vector<TableLine>& lines, const std::string& text, Tone tone) {
  for (const std::string& line : wrapped(text)) lines.push_back({line, tone});
}

}  // namespace

std::vector<TableLine> title_of(const Job& job, const Options& options) {
  std::vector<std::string> parts;
  const Json problem = job.describe();
  for (const auto& [key, value] : problem.items()) {
    if (!value.is_null()) parts.push_back(spelled(key, value));
  }
  std::vector<TableLine> lines;
  add_wrapped(lines, fmt::format("{}: {}", sources_of(options), fmt::join(parts, ", ")), Tone::dim);
  return lines;
}

std::vector<TableLine> table_of(const Job& job, const std::vector<Row>& rows, const bench::Peaks* peaks) {
  const bench::Work work = job.work();
  const bool timed = any(rows, &Row::timed), judged = any(rows, &Row::judged);
  std::vector<Cells> cells(1, Cells{"way"});
  const auto add_words = [&](std::initializer_list<const char*> words) {
    cells[0].insert(cells[0].end(), words.begin(), words.end());
  };
  if (timed) add_words({"time", "GFLOP/s", "GB/s"});
  if (timed && peaks != nullptr) add_words({"of peak"});
  if (judged) add_words({"max error"});
  if (judged && !timed) add_words({"its bound"});
  if (judged) add_words({"of bound", "verdict"});
  std::vector<Tone> tones(1, Tone::dim);
  for (const Row& row : rows) {
    if (!row.refusal.empty()) continue;
    Cells& own = cells.emplace_back(Cells{row.way});
    const auto add = [&](bool known, const std::string& text) { own.push_back(known ? text : ""); };
    if (timed) {
      const Timing& t = row.timing;
      const bool rated = row.timed && t.median > 0;
      add(row.timed, format_seconds(t.median));
      add(rated, rate(work.flops / t.median * 1e-9));
      add(rated, rate(work.bytes / t.median * 1e-9));
      if (peaks != nullptr) add(rated, fmt::format("{:.1f} %", 100 * share_of_peak(work, t, *peaks)));
    }
    if (judged) add(row.judged, fmt::format("{:.2e}", row.verdict.max_error));
    if (judged && !timed) add(row.judged, fmt::format("{:.2e}", row.verdict.error_bound));
    if (judged) add(row.judged, fmt::format("{:.1f} %", 100 * row.verdict.bound_used));
    if (judged) own.push_back(verdict_word(row));
    tones.push_back(row.judged && !row.verdict.right() ? Tone::bad : Tone::good);
  }
  std::vector<TableLine> lines;
  for (std::size_t i = 0; i < cells.size(); ++i) lines.push_back({aligned(cells, i), tones[i]});
  if (cells.size() == 1) lines = {{"none of the ways can do this", Tone::bad}};
  return lines;
}

std::vector<TableLine> footnotes_of(const Job& job, const Options& options, const std::vector<Row>& rows,
                                    const bench::Peaks* peaks) {
  std::vector<TableLine> lines;
  std::string columns;
  const auto judged = std::find_if(rows.begin(), rows.end(), [](const Row& row) { return row.judged; });
  if (judged != rows.end()) {
    columns = fmt::format(
        "max error: largest distance from the oracle (float64; {} of {} rows compared, seed {}). of bound: "
        "largest "
        "share that an error takes of what rounding allows there. ",
        judged->verdict.rows, judged->verdict.total_rows, options.seed);
  }
  if (peaks != nullptr && any(rows, &Row::timed)) {
    columns +=
        fmt::format("of peak: share of {:.1f} GFLOP/s ({}), measured now; memory is read at {:.1f} GB/s.",
                    peaks->flops * 1e-9, peaks->arithmetic, peaks->read_bytes * 1e-9);
  }
  add_wrapped(lines, columns, Tone::dim);

  constexpr double kCalm = 0.5;
  for (const Row& row : rows) {
    if (row.timed && row.timing.spread() > kCalm)
      add_wrapped(lines,
                  fmt::format("{}: its samples differ by {:.0f} % (20 % to 80 % quantile); the machine is busy",
                              row.way, 100 * row.timing.spread()),
                  Tone::dim);
  }
  std::vector<std::string> absent;
  const std::vector<WayInfo> ways = job.ways();
  for (const Row& row : rows) {
    if (row.refusal.empty()) continue;
    const auto way =
        std::find_if(ways.begin(), ways.end(), [&](const WayInfo& info) { return info.name == row.way; });
    if (way != ways.end() && !way->built) {
      absent.push_back(row.way);
    } else {
      add_wrapped(lines, fmt::format("{} declined: {}", row.way, row.refusal), Tone::dim);
    }
  }
  if (!absent.empty())
    add_wrapped(lines, fmt::format("not in this build: {} (flashtile info)", fmt::join(absent, ", ")),
                Tone::dim);
  return lines;
}

std::string format_seconds(double seconds) {
  const auto three_digits = [](double value, const char* unit) {
    return value < 9.995   ? fmt::format("{:.2f} {}", value, unit)
           : value < 99.95 ? fmt::format("{:.1f} {}", value, unit)
                           : fmt::format("{:.0f} {}", value, unit);
  };
  if (seconds < 0.9995e-3) return three_digits(seconds * 1e6, "us");
  if (seconds < 0.9995) return three_digits(seconds * 1e3, "ms");
  return three_digits(seconds, "s");
}

}  // namespace flashtile::cli
