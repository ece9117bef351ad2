#include "cli/arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

const std::map<std::string, Op> kOps{{"attention", Op::attention}, {"gemm", Op::gemm}};
const std::map<std::string, DType> kDTypes{
    {"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}, {"i8", DType::i8}, {"u8", DType::u8}};
const std::map<std::string, DType> kBDTypes = [] {
  std::map<std::string, DType> words = kDTypes;
  words.insert({{"int4", DType::int4}, {"uint4", DType::uint4}});  // only b of a product may be packed in pairs
  return words;
}();
const std::map<std::string, Layout> kLayouts{{"bhsd", Layout::bhsd}, {"bshd", Layout::bshd}};
const std::map<std::string, CausalCorner> kCorners{{"top_left", CausalCorner::top_left},
                                                   {"bottom_right", CausalCorner::bottom_right}};
const std::map<std::string, bench::Cache> kCaches{{"warm", bench::Cache::warm}, {"cold", bench::Cache::cold}};
const std::map<std::string, Color> kColors{
    {"auto", Color::automatic}, {"always", Color::always}, {"never", Color::never}};

constexpr const char* kAbout = R"(Exact attention and matrix products, by every way that this machine has.

Data goes to standard output, notes and progress to standard error. With --json each result is one JSON object on a line
of standard output, and so is an error. Exit codes: 0 done, 1 a check failed, 2 usage, 3 not supported by this build or on
this machine, 4 a file is missing or malformed, 5 internal error.

Environment: FLASHTILE_THREADS (as --threads), FLASHTILE_MAX_ISA (scalar, avx2, avx512, ...: the best instruction set that
kernels may use), NO_COLOR.)";

template <class T>
const std::string& spelling(const std::map<std::string, T>& words, T value) {
  return std::find_if(words.begin(), words.end(), [&](const auto& entry) { return entry.second == value; })
      ->first;
}

template <class T>
std::string choices(const std::map<std::string, T>& words) {
  std::string text;
  for (const auto& [word, value] : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// The value that a word stands for. Errors: invalid_argument naming the option.
template <class T>
T parse_word(const std::string& option, const std::string& word, const std::map<std::string, T>& words) {
  const auto found = words.find(word);
  if (found == words.end()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: '{}' is none of {}", option, word, choices(words)));
  }
  return found->second;
}

/// The options whose text needs a second look once all are known.
struct Texts {
  std::string op = "attention", dtype, b_dtype, layout = "bhsd", causal, device = "cpu", way, rows,
              color = "auto", cache = "warm";
  std::vector<std::string> shapes;
  std::optional<float> scale;
};

void add_output_options(CLI::App& command, Options& options, Texts& texts) {
  command.add_flag("--json", options.json, "one JSON object a line");
  command.add_option("--color", texts.color, "auto, always or never")->type_name("WHEN");
  command.add_flag("--quiet", options.quiet, "no notes, no progress");
}

void add_problem_options(CLI::App& command, Options& options, Texts& texts) {
  command.add_option("FILE", options.file, ".npz or .safetensors holding q, k, v (gemm: a, b)");
  command.add_option("--op", texts.op, "attention (default) or gemm");
  command.add_option("--q", options.q, "queries, a .npy")->type_name("F");
  command.add_option("--k", options.k, "keys, a .npy")->type_name("F");
  command.add_option("--v", options.v, "values, a .npy")->type_name("F");
  command.add_option("--a", options.a, "gemm: the left matrix, a .npy")->type_name("F");
  command.add_option("--b", options.b, "gemm: the right matrix, a .npy")->type_name("F");
  command
      .add_option("--shape", texts.shapes,
                  "random inputs: B,Hq,Hkv,Lq,Lkv,D[,Dv], gemm: M,N,K; may be repeated")
      ->type_name("N,N,...")
      ->allow_extra_args(false);
  command.add_option("--seed", options.seed, "of random inputs (0)")->check(CLI::NonNegativeNumber);
  command
      .add_option("--dtype", texts.dtype,
                  "f32, f16, bf16 (gemm also i8, u8): convert inputs; two-byte .npy data is bf16")
      ->type_name("TYPE");
  command
      .add_option(
          "--b-dtype", texts.b_dtype,
          "gemm: of b, where it differs from a's; also int4 (a: i8, f16, bf16) and uint4 (a: u8, f16, bf16)")
      ->type_name("TYPE");
  command.add_option("--layout", texts.layout, "of q, k, v and out: bhsd (default) or bshd");
  command.add_option("--causal", texts.causal, "top_left or bottom_right")->type_name("CORNER");
  command
      .add_option("--mask", options.mask,
                  "file: bool or u8 (nonzero attends) or float (added); or random: boolean, additive")
      ->type_name("F");
  command.add_option("--bias", options.bias, "file: float, added to scores beside a boolean --mask; or random")
      ->type_name("F");
  command.add_option("--scale", texts.scale, "of the scores (1/sqrt(D))")->type_name("X");
  command.add_option("--way", texts.way, "a way's name, several with commas, auto, or all")->type_name("NAME");
  command.add_option("--device", texts.device, "cpu (default), cuda, cuda:1");
  command.add_option("--threads", options.threads, "of the CPU (all)")
      ->check(CLI::Range(1, 4096))
      ->type_name("N");
  add_output_options(command, options, texts);
}

void set_ways(Options& options, const std::string& text) {
  const bool many = options.command == Command::check || options.command == Command::bench;
  std::stringstream words(text.empty() ? (many ? "all" : "auto") : text);
  for (std::string word; std::getline(words, word, ',');) options.ways.push_back(word);
  const bool special = std::any_of(options.ways.begin(), options.ways.end(),
                                   [](const auto& way) { return way == "auto" || way == "all"; });
  if (options.ways.empty() || std::count(options.ways.begin(), options.ways.end(), "") != 0 ||
      (special && options.ways.size() > 1)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--way: '{}' is neither auto, all, nor names with commas between", text));
  }
}

/// Everything about the inputs must come from one place.
void check_inputs(const Options& options) {
  const bool attention = options.op == Op::attention;
  const std::vector<std::string> parts =
      attention ? std::vector{options.q, options.k, options.v} : std::vector{options.a, options.b};
  const std::vector<std::string> others =
      attention ? std::vector{options.a, options.b} : std::vector{options.q, options.k, options.v};
  const auto given =
      std::count_if(parts.begin(), parts.end(), [](const std::string& part) { return !part.empty(); });
  const auto fail = [](const std::string& message) { throw Error(ErrorCode::invalid_argument, message); };

  if (std::any_of(others.begin(), others.end(), [](const std::string& part) { return !part.empty(); })) {
    fail(attention ? "--a and --b are inputs of --op gemm" : "--q, --k and --v are inputs of --op attention");
  }
  const int sources = (options.file.empty() ? 0 : 1) + (given > 0 ? 1 : 0) + (options.shapes.empty() ? 0 : 1);
  const char* all = attention ? "--q, --k and --v" : "--a and --b";
  if (sources != 1) fail(fmt::format("inputs: give one of FILE, {}, and --shape; {} are given", all, sources));
  if (given > 0 && given != static_cast<std::ptrdiff_t>(parts.size()))
    fail(fmt::format("inputs: {} go together", all));
  if (!attention && (options.causal || !options.mask.empty() || !options.bias.empty() || options.scale ||
                     !options.lse.empty() || options.layout != Layout::bhsd)) {
    fail("--causal, --mask, --bias, --scale, --layout and --lse are options of --op attention");
  }
  if (attention && options.dtype && bits(*options.dtype) < 16)
    fail("--dtype: attention takes f32, f16 and bf16");
  if (attention && options.b_dtype) fail("--b-dtype is an option of --op gemm");
  const bool writes = !options.out.empty() || !options.lse.empty();
  if (writes && (options.shapes.size() > 1 || options.ways.size() > 1 || options.ways[0] == "all")) {
    fail("--out and --lse take the result of one shape by one way");
  }
}

void finish(Options& options, const Texts& texts) {
  options.color = parse_word("--color", texts.color, kColors);
  if (options.command == Command::info) return;
  options.op = parse_word("--op", texts.op, kOps);
  options.cache = parse_word("--cache", texts.cache, kCaches);
  options.layout = parse_word("--layout", texts.layout, kLayouts);
  if (!texts.dtype.empty()) options.dtype = parse_word("--dtype", texts.dtype, kDTypes);
  if (!texts.b_dtype.empty()) options.b_dtype = parse_word("--b-dtype", texts.b_dtype, kBDTypes);
  if (!texts.causal.empty()) options.causal = parse_word("--causal", texts.causal, kCorners);
  options.scale = texts.scale;
  options.device = parse_device(texts.device);
  for (const std::string& shape : texts.shapes) options.shapes.push_back(parse_shape(shape, options.op));
  set_ways(options, texts.way);
  if (!texts.rows.empty() && texts.rows != "all") {
    const auto [end, problem] =
        std::from_chars(texts.rows.data(), texts.rows.data() + texts.rows.size(), options.rows);
    if (problem != std::errc() || end != texts.rows.data() + texts.rows.size() || options.rows < 1) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("--rows: '{}' is neither a number from 1 on nor all", texts.rows));
    }
  } else if (texts.rows == "all") {
    options.rows = -1;
  }
  check_inputs(options);
}

}  // namespace

