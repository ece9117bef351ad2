// Any bytes through the .gguf reader.
#include "src/io/gguf.h"

#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::read_all(flashtile::io::open_gguf, data, size);
  return 0;
}
