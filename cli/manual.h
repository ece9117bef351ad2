// The manual page and the shells' completions, made from what CLI11 knows of the commands and options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace flashtile::cli {

/// The page in man's own format (section 1).
std::string manual_page(const CLI::App& app);

/// What bash, zsh or fish reads to complete words of the command line. Errors: invalid_argument for another shell.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace flashtile::cli