const char* name(Op op) { return op == Op::attention ? "attention" : "gemm"; }

std::vector<std::int64_t> parse_shape(const std::string& text, Op op) {
  std::vector<std::int64_t> sizes;
  const char* at = text.data();
  const char* const end = at + text.size();
  const char* const form = op == Op::attention ? "B,Hq,Hkv,Lq,Lkv,D or B,Hq,Hkv,Lq,Lkv,D,Dv" : "M,N,K";
  const auto fail = [&] {
    throw Error(ErrorCode::invalid_argument, fmt::format("--shape: '{}' is not {}", text, form));
  };
  for (;;) {
    std::int64_t size = 0;
    const auto [next, problem] = std::from_chars(at, end, size);
    if (problem != std::errc() || size < 0) fail();
    sizes.push_back(size);
    if (next == end) break;
    if (*next != ',') fail();
    at = next + 1;
  }
  if (op == Op::attention && sizes.size() == 6) sizes.push_back(sizes.back());
  if (sizes.size() != (op == Op::attention ? 7 : 3)) fail();
  return sizes;
}

std::string command_line(const Options& options, const std::vector<std::int64_t>& shape,
                         const std::string& way) {
  std::string text = "flashtile check";
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) text += fmt::format(" {} {}", option, value);
  };
  if (options.op == Op::gemm) add("--op", "gemm");
  if (!options.file.empty()) text += " " + options.file;
  for (const auto& [option, file] : {std::pair{"--q", &options.q},
                                     {"--k", &options.k},
                                     {"--v", &options.v},
                                     {"--a", &options.a},
                                     {"--b", &options.b}}) {
    add(option, *file);
  }
  if (!options.shapes.empty()) {
    add("--shape", fmt::format("{}", fmt::join(shape, ",")));
    add("--seed", std::to_string(options.seed));
  }
  if (options.dtype) add("--dtype", name(*options.dtype));
  if (options.b_dtype) add("--b-dtype", name(*options.b_dtype));
  if (options.layout != Layout::bhsd) add("--layout", spelling(kLayouts, options.layout));
  if (options.causal) add("--causal", spelling(kCorners, *options.causal));
  add("--mask", options.mask);
  add("--bias", options.bias);
  if (options.scale) add("--scale", fmt::format("{}", *options.scale));
  if (options.device != Device::cpu()) add("--device", flashtile::name(options.device));
  if (options.threads > 0) add("--threads", std::to_string(options.threads));
  add("--way", way);
  return text;
}

