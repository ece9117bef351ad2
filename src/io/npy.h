// NumPy's .npy format, versions 1 to 3.
#pragma once

#include <ostream>
#include <string>

#include "flashtile/tensor.h"
#include "src/io/source.h"
#include "src/io/tensor_file.h"

namespace flashtile::io {

inline constexpr char kNpyMagic[] = "\x93NUMPY";  // six bytes

/// The array of a whole .npy source, which is read once from front to back. Fortran order and big-endian data
/// come out row-major and native. bool is u8, bfloat16 (ml_dtypes) is bf16. Errors: bad_file.
Tensor read_npy(Source& source, const ReadOptions& options = {});

/// Header and data of a .npy 1.0 array. Errors: invalid_argument for a type that .npy lacks.
void write_npy(std::ostream& out, const TensorView& view);

/// How many bytes write_npy writes.
std::uint64_t npy_size(const TensorView& view);

}  // namespace flashtile::io
