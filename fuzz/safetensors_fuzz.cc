// Any bytes through the .safetensors reader.
#include "src/io/safetensors.h"

#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::read_all(
      [](std::unique_ptr<flashtile::io::Source> source) {
        return flashtile::io::open_safetensors(std::move(source));
      },
      data, size);
  return 0;
}
