// Any bytes through the .npz reader.
#include "src/io/npz.h"

#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::read_all(flashtile::io::open_npz, data, size);
  return 0;
}
