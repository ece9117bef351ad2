#include "cli/arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "cli/app.h"
#include "cli/manual.h"
#include "cli/models.h"
#include "cli/words.h"
#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

void set_ways(Options& options, const std::string& text) {
  const bool many = options.command == Command::check || options.command == Command::bench;
  std::stringstream words(text.empty() ? (many ? "all" : "auto") : text);
  for (std::string word; std::getline(words, word, ',');) options.ways.push_back(word);
  const bool special = std::any_of(options.ways.begin(), options.ways.end(),
                                   [](const auto& way) { return way == "auto" || way == "all"; });
  if (options.ways.empty() || std::count(options.ways.begin(), options.ways.end(), "") != 0 ||
      (special && options.ways.size() > 1)) {
    refuse(fmt::format("--way: '{}' is neither auto, all, nor names with commas between", text));
  }
}

void set_rows(Options& options, const std::string& text) {
  if (text.empty()) return;
  if (text == "all") {
    options.rows = -1;
    return;
  }
  const char* const end = text.data() + text.size();
  const auto [parsed, problem] = std::from_chars(text.data(), end, options.rows);
  if (problem != std::errc() || parsed != end || options.rows < 1)
    refuse(fmt::format("--rows: '{}' is neither a number from 1 on nor all", text));
}

void set_names(Options& options, const std::vector<std::string>& pairs) {
  std::vector<std::string> known{"a", "b", "c"};
  if (options.op == Op::attention) {
    known = {"q", "k", "v", "mask", "bias"};
    known.insert(known.end(), std::begin(kFurtherTensors), std::end(kFurtherTensors));
  }
  for (const std::string& pair : pairs) {
    const std::size_t sign = pair.find('=');
    if (sign == std::string::npos || sign + 1 == pair.size())
      refuse(fmt::format("--names: '{}' is not of the form {}=NAME", pair, known[0]));
    const std::string name = pair.substr(0, sign);
    if (std::find(known.begin(), known.end(), name) == known.end())
      refuse(fmt::format("--names: '{}' is none of {}", name, fmt::join(known, ", ")));
    if (!options.names.emplace(name, pair.substr(sign + 1)).second)
      refuse(fmt::format("--names: '{}' is given twice", name));
  }
}

/// Options of the other op are refused.
void check_op(const CLI::App& command, Op op) {
  const char* other = op == Op::attention ? kGemmGroup : kAttentionGroup;
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() > 0 && option->get_group() == other)
      refuse(fmt::format("{} is an option of --op {}", option->get_name(),
                         name(op == Op::attention ? Op::gemm : Op::attention)));
  }
}

/// A model says all that its layers' attention is.
void check_model(const CLI::App& command, const Options& options, const Texts& texts) {
  if (options.model.empty()) {
    if (!texts.phase.empty()) refuse("--phase: there is no --model");
    return;
  }
  if (options.op != Op::attention) refuse("--model: its layers are attention; --op says gemm");
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() > 0 && option->get_group() == kAttentionGroup && option->get_name() != "--layout")
      refuse(fmt::format("{}: --model says what it is", option->get_name()));
  }
}

/// Everything about the inputs must come from one place, and standard input can be read once.
void check_inputs(const Options& options) {
  const bool attention = options.op == Op::attention;
  const std::vector<std::string> parts =
      attention ? std::vector{options.q, options.k, options.v} : std::vector{options.a, options.b};
  const auto given =
      std::count_if(parts.begin(), parts.end(), [](const std::string& part) { return !part.empty(); });
  const int sources = (options.file.empty() ? 0 : 1) + (given > 0 ? 1 : 0) + (options.shapes.empty() ? 0 : 1) +
                      (options.model.empty() ? 0 : 1);
  const char* all = attention ? "--q, --k and --v" : "--a and --b";
  if (sources != 1)
    refuse(fmt::format("inputs: give one of FILE, {}, {}--shape; {} are given", all,
                       attention ? "--model, and " : "and ", sources));
  if (given > 0 && given != static_cast<std::ptrdiff_t>(parts.size()))
    refuse(fmt::format("inputs: {} go together", all));

  int standard = 0;
  for (const std::string* file : {&options.file, &options.q, &options.k, &options.v, &options.a, &options.b,
                                  &options.c, &options.mask, &options.bias}) {
    standard += *file == "-" ? 1 : 0;
  }
  for (const auto& [name, file] : options.tensors) standard += file == "-" ? 1 : 0;
  if (standard > 1)
    refuse(fmt::format("inputs: {} of them are -, but standard input can be read once", standard));
  if (attention && options.dtype && bits(*options.dtype) < 16)
    refuse("--dtype: attention takes f32, f16 and bf16");
  if (options.v_in_k && options.shapes.empty()) refuse("--v-in-k: there is no --shape");
  if (options.mask_dtype && options.mask.empty() && options.bias.empty())
    refuse("--mask-dtype: there is no --mask and no --bias");
}

