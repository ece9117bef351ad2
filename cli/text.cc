#include "cli/text.h"

#include <sstream>

namespace flashtile::cli {

std::vector<std::string> wrapped(const std::string& text, std::size_t columns, std::size_t indent) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (lines.empty()) {
      lines.push_back(word);
    } else if (lines.back().size() + 1 + word.size() > columns) {
      lines.push_back(std::string(indent, ' ') + word);
    } else {
      lines.back() += " " + word;
    }
  }
  return lines;
}

}  // namespace flashtile::cli
