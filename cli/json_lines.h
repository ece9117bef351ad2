// What --json prints: one object a line, each with what it takes to understand it later. Called by report.cc and main.cc.
#pragma once

#include <string>

#include "bench/peaks.h"
#include "cli/report.h"

namespace flashtile::cli {

/// One line: schema_version, version, cpu and date (UTC) come first, then the object's own keys.
std::string stamped(const Json& json);

/// One way of a job. `peaks` is null when no share of them is known.
Json json_of(const Job& job, const Options& options, const Row& row, const bench::Peaks* peaks);

/// {"error": {"code": ..., "message": ...}, "exit_code": ...}
Json error_json(const std::string& code, const std::string& message, int exit_code);

}  // namespace flashtile::cli
