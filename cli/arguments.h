// The command line's arguments as a struct. Called by main.cc and the fuzzer; reads no file and prints nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bench/stopwatch.h"
#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "flashtile/mask.h"
#include "flashtile/score_stage.h"

namespace flashtile::cli {

enum class Command { info, run, check, bench, explain };
enum class Op { attention, gemm };
enum class Layout { bhsd, bshd };
enum class Color { automatic, always, never };

/// Exit statuses, as `flashtile --help` lists them.
enum ExitCode : int { kDone = 0, kCheckFailed = 1, kUsage = 2, kUnsupported = 3, kBadFile = 4, kInternal = 5 };

/// Attention's tensors that have a file each, beside q, k, v, mask and bias.
inline constexpr const char* kFurtherTensors[] = {
    "causal",     "query_offset", "q_lengths", "kv_lengths",   "q_row_starts", "kv_row_starts", "block_table",
    "q_segments", "kv_segments",  "block_map", "alibi_slopes", "sinks",        "k_scales",      "v_scales"};

struct Options {
  Command command = Command::info;
  Op op = Op::attention;

  // Where the inputs come from: one file, one file each, or random numbers of these shapes.
  std::string file;
  std::string q, k, v, a, b, c;
  /// What a tensor is called in its file, where that is not its own name.
  std::map<std::string, std::string> names;
  std::vector<std::vector<std::int64_t>> shapes;
  std::string model, phase, layers;  ///< a preset, see models.h, and, once it is a call, its kind of layers
  bool models = false;               ///< only list the presets
  bool v_in_k = false;               ///< random inputs: v is the first Dv elements of k's rows
  std::uint64_t seed = 0;

  std::optional<DType> dtype;
  std::optional<DType> b_dtype;  ///< gemm: of b, where it differs from a's
  Layout layout = Layout::bhsd;
  std::optional<QueryOffset> causal, query_offset;
  std::optional<Window> window;
  std::string mask;  ///< a file of booleans or biases, or "boolean" or "additive" for a random one
  std::string bias;  ///< a file, or "random"
  std::optional<DType> mask_dtype;             ///< of a bias
  std::optional<DType> out_dtype;              ///< of attention's result, where it differs from q's
  std::map<std::string, std::string> tensors;  ///< files of kFurtherTensors, by their names
  std::int64_t q_block = 0, kv_block = 0;      ///< of a block map
  std::optional<float> scale, softcap;
  float alpha = 1, beta = 0;  ///< gemm

  std::vector<std::string> ways;  ///< names, or one of "auto" and "all"
  Device device;
  int threads = 0;

  std::string out, lse, scores;  ///< files to write
  ScoreStage score_stage = ScoreStage::probabilities;
  std::int64_t rows = 0;          ///< rows to compare with the oracle; 0 = the command's own choice, -1 = all
  std::optional<double> seconds;  ///< to measure each way for; unset: the command's own choice
  bench::Cache cache = bench::Cache::warm;

  bool json = false;
  bool quiet = false;
  Color color = Color::automatic;
};

/// The files that the call writes, by the options that name them.
std::vector<std::pair<std::string, std::string>> written_files(const Options& options);

/// The option that names the file of a tensor: --q-lengths of q_lengths.
std::string option_of(std::string tensor);

/// What to print and how to exit instead of working: after help, version and their likes, or a mistake.
struct Exit {
  int code = kDone;
  std::string out, error;
};

/// Parses the arguments after the program's name.
std::variant<Options, Exit> parse_arguments(const std::vector<std::string>& arguments);

/// "B,Hq,Hkv,Lq,Lkv,D[,Dv]" for attention, "M,N,K" for gemm; attention's come back as seven numbers. Errors:
/// invalid_argument.
std::vector<std::int64_t> parse_shape(const std::string& text, Op op);

/// The command line that repeats one case by one way, quoted for a shell, with the environment that it depends on.
std::string command_line(const Options& options, const std::vector<std::int64_t>& shape,
                         const std::string& way);

const char* name(Op op);

}  // namespace flashtile::cli
