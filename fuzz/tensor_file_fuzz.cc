// Any bytes as a tensor file of a format that its first bytes tell, or as a file of another kind.
#include "src/io/tensor_file.h"

#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::read_all(flashtile::io::open_tensor_file, data, size);
  return 0;
}
