#include "cli/words.h"

#include <numeric>

namespace flashtile::cli {
namespace {

/// The fewest insertions, deletions, replacements and swaps of neighbours that make one word of the other. Source:
/// Damerau 1964, each letter changed once at most.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  std::iota(cost[0].begin(), cost[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

/// What other programs call a type or a mask.
const Words<std::string> kOtherNames{
    {"float32", "f32"}, {"float", "f32"},   {"fp32", "f32"},      {"float16", "f16"},   {"half", "f16"},
    {"fp16", "f16"},    {"bfloat", "bf16"}, {"bfloat16", "bf16"}, {"int8", "i8"},       {"uint8", "u8"},
    {"i4", "int4"},     {"u4", "uint4"},    {"matmul", "gemm"},   {"sdpa", "attention"}};

}  // namespace

std::string suggestion(const std::string& word, const std::vector<std::string>& words) {
  constexpr std::size_t kLongest = 40;  // nobody mistypes one word for much more
  const auto known = [&](const std::string& name) {
    return std::find(words.begin(), words.end(), name) != words.end();
  };
  const auto said = [](const std::string& name) { return fmt::format("; did you mean '{}'?", name); };
  if (const auto other = kOtherNames.find(word); other != kOtherNames.end() && known(other->second))
    return said(other->second);
  if (words.empty() || word.size() > kLongest) return "";
  const auto nearest = std::min_element(words.begin(), words.end(), [&](const auto& a, const auto& b) {
    return distance(word, a) < distance(word, b);
  });
  const std::size_t most = word.size() < 4 ? 1 : 2;
  return distance(word, *nearest) <= most ? said(*nearest) : "";
}

}  // namespace flashtile::cli
