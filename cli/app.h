// The commands and options as CLI11 knows them: what is parsed, what --help says, and what the manual page and the
// completions are made from.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"

namespace flashtile::cli {

/// The options whose text needs a second look once all are known.
struct Texts {
  std::string op = "attention", dtype, b_dtype, mask_dtype, out_dtype, layout = "bhsd", causal, query_offset,
              window, device = "cpu", way, rows, color = "auto", cache = "warm", score_stage = "probabilities",
              phase;
  std::vector<std::string> shapes, names;
  std::optional<float> scale, softcap, alpha, beta;
  std::string topic;  ///< help's command, or completion's shell
};

/// Options of one op are listed apart, and are refused with the other.
inline constexpr const char* kAttentionGroup = "Attention";
inline constexpr const char* kGemmGroup = "Matrix products (--op gemm)";

/// The program, with `metal` by name only: its arguments go to metal() unparsed. Parsing fills `options` and `texts`, which must outlive it.
std::unique_ptr<CLI::App> make_app(Options& options, Texts& texts);

}  // namespace flashtile::cli
