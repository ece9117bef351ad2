#include "cli/job.h"

#include "flashtile/error.h"

namespace flashtile::cli {

Queue queue_of(const Options& options) {
  return options.device == Device::cpu() ? Queue::cpu({.threads = options.threads})
                                         : Queue::default_for(options.device);
}

std::vector<std::function<std::unique_ptr<Job>()>> jobs_of(const Options& options, Values values) {
  const auto make = options.op == Op::attention ? make_attention_job : make_gemm_job;
  std::vector<std::function<std::unique_ptr<Job>()>> jobs;
  for (const auto& shape : options.shapes)
    jobs.push_back([&options, make, shape, values] { return make(options, shape, values); });
  if (jobs.empty()) jobs.push_back([&options, make, values] { return make(options, {}, values); });
  return jobs;
}

std::vector<std::string> way_names(const Job& job, const std::vector<std::string>& asked) {
  if (asked[0] == "auto") return {job.plan("").way};
  if (asked[0] != "all") return asked;
  std::vector<std::string> names;
  for (const WayInfo& way : job.ways()) names.push_back(way.name);
  return names;
}

}  // namespace flashtile::cli