std::optional<std::int64_t> integer(const std::string& text) {
  std::int64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, problem] = std::from_chars(text.data(), last, value);
  return problem == std::errc() && end == last ? std::optional(value) : std::nullopt;
}

/// Of --causal or --query-offset: a corner's name or a number, or else a file, which has a dot or a slash.
void set_offset(Options& options, const char* tensor, const std::string& text,
                std::optional<QueryOffset>& offset) {
  if (text.empty()) return;
  if (const std::optional<std::int64_t> number = integer(text))
    offset = *number;
  else if (text == "-" || text.find_first_of("./") != std::string::npos)
    options.tensors[tensor] = text;
  else
    offset = parse_word(option_of(tensor), text, kCorners);
}

Window parse_window(const std::string& text) {
  const std::size_t comma = text.find(',');
  const auto left = integer(text.substr(0, comma));
  const auto right = comma == std::string::npos ? std::nullopt : integer(text.substr(comma + 1));
  if (!left || !right) refuse(fmt::format("--window: '{}' is not LEFT,RIGHT, two integers from -1 on", text));
  return {*left, *right};
}

void check_numbers(const Options& options) {
  if (options.scale && !std::isfinite(*options.scale)) refuse("--scale: a finite number is expected");
  if (!std::isfinite(options.alpha) || !std::isfinite(options.beta))
    refuse("--alpha and --beta: finite numbers are expected");
  if (options.op == Op::attention) return;
  if (!options.c.empty() && options.beta == 0) refuse("--c is read only where --beta is given and not 0");
  if (options.beta != 0 && options.c.empty() && options.shapes.empty())
    refuse(fmt::format("--beta {}: give --c, the matrix that it multiplies", options.beta));
  if (!options.c.empty() && !options.shapes.empty()) refuse("--c: with --shape all matrices are random");
}

void check_outputs(const Options& options) {
  const auto files = written_files(options);
  for (auto file = files.begin(); file != files.end(); ++file) {
    const auto& [option, path] = *file;
    if (options.shapes.size() > 1 || !options.model.empty() || options.ways.size() > 1 ||
        options.ways[0] == "all")
      refuse(option + " takes the result of one shape by one way; name it with --way");
    if (option != "--out" && options.op == Op::gemm) refuse(option + " is an option of --op attention");
    for (auto other = files.begin(); other != file; ++other) {
      if (path != other->second) continue;
      refuse(fmt::format("{} and {}: ", other->first, option) +
             (path == "-" ? "standard output takes one of them; give the other one a file"
                          : fmt::format("'{}' takes one of them; give two files", path)));
    }
  }
}

void finish(Options& options, const Texts& texts, const CLI::App& command) {
  options.color = parse_word("--color", texts.color, kColors);
  if (options.command == Command::info) return;
  options.op = parse_word("--op", texts.op, kOps);
  options.cache = parse_word("--cache", texts.cache, kCaches);
  options.score_stage = parse_word("--score-stage", texts.score_stage, kScoreStages);
  options.layout = parse_word("--layout", texts.layout, kLayouts);
  if (!texts.dtype.empty()) options.dtype = parse_word("--dtype", texts.dtype, kDTypes);
  if (!texts.b_dtype.empty()) options.b_dtype = parse_word("--b-dtype", texts.b_dtype, kBDTypes);
  if (!texts.mask_dtype.empty()) options.mask_dtype = parse_word("--mask-dtype", texts.mask_dtype, kFloatTypes);
  if (!texts.out_dtype.empty()) options.out_dtype = parse_word("--out-dtype", texts.out_dtype, kFloatTypes);
  std::erase_if(options.tensors, [](const auto& tensor) { return tensor.second.empty(); });
  set_offset(options, "causal", texts.causal, options.causal);
  set_offset(options, "query_offset", texts.query_offset, options.query_offset);
  if (!texts.window.empty()) options.window = parse_window(texts.window);
  options.scale = texts.scale;
  options.softcap = texts.softcap;
  options.alpha = texts.alpha.value_or(1.0f);
  options.beta = texts.beta.value_or(0.0f);
  options.device = parse_device(texts.device);
  for (const std::string& shape : texts.shapes) options.shapes.push_back(parse_shape(shape, options.op));
  set_names(options, texts.names);
  set_ways(options, texts.way);
  set_rows(options, texts.rows);
  options.phase = texts.phase.empty() ? "prefill" : texts.phase;
  check_op(command, options.op);
  check_model(command, options, texts);
  check_inputs(options);
  check_numbers(options);
  check_outputs(options);
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

/// The command called `name`. Errors: invalid_argument that names those that there are.
CLI::App& command_of(CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](CLI::App* command) { return command->get_name() == name; });
  if (!found.empty()) return *found[0];
  const std::vector<std::string> names = command_names(app);
  refuse(fmt::format(
      "there is no command '{}'{}{}", name, suggestion(name, names),
      suggestion(name, names).empty() ? fmt::format("; there are {}", fmt::join(names, ", ")) : ""));
}

