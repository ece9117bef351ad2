#include "cli/json_lines.h"

#include <ctime>

namespace flashtile::cli {
namespace {

constexpr int kSchemaVersion = 2;

std::string cpu_name() {
  for (const BackendInfo& backend : backends()) {
    if (backend.type == DeviceType::cpu && !backend.devices.empty()) return backend.devices[0].name;
  }
  return "";
}

/// "2026-11-27T19:08:13Z".
std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[sizeof "2026-11-27T19:08:13Z"];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

std::string stamped(const Json& json) {
  Json line{
      {"schema_version", kSchemaVersion}, {"version", FLASHTILE_VERSION}, {"cpu", cpu_name()}, {"date", now()}};
  line.update(json);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const Job& job, const Options& options, const Row& row, const bench::Peaks* peaks) {
  const bench::Work work = job.work();
  const Json problem = job.describe();
  Json json;
  json["op"] = problem["op"];
  json["way"] = row.way;
  json.update(problem);
  json["threads"] = job.queue().threads();
  json["seed"] = options.seed;
  if (!options.layers.empty()) {
    json["model"] = options.model;
    json["phase"] = options.phase;
    json["layers"] = options.layers;
  }
  if (!job.notes().empty()) json["notes"] = job.notes();
  json["verdict"] = verdict_word(row);
  if (!row.refusal.empty()) json["reason"] = row.refusal;
  if (!row.kernel.empty()) json["kernel"] = row.kernel;
  if (row.timed) {
    const Timing& t = row.timing;
    json["cache"] = options.cache == bench::Cache::cold ? "cold" : "warm";
    json["median_ms"] = t.median * 1e3;
    json["min_ms"] = t.minimum * 1e3;
    json["spread"] = t.spread();
    json["samples"] = t.samples;
    json["tflops"] = t.median > 0 ? work.flops / t.median * 1e-12 : 0;
    json["gbps"] = t.median > 0 ? work.bytes / t.median * 1e-9 : 0;
    if (peaks != nullptr) {
      json["peak_share"] = share_of_peak(work, t, *peaks);
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
    if (!row.verdict.right()) json["repeat"] = command_line(options, job.shape(), row.way);
  }
  return json;
}

Json error_json(const std::string& code, const std::string& message, int exit_code) {
  return {{"error", {{"code", code}, {"message", message}}}, {"exit_code", exit_code}};
}

}  // namespace flashtile::cli
