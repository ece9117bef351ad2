// Any words through the command line's parser: the words of the input are divided by newlines.
// Nothing may leave the parser but options or an exit; and the command line that repeats a case must
// be one that the parser takes.
#include "cli/arguments.h"

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
  const std::string text = cli::command_line(options, options.shapes[0], "auto");
  if (text.find('\'') != std::string::npos) return 0;  // only a shell reads quotes
  std::istringstream line(text);
  std::vector<std::string> again;
  for (std::string word; line >> word;) again.push_back(word);
  again.erase(again.begin());
  if (!std::holds_alternative<cli::Options>(cli::parse_arguments(again))) std::abort();
  return 0;
}
