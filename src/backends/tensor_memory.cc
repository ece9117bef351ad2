// Tensors that own memory, and copies and conversions between them: the part of tensor.h that needs devices.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/tensor.h"
#include "src/backends/backend.h"
#include "src/core/arguments.h"
#include "src/core/attempt.h"
#include "src/core/checked.h"
#include "src/core/float_environment.h"
#include "src/core/memory.h"

namespace flashtile::inline v0_2 {
namespace {

std::size_t packed_bytes(DType dtype, const Dims& shape) {
  if (bits(dtype) == 0) {
    throw Error(ErrorCode::invalid_argument,
                "tensor: dtype is " + core::spelled(dtype) + "; expected an enumerator of DType");
  }
  const Block block = block_of(dtype);
  const std::int64_t count = element_count(shape);
  if (block.elements > 2 && count > 0 && (shape.rank() == 0 || shape[shape.rank() - 1] % block.elements != 0)) {
    throw Error(ErrorCode::invalid_argument,
                std::string("tensor: ") + name(dtype) + " has shape " + to_string(shape) +
                    "; expected a last dimension of whole blocks of " + std::to_string(block.elements));
  }
  return static_cast<std::size_t>(core::checked_multiply((count + block.elements - 1) / block.elements,
                                                         block.bytes, "tensor: size in bytes"));
}

/// Calls f(offset, index) for each run along the last dimension: where it starts in the strided view, and in
/// the dense row-major order, both in elements.
template <class F>
void for_each_row(const TensorView& view, F&& f) {
  if (element_count(view.shape) == 0) return;
  const int rank = view.rank();
  const std::int64_t length = rank == 0 ? 1 : view.shape[rank - 1];
  Dims at = view.shape;
  for (int i = 0; i < rank; ++i) at[i] = 0;
  std::int64_t offset = 0, index = 0;
  for (;;) {
    f(offset, index);
    index += length;
    int dimension = rank - 2;
    for (; dimension >= 0;
         --dimension) {  // the odometer: step the innermost outer dimension that has a next value
      offset += view.strides[dimension];
      if (++at[dimension] < view.shape[dimension]) break;
      offset -= view.strides[dimension] * view.shape[dimension];
      at[dimension] = 0;
    }
    if (dimension < 0) return;
  }
}

std::int64_t row_length(const TensorView& view) { return view.rank() == 0 ? 1 : view.shape[view.rank() - 1]; }
std::int64_t row_stride(const TensorView& view) { return view.rank() == 0 ? 1 : view.strides[view.rank() - 1]; }

template <class T>
void pack_as(const TensorView& source, T* to) {
  const T* from = static_cast<const T*>(source.data);
  const std::int64_t length = row_length(source), stride = row_stride(source);
  for_each_row(source, [&](std::int64_t offset, std::int64_t index) {
    if (stride == 1) {
      std::memcpy(to + index, from + offset, static_cast<std::size_t>(length) * sizeof(T));
    } else {
      for (std::int64_t i = 0; i < length; ++i) to[index + i] = from[offset + i * stride];
    }
  });
}

std::uint8_t nibble(const void* data, std::int64_t i) {
  const std::uint8_t pair = static_cast<const std::uint8_t*>(data)[i >> 1];
  return (i & 1) == 0 ? pair & 0xfu : pair >> 4;
}

void set_nibble(void* data, std::int64_t i, std::uint8_t value) {
  std::uint8_t& pair = static_cast<std::uint8_t*>(data)[i >> 1];
  pair = static_cast<std::uint8_t>((i & 1) == 0 ? (pair & 0xf0u) | value : (pair & 0x0fu) | value << 4);
}

/// Element `i` of blocks of 32 that begin at `data`, exactly.
double element_of_block(DType dtype, const void* data, std::int64_t i) {
  const Block block = block_of(dtype);
  const auto* bytes = static_cast<const std::uint8_t*>(data) + i / block.elements * block.bytes;
  const std::int64_t at = i % block.elements;
  const half scale = half::from_bits(static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8));
  const int code = dtype == DType::q8_0 ? static_cast<std::int8_t>(bytes[2 + at])
                                        : (bytes[2 + at % 16] >> (at < 16 ? 0 : 4) & 15) - 8;
  return static_cast<double>(static_cast<float>(scale)) * code;
}

/// The element at `i`, exactly; an i64 beyond 2^53 is rounded.
double load(DType dtype, const void* data, std::int64_t i) {
  switch (dtype) {
    case DType::f64: return static_cast<const double*>(data)[i];
    case DType::f32: return static_cast<const float*>(data)[i];
    case DType::f16: return static_cast<float>(static_cast<const half*>(data)[i]);
    case DType::bf16: return static_cast<float>(static_cast<const bfloat*>(data)[i]);
    case DType::i8: return static_cast<const std::int8_t*>(data)[i];
    case DType::u8: return static_cast<const std::uint8_t*>(data)[i];
    case DType::i32: return static_cast<const std::int32_t*>(data)[i];
    case DType::int4: return static_cast<std::int8_t>(nibble(data, i) << 4) >> 4;
    case DType::uint4: return nibble(data, i);
    case DType::i64: return static_cast<double>(static_cast<const std::int64_t*>(data)[i]);
    case DType::f8_e4m3: return static_cast<float>(static_cast<const f8_e4m3*>(data)[i]);
    case DType::f8_e5m2: return static_cast<float>(static_cast<const f8_e5m2*>(data)[i]);
    case DType::q8_0:
    case DType::q4_0: return element_of_block(dtype, data, i);
  }
  return 0;
}

/// A float whose rounding to a narrower type is that of the double: truncated, with the last bit set when
/// inexact (round to odd; Boldo and Melquiond 2008).
float rounded_to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value)) return nearest;
  std::uint32_t word = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --word;
  return std::bit_cast<float>(word | 1u);
}

