// T a[n] = { [0 ... n - 1] = value }; which the compiler that knows C++ alone does not take.
#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {

/// Past `[first ... last]`, at whose dots `dots` then is; -1 for other brackets, such as those of a lambda.
int Translator::past_range(int bracket, int& dots) const {
  if (!tokens_.is(bracket, "[")) return -1;
  for (dots = bracket; dots < tokens_.match(bracket); ++dots)
    if (tokens_.is(dots, "...") && tokens_.is(tokens_.match(bracket) + 1, "="))
      return tokens_.match(bracket) + 1;
  return -1;
}

/// Ranges of an initialiser become calls after it: T a[n] = {}; fill_range(a, 0, n - 1, value);
void Translator::replace_array_ranges() {
  const Tokens& t = tokens_;
  for (int p = 0, dots = 0; p < t.size(); ++p) {
    if (!t.is(p, "=") || !t.is(p + 1, "{") || tokens_.removed(p) || past_range(p + 2, dots) < 0) continue;
    const int close = t.match(p + 1);
    int name = p - 1;
    while (t.is(name, "]")) name = t.match(name) - 1;
    tokens_.replace(p + 1, "{};");
    for (int q = p + 2; q < close;) {
      const int equals = past_range(q, dots);
      if (equals < 0 || !t.is_word(name) || !t.is(close + 1, ";"))
        tokens_.fail(q, "an initialiser that mixes ranges with other forms; fill the array with a loop");
      tokens_.replace(q, " ::metal_device::fill_range(" + t[name] + ", ");
      tokens_.replace(dots, ",");
      tokens_.replace(equals - 1, ",");
      tokens_.replace(equals, "");
      for (q = equals + 1; q < close && !t.is(q, ",");) q = t.past(q);
      if (q < close) tokens_.replace(q++, ");");
    }
    tokens_.replace(close, t.is(close - 1, ",") ? "" : ")");
  }
}

}  // namespace flashtile::metal_emulator
