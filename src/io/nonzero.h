// Integers of a file as a boolean mask. The readers of .npy and .safetensors call it.
#pragma once

#include <cstddef>

#include "flashtile/tensor.h"

namespace flashtile::io {

/// u8 of `shape`: 1 where any byte of an element is set, of elements of `element` bytes that follow each other.
Tensor nonzero(const Tensor& bytes, std::size_t element, const Dims& shape);

}  // namespace flashtile::io