/// Rounds to nearest even and saturates; NaN becomes 0.
std::int64_t to_integer(double value, std::int64_t low, std::int64_t high) {
  if (std::isnan(value)) return 0;
  if (value >= 0x1p63) return high;  // 2^63 - 1, as a double, is past every int64
  return static_cast<std::int64_t>(
      std::clamp(std::nearbyint(value), static_cast<double>(low), static_cast<double>(high)));
}

void store(DType dtype, void* data, std::int64_t i, double value) {
  switch (dtype) {
    case DType::f64: static_cast<double*>(data)[i] = value; return;
    case DType::f32: static_cast<float*>(data)[i] = static_cast<float>(value); return;
    case DType::f16: static_cast<half*>(data)[i] = half(rounded_to_odd(value)); return;
    case DType::bf16: static_cast<bfloat*>(data)[i] = bfloat(rounded_to_odd(value)); return;
    case DType::i8:
      static_cast<std::int8_t*>(data)[i] = static_cast<std::int8_t>(to_integer(value, -128, 127));
      return;
    case DType::u8:
      static_cast<std::uint8_t*>(data)[i] = static_cast<std::uint8_t>(to_integer(value, 0, 255));
      return;
    case DType::i32:
      static_cast<std::int32_t*>(data)[i] = static_cast<std::int32_t>(to_integer(
          value, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
      return;
    case DType::i64:
      static_cast<std::int64_t*>(data)[i] =
          to_integer(value, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
      return;
    case DType::int4: set_nibble(data, i, static_cast<std::uint8_t>(to_integer(value, -8, 7) & 0xf)); return;
    case DType::uint4: set_nibble(data, i, static_cast<std::uint8_t>(to_integer(value, 0, 15))); return;
    case DType::f8_e4m3: static_cast<f8_e4m3*>(data)[i] = f8_e4m3(rounded_to_odd(value)); return;
    case DType::f8_e5m2: static_cast<f8_e5m2*>(data)[i] = f8_e5m2(rounded_to_odd(value)); return;
    case DType::q8_0:
    case DType::q4_0: return;  // whole blocks, see store_block
  }
}

/// Stores 32 elements as a block, as ggml quantises them: the scale brings the largest to the end of the codes.
void store_block(DType dtype, std::uint8_t* to, const float* values) {
  constexpr int kElements = 32;
  float largest = 0.0f;  // with its sign
  for (int i = 0; i < kElements; ++i)
    if (std::fabs(values[i]) > std::fabs(largest)) largest = values[i];
  const float scale = dtype == DType::q8_0 ? std::fabs(largest) / 127.0f : largest / -8.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  const std::uint16_t stored = half(scale).bits;
  to[0] = static_cast<std::uint8_t>(stored), to[1] = static_cast<std::uint8_t>(stored >> 8);
  if (dtype == DType::q8_0) {
    for (int i = 0; i < kElements; ++i)
      to[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(std::round(values[i] * inverse)));
    return;
  }
  const auto code = [&](int i) {
    return static_cast<std::uint8_t>(std::min(15.0f, values[i] * inverse + 8.5f));
  };
  for (int i = 0; i < kElements / 2; ++i)
    to[2 + i] = static_cast<std::uint8_t>(code(i) | code(i + kElements / 2) << 4);
}

void convert_into(const TensorView& source, DType dtype, void* to) {
  const std::int64_t length = row_length(source), stride = row_stride(source);
  const Block block = block_of(dtype);
  for_each_row(source, [&](std::int64_t offset, std::int64_t index) {
    if (block.elements > 2) {
      auto* blocks = static_cast<std::uint8_t*>(to) + index / block.elements * block.bytes;
      float values[32];
      for (std::int64_t i = 0; i < length; ++i) {
        values[i % 32] = static_cast<float>(load(source.dtype, source.data, offset + i * stride));
        if (i % 32 == 31) store_block(dtype, blocks + i / 32 * block.bytes, values);
      }
      return;
    }
    for (std::int64_t i = 0; i < length; ++i) {
      store(dtype, to, index + i, load(source.dtype, source.data, offset + i * stride));
    }
  });
}

/// A dense copy of a host view.
Tensor packed(const TensorView& source) {
  Tensor result(source.dtype, source.shape);
  const Block block = block_of(source.dtype);
  if (block.elements > 2) {  // the blocks of a row are adjacent
    const std::int64_t bytes_of_row = row_length(source) / block.elements * block.bytes;
    for_each_row(source, [&](std::int64_t offset, std::int64_t index) {
      std::memcpy(result.as<std::byte>() + index / block.elements * block.bytes,
                  static_cast<const std::byte*>(source.data) + offset / block.elements * block.bytes,
                  static_cast<std::size_t>(bytes_of_row));
    });
    return result;
  }
  switch (bits(source.dtype)) {
    case 64: pack_as(source, result.as<std::uint64_t>()); break;
    case 32: pack_as(source, result.as<std::uint32_t>()); break;
    case 16: pack_as(source, result.as<std::uint16_t>()); break;
    case 8: pack_as(source, result.as<std::uint8_t>()); break;
    default: convert_into(source, source.dtype, result.data()); break;
  }
  return result;
}

/// A host copy of the memory that a device view spans, and the same view of it.
struct Staged {
  std::vector<std::byte> bytes;
  TensorView view;
};
Staged staged(const TensorView& source) {
  const auto [first, end] = core::reach_of(source).value();
  Staged result{std::vector<std::byte>(static_cast<std::size_t>(end - first)), source};
  backend::of(source.device.type)
      .copy_to_host(source.device.index, result.bytes.data(),
                    static_cast<const std::byte*>(source.data) + first, result.bytes.size());
  result.view.data = result.bytes.data() - first;
  result.view.device = Device::cpu();
  return result;
}

}  // namespace

Tensor::Tensor(DType dtype, const Dims& shape, Device device)
    : view_{nullptr, dtype, shape, packed_strides(shape), device},
      memory_(backend::of(device.type).allocate(packed_bytes(dtype, shape), device.index)) {
  view_.data = memory_.get();
}

std::size_t Tensor::size_bytes() const { return packed_bytes(view_.dtype, view_.shape); }

Tensor copy_to(const TensorView& source, Device device) {
  core::check_memory({"copy_to", "source", source}, core::Data::needed);
  const core::FloatEnvironment environment;  // 4-bit elements pass through doubles
  Tensor host;
  if (core::has_no_elements(source)) return Tensor(source.dtype, source.shape, device);
  if (source.device.type == DeviceType::cpu) {
    host = packed(source);
  } else {
    host = packed(staged(source).view);
  }
  if (device.type == DeviceType::cpu) return host;
  Tensor result(source.dtype, source.shape, device);
  backend::of(device.type).copy_from_host(device.index, result.data(), host.data(), host.size_bytes());
  return result;
}

Tensor convert(const TensorView& source, DType dtype) {
  if (source.device.type != DeviceType::cpu) {
    throw Error(ErrorCode::invalid_argument,
                "convert: source is on " + name(source.device) + "; expected cpu (copy_to brings it there)");
  }
  core::check_memory({"convert", "source", source}, core::Data::needed);
  const core::FloatEnvironment environment;
  if (dtype == source.dtype) return packed(source);
  Tensor result(dtype, source.shape);
  convert_into(source, dtype, result.data());
  return result;
}

Result<Tensor> try_tensor(DType dtype, const Dims& shape, Device device) noexcept {
  return core::attempt([&] { return Tensor(dtype, shape, device); });
}
Result<Tensor> try_copy_to(const TensorView& source, Device device) noexcept {
  return core::attempt([&] { return copy_to(source, device); });
}
Result<Tensor> try_convert(const TensorView& source, DType dtype) noexcept {
  return core::attempt([&] { return convert(source, dtype); });
}

}  // namespace flashtile::inline v0_2
