// flashtile explain: the plans of the ways, without computing anything.
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "flashtile/error.h"

namespace flashtile::cli {

namespace {

/// The plan of the best way, with the ways after it among the others too.
Plan best_plan(const Job& job) {
  Plan plan = job.plan("");
  for (const WayInfo& way : job.ways()) {
    const auto listed = [&](const RefusedWay& refused) { return refused.way == way.name; };
    if (way.name == plan.way || std::any_of(plan.refused.begin(), plan.refused.end(), listed)) continue;
    try {
      job.plan(way.name);
      plan.refused.push_back({way.name, "can, but comes after " + plan.way});
    } catch (const Error& error) {
      plan.refused.push_back({way.name, reason_of(error, plan.op, way.name)});
    }
  }
  return plan;
}

}  // namespace

int explain(const Options& options) {
  Report report(options);
  for (const auto& make : jobs_of(options, Values::unused)) {
    const std::unique_ptr<Job> job = make();
    const bool all = options.ways[0] == "all";
    for (const std::string& way :
         options.ways[0] == "auto" ? std::vector<std::string>{""} : way_names(*job, options.ways)) {
      try {
        const Plan plan = way.empty() ? best_plan(*job) : job->plan(way);
        report.line(report.json() ? plan.to_json() : plan.to_string());
      } catch (const Error& error) {
        if (!all || error.code() != ErrorCode::unsupported) throw;
        Json json;
        json["op"] = name(options.op);
        json["way"] = way;
        json["reason"] = reason_of(error, name(options.op), way);
        report.line(report.json() ? json.dump()
                                  : fmt::format("{} by {}: declined: {}", name(options.op), way,
                                                reason_of(error, name(options.op), way)));
      }
    }
  }
  return kDone;
}

}  // namespace flashtile::cli
