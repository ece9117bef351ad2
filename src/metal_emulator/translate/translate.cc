#include "src/metal_emulator/translate/translate.h"

#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {

void Translator::run() {
  scan(0, tokens_.size(), {});
  take_attributes(0, tokens_.size());
  replace_is_defined();
  replace_array_ranges();
  replace_words();
  mark_regions();
}

std::string translate(const std::string& preprocessed, const std::string& instance) {
  Translator translator(preprocessed, instance);
  translator.run();
  return "#define METAL_SWIZZLES(X) " + translator.swizzles() + "\n#include \"metal_emulator.h\"\n" +
         translator.text() + translator.kernel_table();
}

}  // namespace flashtile::metal_emulator
