#include "examples/smollm/words.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace smollm {
namespace {

enum class Kind { letter, number, space, mark };

struct Range {
  std::uint32_t first, last;
  Kind kind;
};
/// Beyond ASCII; what is in none of them is a letter.
constexpr Range kRanges[] = {
    {0x80, 0x84, Kind::mark},       {0x85, 0x85, Kind::space},      {0x86, 0x9f, Kind::mark},
    {0xa0, 0xa0, Kind::space},      {0xa1, 0xa9, Kind::mark},       {0xab, 0xb1, Kind::mark},
    {0xb2, 0xb3, Kind::number},     {0xb4, 0xb4, Kind::mark},       {0xb6, 0xb8, Kind::mark},
    {0xb9, 0xb9, Kind::number},     {0xbb, 0xbb, Kind::mark},       {0xbc, 0xbe, Kind::number},
    {0xbf, 0xbf, Kind::mark},       {0xd7, 0xd7, Kind::mark},       {0xf7, 0xf7, Kind::mark},
    {0x300, 0x36f, Kind::mark},     {0x660, 0x669, Kind::number},   {0x6f0, 0x6f9, Kind::number},
    {0x966, 0x96f, Kind::number},   {0x1680, 0x1680, Kind::space},  {0x2000, 0x200a, Kind::space},
    {0x200b, 0x2027, Kind::mark},   {0x2028, 0x2029, Kind::space},  {0x202a, 0x202e, Kind::mark},
    {0x202f, 0x202f, Kind::space},  {0x2030, 0x205e, Kind::mark},   {0x205f, 0x205f, Kind::space},
    {0x2060, 0x206f, Kind::mark},   {0x2070, 0x2070, Kind::number}, {0x2074, 0x2079, Kind::number},
    {0x207a, 0x207e, Kind::mark},   {0x2080, 0x2089, Kind::number}, {0x208a, 0x208e, Kind::mark},
    {0x20a0, 0x20f0, Kind::mark},   {0x2150, 0x2182, Kind::number}, {0x2190, 0x245f, Kind::mark},
    {0x2460, 0x249b, Kind::number}, {0x249c, 0x24e9, Kind::mark},   {0x24ea, 0x24ff, Kind::number},
    {0x2500, 0x2775, Kind::mark},   {0x2776, 0x2793, Kind::number}, {0x2794, 0x2bff, Kind::mark},
    {0x3000, 0x3000, Kind::space},  {0x3001, 0x3004, Kind::mark},   {0x3008, 0x3020, Kind::mark},
    {0xe000, 0xf8ff, Kind::mark},   {0xfe00, 0xfe6f, Kind::mark},   {0xff01, 0xff0f, Kind::mark},
    {0xff10, 0xff19, Kind::number}, {0xff1a, 0xff20, Kind::mark},   {0xff3b, 0xff40, Kind::mark},
    {0xff5b, 0xff65, Kind::mark},   {0xfffd, 0xfffd, Kind::mark},   {0x1f000, 0x1faff, Kind::mark}};

Kind kind_of(std::uint32_t character) {
  const auto between = [&](char first, char last) {
    return character >= static_cast<std::uint32_t>(first) && character <= static_cast<std::uint32_t>(last);
  };
  if (character < 0x80) {
    if (between('a', 'z') || between('A', 'Z')) return Kind::letter;
    if (between('0', '9')) return Kind::number;
    return character == ' ' || between('\t', '\r') ? Kind::space : Kind::mark;
  }
  const auto* range =
      std::find_if(std::begin(kRanges), std::end(kRanges), [&](const Range& r) { return character <= r.last; });
  return range != std::end(kRanges) && character >= range->first ? range->kind : Kind::letter;
}

struct Character {
  Kind kind;
  std::size_t begin, end;  // bytes of the text
};

/// UTF-8; a byte that does not belong there is a mark.
std::vector<Character> characters(std::string_view text) {
  std::vector<Character> found;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t bytes = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    std::uint32_t value = bytes < 2 ? lead : lead & (0x7fu >> bytes);
    bool whole = bytes > 0 && bytes <= text.size() - at;
    for (std::size_t i = 1; whole && i < bytes; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      whole = (next & 0xc0) == 0x80;
      value = value << 6 | (next & 0x3fu);
    }
    const std::size_t end = at + (whole ? bytes : 1);
    found.push_back({whole ? kind_of(value) : Kind::mark, at, end});
    at = end;
  }
  return found;
}

constexpr std::array<std::string_view, 7> kClitics = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

}  // namespace

std::vector<std::string_view> words(std::string_view text) {
  const std::vector<Character> all = characters(text);
  std::vector<std::string_view> found;
  const auto kind_is = [&](std::size_t i, Kind kind) { return i < all.size() && all[i].kind == kind; };
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i + 1;
    const std::string_view rest = text.substr(all[i].begin);
    const auto* clitic =
        std::find_if(kClitics.begin(), kClitics.end(), [&](auto c) { return rest.starts_with(c); });
    const bool space = rest[0] == ' ';
    if (clitic != kClitics.end()) {
      end = i + clitic->size();
    } else if (const std::size_t start = i + (space ? 1 : 0);
               kind_is(start, Kind::letter) || kind_is(start, Kind::mark)) {
      end = start;
      while (kind_is(end, all[start].kind)) ++end;
    } else if (all[i].kind == Kind::space) {
      while (kind_is(end, Kind::space)) ++end;
      // The last one is left for what follows, unless that is a digit, which is always alone.
      if (end < all.size() && all[end].kind != Kind::number && end - i > 1) --end;
    }
    found.push_back(text.substr(all[i].begin, all[end - 1].end - all[i].begin));
    i = end;
  }
  return found;
}

}  // namespace smollm
