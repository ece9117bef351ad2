// Any words through the command line's parser: the words of the input are divided by newlines.
// Nothing may leave the parser but options or an exit; and the command line that repeats a case must
// be one that the parser takes.
#include "cli/arguments.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "flashtile/error.h"

namespace cli = flashtile::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream stream(std::string(reinterpret_cast<const char*>(data), size));
  std::vector<std::string> words;
  for (std::string word; std::getline(stream, word);) words.push_back(word);

  for (const cli::Op op : {cli::Op::attention, cli::Op::gemm}) {
    try {
      const std::size_t sizes = cli::parse_shape(words.empty() ? "" : words.back(), op).size();
      if (sizes != (op == cli::Op::attention ? 7u : 3u)) std::abort();
    } catch (const flashtile::Error& error) {
      if (error.code() != flashtile::ErrorCode::invalid_argument) std::abort();
    }
  }

  const auto parsed = cli::parse_arguments(words);
  if (const cli::Exit* exit = std::get_if<cli::Exit>(&parsed)) {
    if (exit->code != cli::kDone && (exit->code != cli::kUsage || exit->error.empty())) std::abort();
    return 0;
  }
  const cli::Options& options = std::get<cli::Options>(parsed);
  if (options.command == cli::Command::info || options.shapes.empty()) return 0;
  std::istringstream line(cli::command_line(options, options.shapes[0], "auto"));
  const bool plain = std::none_of(options.mask.begin(), options.mask.end(),
                                  [](char c) { return c == '-' || static_cast<unsigned char>(c) <= ' '; });
  if (!plain) return 0;  // such a file name would need quotes
  std::vector<std::string> again;
  for (std::string word; line >> word;) again.push_back(word);
  again.erase(again.begin());
  if (!std::holds_alternative<cli::Options>(cli::parse_arguments(again))) std::abort();
  return 0;
}
