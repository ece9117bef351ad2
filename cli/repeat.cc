// The line that repeats a case, for a note beside a wrong result.
#include <fmt/format.h>

#include <cstdlib>

#include "cli/words.h"

namespace flashtile::cli {
namespace {

/// As a shell takes it for one word.
std::string quoted(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./%@";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

/// A file whose name begins with a dash must not look like an option; "-" alone is standard input.
std::string file_word(const std::string& path) {
  return quoted(path.size() > 1 && path[0] == '-' ? "./" + path : path);
}

}  // namespace

std::string command_line(const Options& options, const std::vector<std::int64_t>& shape,
                         const std::string& way) {
  std::string text;
  for (const char* variable : {"FLASHTILE_MAX_ISA", "FLASHTILE_THREADS"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') text += fmt::format("{}={} ", variable, quoted(value));
  }
  text += "flashtile check";
  const auto add = [&](const char* option, const std::string& value) {
    text += fmt::format(" {} {}", option, value);
  };
  if (options.op == Op::gemm) add("--op", "gemm");
  if (!options.file.empty()) text += " " + file_word(options.file);
  const std::pair<const char*, const std::string*> files[] = {
      {"--q", &options.q}, {"--k", &options.k}, {"--v", &options.v},       {"--a", &options.a},
      {"--b", &options.b}, {"--c", &options.c}, {"--mask", &options.mask}, {"--bias", &options.bias}};
  for (const auto& [option, file] : files) {
    if (!file->empty()) add(option, file_word(*file));
  }
  for (const auto& [tensor, file] : options.tensors) add(option_of(tensor).c_str(), file_word(file));
  if (options.q_block != 0) add("--q-block", std::to_string(options.q_block));
  if (options.kv_block != 0) add("--kv-block", std::to_string(options.kv_block));
  if (!options.names.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [name, stored] : options.names) pairs.push_back(fmt::format("{}={}", name, stored));
    add("--names", quoted(fmt::format("{}", fmt::join(pairs, ","))));
  }
  if (!options.shapes.empty()) {
    add("--shape", fmt::format("{}", fmt::join(shape, ",")));
    add("--seed", std::to_string(options.seed));
  }
  if (options.v_in_k) text += " --v-in-k";
  if (options.dtype) add("--dtype", name(*options.dtype));
  if (options.b_dtype) add("--b-dtype", name(*options.b_dtype));
  if (options.mask_dtype) add("--mask-dtype", name(*options.mask_dtype));
  if (options.out_dtype) add("--out-dtype", name(*options.out_dtype));
  if (options.layout != Layout::bhsd) add("--layout", spelling(kLayouts, options.layout));
  const auto spelled = [](const QueryOffset& offset) {
    const auto* number = std::get_if<std::int64_t>(&offset);
    return number != nullptr ? std::to_string(*number) : spelling(kCorners, std::get<CausalCorner>(offset));
  };
  if (options.causal) add("--causal", spelled(*options.causal));
  if (options.query_offset) add("--query-offset", spelled(*options.query_offset));
  if (options.window) add("--window", fmt::format("{},{}", options.window->left, options.window->right));
  if (options.scale) add("--scale", fmt::format("{}", *options.scale));
  if (options.softcap) add("--softcap", fmt::format("{}", *options.softcap));
  if (options.alpha != 1) add("--alpha", fmt::format("{}", options.alpha));
  if (options.beta != 0) add("--beta", fmt::format("{}", options.beta));
  if (options.device != Device::cpu()) add("--device", flashtile::name(options.device));
  if (options.threads > 0) add("--threads", std::to_string(options.threads));
  add("--way", way);
  return text;
}

}  // namespace flashtile::cli
