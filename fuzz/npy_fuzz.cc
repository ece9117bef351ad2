// Any bytes through the .npy reader; what can be read must survive being written and read again.
#include "src/io/npy.h"

#include <cstring>

#include "fuzz/reader.h"

using flashtile::Tensor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashtile::fuzz::expect_bad_file_at_most([&] {
    const flashtile::io::ReadOptions options{.two_bytes_are_bf16 = true};
    const Tensor tensor = flashtile::io::read_npy(
        *flashtile::io::memory_source(std::as_bytes(std::span(data, size)), "fuzz"), options);
    flashtile::fuzz::touch(tensor);
    std::ostringstream out;
    flashtile::io::write_npy(out, tensor);
    const std::string text = out.str();
    const Tensor again = flashtile::io::read_npy(
        *flashtile::io::memory_source(std::as_bytes(std::span(text)), "again"), options);
    const bool same =
        again.dtype() == tensor.dtype() && again.shape() == tensor.shape() &&
        (tensor.size_bytes() == 0 || std::memcmp(again.data(), tensor.data(), tensor.size_bytes()) == 0);
    if (!same) std::abort();
  });
  return 0;
}
