// NumPy's .npz format: a zip archive of .npy members, stored or deflated, zip64 included.
#pragma once

#include <memory>
#include <ostream>
#include <span>

#include "src/io/tensor_file.h"

namespace flashtile::io {

/// Reads the archive's directory. Members not called NAME.npy are ignored, but one must be. Each read checks sizes and CRC-32.
/// Errors: bad_file.
std::unique_ptr<TensorFile> open_npz(std::unique_ptr<Source> source, const ReadOptions& options = {});

/// Writes stored members. Errors: invalid_argument for a type that .npy lacks, for a duplicate
/// name, or for 4 GiB and more.
void write_npz(std::ostream& out, std::span<const NamedView> tensors);

}  // namespace flashtile::io
