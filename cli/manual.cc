#include "cli/manual.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <vector>

#include "cli/words.h"

namespace flashtile::cli {
namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// Text as roff takes it: dashes that can be copied, no line that looks like a request, paragraphs apart.
std::string roff(const std::string& text) {
  std::istringstream lines(replaced(replaced(text, "\\", "\\e"), "-", "\\-"));
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  "))  // an example
      result += ".br\n";
    else if (line.starts_with('.') || line.starts_with('\''))
      result += "\\&";
    result += (line.empty() ? ".PP" : line) + "\n";
  }
  return result;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return names;
}

/// "--seed N", or "FILE" for what is told by its place.
std::string usage(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  const std::string type = option.get_items_expected_max() == 0 ? "" : " " + option.get_type_name();
  return option.get_name() + type;
}

/// The long options of a command.
std::vector<std::string> words_of(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

/// What may follow an option, where that is a word.
std::vector<std::pair<std::string, std::string>> choices() {
  const auto list = [](const auto& words) {
    std::vector<std::string> names;
    names.reserve(words.size());
    for (const auto& [name, value] : words) names.push_back(name);
    return fmt::format("{}", fmt::join(names, " "));
  };
  return {{"--op", list(kOps)},
          {"--dtype", list(kDTypes)},
          {"--b-dtype", list(kBDTypes)},
          {"--mask-dtype", list(kFloatTypes)},
          {"--out-dtype", list(kFloatTypes)},
          {"--layout", list(kLayouts)},
          {"--causal", list(kCorners)},
          {"--query-offset", list(kCorners)},
          {"--cache", list(kCaches)},
          {"--score-stage", list(kScoreStages)},
          {"--color", list(kColors)},
          {"--rows", "all"},
          {"--way", "auto all"},
          {"--device", "cpu cuda"}};
}

std::string bash(const CLI::App& app) {
  std::string cases, values;
  for (const CLI::App* command : commands_of(app))
    cases += fmt::format("    {}) words='{}' ;;\n", command->get_name(), fmt::join(words_of(*command), " "));
  for (const auto& [option, words] : choices()) values += fmt::format("    {}) words='{}' ;;\n", option, words);
  return fmt::format(R"(# Completion of flashtile's command line for bash.
_flashtile() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{0} --help --version' -- "$word"))
    return
  fi
  case $before in
{1}    help) words='{0}' ;;
    completion) words='bash zsh fish' ;;
  esac
  if [ -z "$words" ] && [[ $word == -* ]]; then
    case ${{COMP_WORDS[1]}} in
{2}    esac
  fi
  [ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _flashtile flashtile
)",
                     fmt::join(names_of(app), " "), values, cases);
}

std::string zsh(const CLI::App& app) {
  std::string cases, values;
  for (const CLI::App* command : commands_of(app))
    cases += fmt::format("  {}) compadd -- {} ;;\n", command->get_name(), fmt::join(words_of(*command), " "));
  for (const auto& [option, words] : choices())
    values += fmt::format("  {}) compadd -- {}; return ;;\n", option, words);
  return fmt::format(R"(#compdef flashtile
# Completion of flashtile's command line for zsh.
if (( CURRENT == 2 )); then
  compadd -- {0} --help --version
  return
fi
case ${{words[CURRENT-1]}} in
{1}  help) compadd -- {0}; return ;;
  completion) compadd -- bash zsh fish; return ;;
esac
[[ $PREFIX == -* ]] || {{ _files; return; }}
case ${{words[2]}} in
{2}esac
)",
                     fmt::join(names_of(app), " "), values, cases);
}

std::string fish(const CLI::App& app) {
  std::string text = "# Completion of flashtile's command line for fish.\n";
  const auto about = [](const std::string& words) {
    return "'" + replaced(replaced(words, "\\", "\\\\"), "'", "\\'") + "'";
  };
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    text += fmt::format("complete -c flashtile -n __fish_use_subcommand -x -a {} -d {}\n", name,
                        about(command->get_description()));
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& word : option->get_lnames()) {
        text +=
            fmt::format("complete -c flashtile -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n", name, word,
                        option->get_items_expected_max() == 0 ? "" : " -r", about(option->get_description()));
      }
    }
  }
  for (const auto& [option, words] : choices())
    text += fmt::format("complete -c flashtile -l {} -x -a '{}'\n", option.substr(2), words);
  return text;
}

}  // namespace

std::string manual_page(const CLI::App& app) {
  std::string page =
      fmt::format(".TH FLASHTILE 1 \"\" \"{}\"\n.SH NAME\nflashtile \\- exact attention and matrix products\n",
                  app.version());
  page += ".SH SYNOPSIS\n.B flashtile\n.I COMMAND\n[options]\n.SH DESCRIPTION\n" + roff(app.get_description());
  for (const CLI::App* command : commands_of(app)) {
    page += fmt::format(".SH \"FLASHTILE {}\"\n{}", command->get_name(), roff(command->get_description()));
    for (const CLI::Option* option : command->get_options())
      page += fmt::format(".TP\n\\fB{}\\fR\n{}", replaced(usage(*option), "-", "\\-"),
                          roff(option->get_description()));
    if (!command->get_footer().empty()) page += ".PP\n" + roff(command->get_footer());
  }
  return page + ".SH NOTES\n" + roff(app.get_footer());
}

std::string completion(const CLI::App& app, const std::string& shell) {
  const Words<std::function<std::string(const CLI::App&)>> shells{{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
  return parse_word("completion", shell, shells)(app);
}

}  // namespace flashtile::cli