std::variant<Options, Exit> parse_arguments(const std::vector<std::string>& arguments) {
  Options options;
  Texts texts;
  CLI::App app(kAbout, "flashtile");
  app.set_version_flag("--version", "flashtile " FLASHTILE_VERSION);
  app.require_subcommand(1);
  CLI::App* info = app.add_subcommand(
      "info", "version, instruction set, devices, libraries and ways of this build and machine");
  CLI::App* run =
      app.add_subcommand("run", "compute, compare with the oracle, print a table of the ways; write results");
  CLI::App* check = app.add_subcommand(
      "check", "compare every row of the result with the float64 oracle, element by element");
  CLI::App* bench =
      app.add_subcommand("bench", "measure ways, taken in turns, and compare with the machine's own peak");
  CLI::App* explain =
      app.add_subcommand("explain", "say which way would run and why the others would not; computes nothing");
  add_output_options(*info, options, texts);
  for (CLI::App* command : {run, check, bench, explain}) add_problem_options(*command, options, texts);
  run->add_option("--out", options.out,
                  "write the result: .npy, .npz, .safetensors, or - for .npy on standard output")
      ->type_name("F");
  run->add_option("--lse", options.lse, "write the log-sum-exp of each query's scores")->type_name("F");
  for (CLI::App* command : {run, check, bench}) {
    command->add_option("--rows", texts.rows, "rows to compare with the oracle: a number or all (check: all)")
        ->type_name("N");
  }
  for (CLI::App* command : {run, bench}) {
    command->add_option("--seconds", options.seconds, "to measure each way for")
        ->check(CLI::Range(0.0, 3600.0))
        ->type_name("S");
    command
        ->add_option("--cache", texts.cache,
                     "warm (default: calls follow each other) or cold (the caches are flushed before each)")
        ->type_name("STATE");
  }

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
    options.command = info->parsed()    ? Command::info
                      : run->parsed()   ? Command::run
                      : check->parsed() ? Command::check
                      : bench->parsed() ? Command::bench
                                        : Command::explain;
    finish(options, texts);
    return options;
  } catch (const CLI::ParseError& stop) {
    std::ostringstream out, error;
    const int code = app.exit(stop, out, error);
    return Exit{code == 0 ? kDone : kUsage, out.str(), error.str()};
  } catch (const Error& mistake) {
    return Exit{kUsage, "", std::string(mistake.what()) + "\n"};
  }
}

}  // namespace flashtile::cli
