// The command line program: parses, runs one subcommand, and turns errors into exit codes.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

#include "cli/commands.h"
#include "cli/json_lines.h"
#include "cli/models.h"
#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

int one(const Options& options) {
  switch (options.command) {
    case Command::info: return info(options);
    case Command::run: return run(options);
    case Command::check: return check(options);
    case Command::bench: return bench_ways(options);
    case Command::explain: return explain(options);
  }
  return kInternal;
}

/// A model is several calls.
int dispatch(const Options& options) {
  int code = kDone;
  for (const Options& call : calls_of(options)) code = std::max(code, one(call));
  return code;
}

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return kUsage;
    case ErrorCode::unsupported:
    case ErrorCode::out_of_memory: return kUnsupported;
    case ErrorCode::bad_file: return kBadFile;
    case ErrorCode::device_failure:
    case ErrorCode::internal:
    case ErrorCode::cancelled: break;
  }
  return kInternal;
}

int fail(bool json, const std::string& code, const std::string& message, int exit_code) {
  const std::string text =
      (json ? stamped(error_json(code, message, exit_code)) : "flashtile: " + message) + "\n";
  std::fputs(text.c_str(), json ? stdout : stderr);
  return exit_code;
}

int main_of(const std::vector<std::string>& arguments) {
  const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  try {
    if (!arguments.empty() && arguments[0] == "metal") return metal({arguments.begin() + 1, arguments.end()});
    const auto parsed = parse_arguments(arguments);
    if (const Exit* exit = std::get_if<Exit>(&parsed)) {
      std::fputs(exit->out.c_str(), stdout);
      if (exit->code == kDone) return kDone;
      return fail(json, name(ErrorCode::invalid_argument),
                  exit->error.substr(0, exit->error.find_last_not_of('\n') + 1), exit->code);
    }
    return dispatch(std::get<Options>(parsed));
  } catch (const Error& error) {
    return fail(json, name(error.code()), error.what(), exit_code_of(error.code()));
  } catch (const std::bad_alloc&) {
    return fail(json, name(ErrorCode::out_of_memory), "out of memory", kUnsupported);
  } catch (const std::exception& error) {
    return fail(json, name(ErrorCode::internal), error.what(), kInternal);
  }
}

}  // namespace
}  // namespace flashtile::cli

int main(int count, char** values) {
  const int code = flashtile::cli::main_of({values + 1, values + count});
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout) return code;
  std::fputs("flashtile: standard output could not be written; what it lacks is lost\n", stderr);
  return flashtile::cli::kInternal;
}
