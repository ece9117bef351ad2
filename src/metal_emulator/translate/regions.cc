// Markers around statements that contain a collective, by which the emulator knows which of two threads is behind the other.
// Statements without one stay as they are.
#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {
namespace {

bool has_prefix(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

/// A function of Metal's own that threads must reach together.
bool is_collective(const std::string& name) {
  static const std::set<std::string> names{"threadgroup_barrier", "simdgroup_barrier", "run", "reduce_rows",
                                           "reduce_columns"};
  return names.count(name) > 0 || has_prefix(name, "simd_") || has_prefix(name, "quad_") ||
         has_prefix(name, "__metal_simd_") || has_prefix(name, "__metal_quad_") ||
         has_prefix(name, "simdgroup_multiply");
}

const char* const kRegion = "::metal_device::Region metal_region";

}  // namespace

/// Whether tokens [begin, end) call a collective, directly or through a function of the file.
bool Translator::speaks(int begin, int end) const {
  for (int p = begin; p < end; ++p) {
    if (tokens_.removed(p) || !(tokens_.is(p + 1, "(") || tokens_.is(p + 1, "<"))) continue;
    if (is_collective(tokens_[p]) || collective_names_.count(tokens_[p]) > 0) return true;
  }
  return false;
}

void Translator::mark_regions() {
  for (bool more = true; more;) {  // until no further function is found to contain one
    more = false;
    for (const FunctionBody& body : bodies_) {
      if (collective_names_.count(body.name) > 0 || !speaks(body.open, body.close)) continue;
      collective_names_.insert(body.name);
      more = true;
    }
  }
  for (const FunctionBody& body : bodies_)
    if (!tokens_.removed(body.open) && speaks(body.open, body.close)) mark_body(body);
}

int Translator::past_statement(int p) const {
  const Tokens& t = tokens_;
  if (t.is(p, "{")) return t.past(p);
  if (t.is(p, "if") || t.is(p, "for") || t.is(p, "while") || t.is(p, "switch")) {
    const int condition = t.is(p + 1, "constexpr") ? p + 2 : p + 1;
    const int past = past_statement(t.past(condition));
    return t.is(p, "if") && t.is(past, "else") ? past_statement(past + 1) : past;
  }
  if (t.is(p, "do")) return t.past(past_statement(p + 1) + 1) + 1;  // while ( ... ) ;
  while (p < t.size() && !t.is(p, ";")) p = t.past(p);
  return p + 1;
}

void Translator::mark_body(const FunctionBody& body) {
  tokens_.insert_after(body.open, std::string(" ") + kRegion + "(false);");
  std::set<int> ends_of_do;  // their `while` begins no loop
  for (int p = body.open + 1; p < body.close; ++p) {
    const std::string& keyword = tokens_[p];
    const bool is_if = keyword == "if", is_do = keyword == "do";
    const bool is_loop = is_do || keyword == "for" || keyword == "while";
    if (tokens_.removed(p) || !(is_if || is_loop || keyword == "switch") || ends_of_do.count(p) > 0) continue;
    if (is_if && tokens_.is(p + 1, "constexpr")) continue;  // every thread goes the same way
    if (is_do) ends_of_do.insert(past_statement(p + 1));
    if (!speaks(p, past_statement(p))) continue;
    if (is_loop) mark_loop(p, is_do ? past_statement(p + 1) + 1 : p + 1);
    // `if (...; true)` keeps what break and continue mean, `switch (...) default:` keeps to which if an else belongs.
    tokens_.insert_before(p, is_if || keyword == "switch"
                                 ? std::string("if (") + kRegion + "; true) "
                                 : std::string("switch (") + kRegion + "; 0) default: ");
  }
}

/// Counts the loop's rounds in its condition.
void Translator::mark_loop(int keyword, int condition) {
  const int close = tokens_.match(condition);
  if (!tokens_.is(keyword, "for")) {
    tokens_.insert_after(condition, "::metal_device::iterate() && (");
    tokens_.insert_before(close, ")");
    return;
  }
  std::vector<int> semicolons;
  for (int p = condition + 1; p < close; p = tokens_.past(p))
    if (tokens_.is(p, ";")) semicolons.push_back(p);
  if (semicolons.size() != 2)
    tokens_.fail(keyword, "a for over a range around a barrier or a simd_ function; write it with an index");
  if (semicolons[1] == semicolons[0] + 1) {
    tokens_.insert_after(semicolons[0], " ::metal_device::iterate()");
  } else {
    tokens_.insert_after(semicolons[0], " ::metal_device::iterate() && (");
    tokens_.insert_before(semicolons[1], ")");
  }
}

}  // namespace flashtile::metal_emulator
