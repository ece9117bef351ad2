// Any bytes through the .npz reader.
#include "src/io/npz.h"

#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::read_all(
      [](std::unique_ptr<flashtile::io::Source> source) {
        return flashtile::io::open_npz(std::move(source),
                                       {.max_inflated_bytes = flashtile::fuzz::kMaxInflatedBytes});
      },
      data, size);
  return 0;
}
