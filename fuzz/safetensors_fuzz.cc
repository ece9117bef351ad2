// Any bytes through the .safetensors reader.
#include "src/io/safetensors.h"

#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::read_all(flashtile::io::open_safetensors, data, size);
  return 0;
}
