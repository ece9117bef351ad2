// flashtile explain: the plans of the ways, without computing anything.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "cli/commands.h"
#include "cli/json_lines.h"
#include "cli/table.h"
#include "cli/text.h"
#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

/// What a way would do, and, of the best one, the ways that would come after it.
struct Explained {
  Plan plan;
  std::vector<std::string> after;
};

/// The plan of the best way; of those after it, the ones that cannot are among its refused ways too.
Explained best_of(const Job& job) {
  Explained best{job.plan(""), {}};
  for (const WayInfo& way : job.ways()) {
    const auto listed = [&](const RefusedWay& refused) { return refused.way == way.name; };
    if (way.name == best.plan.way || std::any_of(best.plan.refused.begin(), best.plan.refused.end(), listed))
      continue;
    try {
      job.plan(way.name);
      best.after.push_back(way.name);
    } catch (const Error& error) {
      best.plan.refused.push_back({way.name, reason_of(error)});
    }
  }
  return best;
}

std::string json_of(const Job& job, const Explained& explained) {
  Json json = job.describe();
  json.update(Json::parse(explained.plan.to_json()));
  json["after"] = explained.after;
  return stamped(json);
}

void print(Report& report, const Job& job, const Explained& explained) {
  if (report.json()) {
    report.line(json_of(job, explained));
    return;
  }
  std::istringstream lines(explained.plan.to_string());
  for (std::string line; std::getline(lines, line);) {
    const std::string margin = line.starts_with(' ') ? "  " : "";
    for (const std::string& part : wrapped(line, kColumns - margin.size())) report.line(margin + part);
  }
  if (!explained.after.empty()) report.line(fmt::format("  then: {}", fmt::join(explained.after, ", ")));
}

void print_refusal(Report& report, const Job& job, const std::string& way, const std::string& reason) {
  if (report.json()) {
    Json json = job.describe();
    json["way"] = way;
    json["reason"] = reason;
    report.line(stamped(json));
    return;
  }
  for (const std::string& part : wrapped(fmt::format("{} declined: {}", way, reason))) report.line(part);
}

}  // namespace

int explain(const Options& options) {
  Report report(options);
  for (const auto& make : jobs_of(options, Values::unused)) {
    const std::unique_ptr<Job> job = make();
    for (const std::string& note : job->notes()) report.note(note);
    if (!options.quiet && !options.json)
      for (const TableLine& line : title_of(*job, options)) report.line(line.text);
    if (options.ways[0] == "auto") {
      print(report, *job, best_of(*job));
      continue;
    }
    for (const std::string& way : way_names(*job, options.ways)) {
      try {
        print(report, *job, {job->plan(way), {}});
      } catch (const Error& error) {
        if (options.ways[0] != "all" || error.code() != ErrorCode::unsupported) throw;
        print_refusal(report, *job, way, reason_of(error));
      }
    }
  }
  return kDone;
}

}  // namespace flashtile::cli
