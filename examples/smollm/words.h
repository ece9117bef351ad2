// How SmolLM2's tokenizer splits a text before it looks for tokens.
#pragma once

#include <string_view>
#include <vector>

namespace smollm {

/// Each digit is a word. So is a run of letters, or of marks, with a space before it; a clitic such as 's; and
/// a run of white space, but for a space that belongs to what follows. Of characters beyond ASCII all count as
/// letters but the common marks, numbers and spaces; of rarer ones the original, which has Unicode's tables,
/// may make other words, of the same bytes.
std::vector<std::string_view> words(std::string_view text);

}  // namespace smollm
