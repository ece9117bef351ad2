// Text in lines that fit a terminal.
#pragma once

#include <string>
#include <vector>

namespace flashtile::cli {

inline constexpr std::size_t kColumns = 80;

/// Words in lines of at most `columns`, a longer word in a line of its own; lines after the first are indented.
std::vector<std::string> wrapped(const std::string& text, std::size_t columns = kColumns,
                                 std::size_t indent = 2);

}  // namespace flashtile::cli
