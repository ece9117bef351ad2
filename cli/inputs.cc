#include "cli/inputs.h"

#include <cstring>
#include <limits>

#include "cli/random.h"

namespace flashtile::cli {
namespace {

/// The stream's own seed, so that streams do not overlap.
std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t stream) { return random_bits(seed, ~stream); }

}  // namespace

Input on_device(const Tensor& host, Device device) {
  const Tensor there = device == Device::cpu() ? host : copy_to(host, device);
  return {host, there, there.view()};
}

Tensor on_host(const Tensor& tensor) {
  return tensor.device() == Device::cpu() ? tensor : copy_to(tensor, Device::cpu());
}

Input without_memory(DType dtype, const Dims& shape, Device device) {
  return {{}, {}, packed_view(nullptr, dtype, shape, device)};
}

Tensor not_written(DType dtype, const Dims& shape, Device device) {
  const Tensor tensor(dtype, shape);
  std::memset(tensor.data(), 0xff, tensor.size_bytes());
  return device == Device::cpu() ? tensor : copy_to(tensor, device);
}

Tensor random_tensor(DType dtype, const Dims& shape, std::uint64_t seed, std::uint64_t stream) {
  const std::uint64_t base = stream_seed(seed, stream);
  if (bits(dtype) <= 8) {  // integers: any value, two to a byte where they are packed
    Tensor tensor(dtype, shape);
    for (std::size_t i = 0; i < tensor.size_bytes(); ++i)
      tensor.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(random_bits(base, i));
    return tensor;
  }
  const Tensor tensor(DType::f32, shape);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    tensor.as<float>()[i] = random_normal(base, static_cast<std::uint64_t>(i));
  }
  return dtype == DType::f32 ? tensor : convert(tensor, dtype);
}

Tensor times_scales(const TensorView& codes, const TensorView& scales, int heads) {
  Tensor elements = convert(codes, DType::f32);
  const Tensor factors = convert(scales, DType::f32);
  const Dims &shape = codes.shape, dense = packed_strides(scales.shape);
  Dims index = shape;
  std::fill_n(&index[0], shape.rank(), 0);
  for (std::int64_t n = 0; n < elements.size(); ++n) {
    std::int64_t at = scales.rank() == 1 && scales.shape[0] > 1 ? index[heads] : 0;
    for (int i = 0; scales.rank() == shape.rank() && i < shape.rank(); ++i)
      at += index[i] * scales.shape[i] / shape[i] * dense[i];
    elements.as<float>()[n] *= factors.as<float>()[at];
    for (int i = shape.rank() - 1; i >= 0 && ++index[i] == shape[i]; --i) index[i] = 0;
  }
  return elements;
}

Tensor random_mask(DType dtype, const Dims& shape, std::uint64_t seed, std::uint64_t stream) {
  const bool boolean = dtype == DType::u8;
  const Tensor mask = random_tensor(boolean ? DType::u8 : DType::f32, shape, seed, stream);
  const std::uint64_t base = stream_seed(seed, ~stream);
  for (std::int64_t i = 0; i < mask.size(); ++i) {
    const bool excluded = random_bits(base, static_cast<std::uint64_t>(i)) % 8 == 0;
    if (boolean) {
      mask.as<std::uint8_t>()[i] = excluded ? 0 : 1;
    } else if (excluded) {
      mask.as<float>()[i] = -std::numeric_limits<float>::infinity();
    }
  }
  return boolean || dtype == DType::f32 ? mask : convert(mask, dtype);
}

}  // namespace flashtile::cli