/// What help, version, manual and completion print.
std::string answer(const std::string& command, const std::string& topic) {
  Options options;
  Texts texts;
  const std::unique_ptr<CLI::App> app = make_app(options, texts);  // one that has parsed nothing
  if (command == "version") return app->version() + "\n";
  if (command == "manual") return manual_page(*app);
  if (command == "completion") return completion(*app, topic);
  return topic.empty() ? app->help() : command_of(*app, topic).help("flashtile");
}

/// An option or a word that no option takes. CLI11 only says which.
std::string unexpected(const CLI::App& command, const std::string& word) {
  if (!word.starts_with("-"))
    return fmt::format("'{}' is one word too many; flashtile help {} lists the options", word,
                       command.get_name());
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::string option = word.substr(0, word.find('='));
  return fmt::format("{}: {} has no such option{}", option, command.get_name(),
                     suggestion(option, names).empty()
                         ? fmt::format("; flashtile help {} lists them", command.get_name())
                         : suggestion(option, names));
}

std::variant<Options, Exit> parsed(CLI::App& app, Options& options, const Texts& texts,
                                   const std::vector<std::string>& arguments) {
  const std::map<std::string, Command> commands{{"info", Command::info},
                                                {"run", Command::run},
                                                {"check", Command::check},
                                                {"bench", Command::bench},
                                                {"explain", Command::explain}};
  if (arguments.empty()) refuse(fmt::format("a command is expected: {}", fmt::join(command_names(app), ", ")));
  CLI::App* command = arguments[0].starts_with("-") ? nullptr : &command_of(app, arguments[0]);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
    if (command == nullptr) refuse(fmt::format("a command is expected before {}", arguments[0]));
    const auto found = commands.find(command->get_name());
    if (found == commands.end()) return Exit{kDone, answer(command->get_name(), texts.topic), ""};
    if (options.models) return Exit{kDone, list_of_models(), ""};
    options.command = found->second;
    finish(options, texts, *command);
    return options;
  } catch (const CLI::ExtrasError&) {
    const CLI::App& where = command == nullptr ? app : *command;
    const std::vector<std::string> words = where.remaining();
    refuse(unexpected(where, words.empty() ? arguments[0] : words[0]));
  } catch (const CLI::ParseError& stop) {
    if (stop.get_exit_code() != 0) refuse(stop.what());
    std::ostringstream out;
    app.exit(stop, out, out);
    return Exit{kDone, out.str(), ""};
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> written_files(const Options& options) {
  std::vector<std::pair<std::string, std::string>> files;
  if (!options.out.empty()) files.emplace_back("--out", options.out);
  if (!options.lse.empty()) files.emplace_back("--lse", options.lse);
  if (!options.scores.empty()) files.emplace_back("--scores", options.scores);
  return files;
}

std::string option_of(std::string tensor) {
  std::replace(tensor.begin(), tensor.end(), '_', '-');
  return "--" + tensor;
}

const char* name(Op op) { return op == Op::attention ? "attention" : "gemm"; }

std::vector<std::int64_t> parse_shape(const std::string& text, Op op) {
  std::vector<std::int64_t> sizes;
  const char* at = text.data();
  const char* const end = at + text.size();
  const char* const form = op == Op::attention ? "B,Hq,Hkv,Lq,Lkv,D or B,Hq,Hkv,Lq,Lkv,D,Dv" : "M,N,K";
  const auto fail = [&] { refuse(fmt::format("--shape: '{}' is not {}", text, form)); };
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

std::variant<Options, Exit> parse_arguments(const std::vector<std::string>& arguments) {
  Options options;
  Texts texts;
  const std::unique_ptr<CLI::App> app = make_app(options, texts);
  try {
    return parsed(*app, options, texts, arguments);
  } catch (const Error& mistake) {
    return Exit{kUsage, "", std::string(mistake.what()) + "\n"};
  }
}

}  // namespace flashtile::cli
