#include "src/io/nonzero.h"

#include <algorithm>

namespace flashtile::io {

Tensor nonzero(const Tensor& bytes, std::size_t element, const Dims& shape) {
  Tensor mask(DType::u8, shape);
  const std::uint8_t* at = bytes.as<std::uint8_t>();
  for (std::int64_t i = 0; i < mask.size(); ++i, at += element)
    mask.as<std::uint8_t>()[i] =
        std::any_of(at, at + element, [](std::uint8_t byte) { return byte != 0; }) ? 1 : 0;
  return mask;
}

}  // namespace flashtile::io
