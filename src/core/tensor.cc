#include "flashtile/tensor.h"

#include <algorithm>

#include "src/core/checked.h"

namespace flashtile::inline v0_2 {

Dims::Dims(std::span<const std::int64_t> values) : rank_(static_cast<int>(values.size())) {
  if (values.size() > kMaxRank) {
    throw Error(ErrorCode::invalid_argument, "tensor: rank is " + std::to_string(values.size()) + "; at most " +
                                                 std::to_string(kMaxRank) + " is supported");
  }
  std::copy(values.begin(), values.end(), values_.begin());
}

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (int i = 0; i < dims.rank(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + (dims.rank() == 1 ? ",)" : ")");
}

std::int64_t element_count(const Dims& shape) {
  for (const std::int64_t size : shape) {
    if (size < 0)
      throw Error(ErrorCode::invalid_argument, "tensor: shape " + to_string(shape) + " has a negative size");
  }
  // A zero anywhere makes the tensor empty, however large the other sizes are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count = core::checked_multiply(count, size, "tensor: element count");
  return count;
}

Dims packed_strides(const Dims& shape) {
  element_count(shape);
  Dims strides = shape;
  std::int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = stride;
    // Past 64 bits only where another size is 0, and nobody reads strides.
    if (__builtin_mul_overflow(stride, std::max<std::int64_t>(shape[i], 1), &stride)) stride = 0;
  }
  return strides;
}

TensorView TensorView::permuted(const Dims& order) const {
  TensorView result = *this;
  bool seen[kMaxRank] = {};
  for (int i = 0; i < order.rank() && order.rank() == rank(); ++i) {
    const std::int64_t from = order[i];
    if (from < 0 || from >= rank() || seen[from]) break;
    seen[from] = true;
    result.shape[i] = shape[static_cast<int>(from)];
    result.strides[i] = strides[static_cast<int>(from)];
  }
  if (order.rank() != rank() || std::count(seen, seen + rank(), true) != rank()) {
    throw Error(ErrorCode::invalid_argument, "permuted: order " + to_string(order) +
                                                 " is not a permutation of the " + std::to_string(rank()) +
                                                 " dimensions of " + to_string(shape));
  }
  return result;
}

TensorView TensorView::sliced(int dimension, std::int64_t begin, std::int64_t end) const {
  if (dimension < 0 || dimension >= rank() || begin < 0 || end < begin || end > shape[dimension]) {
    throw Error(ErrorCode::invalid_argument, "sliced: [" + std::to_string(begin) + ", " + std::to_string(end) +
                                                 ") of dimension " + std::to_string(dimension) +
                                                 " is not inside " + to_string(shape));
  }
  TensorView result = *this;
  result.shape[dimension] = end - begin;
  if (begin == end || data == nullptr) return result;  // nobody reads it
  const std::int64_t offset = core::checked_multiply(begin, strides[dimension], "sliced: offset");
  const Block block = block_of(dtype);
  if (offset % block.elements != 0) {
    throw Error(
        ErrorCode::invalid_argument,
        block.elements == 2
            ? "sliced: a 4-bit slice must start at a whole byte, not at element " + std::to_string(begin)
            : std::string("sliced: a slice of ") + name(dtype) +
                  " must start at a whole block, not at element " + std::to_string(begin));
  }
  result.data = static_cast<std::byte*>(data) +
                core::checked_multiply(offset / block.elements, block.bytes, "sliced: offset in bytes");
  return result;
}

TensorView packed_view(const void* data, DType dtype, const Dims& shape, Device device) {
  return {const_cast<void*>(data), dtype, shape, packed_strides(shape), device};
}

}  // namespace flashtile::inline v0_2
