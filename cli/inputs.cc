#include "cli/inputs.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "cli/random.h"
#include "flashtile/error.h"
#include "src/io/tensor_file.h"

namespace flashtile::cli {
namespace {

/// What the options ask for an input to be; nothing where it stays as its file has it.
std::optional<DType> dtype_of(const std::string& name, const Options& options) {
  return name == "b" && options.b_dtype ? options.b_dtype : options.dtype;
}

Tensor converted(const Tensor& tensor, std::optional<DType> dtype) {
  return dtype && tensor.dtype() != *dtype ? convert(tensor, *dtype) : tensor;
}

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

Tensor read_tensor(const std::string& path, const std::string& name, bool two_bytes_are_bf16) {
  const auto file = io::open_tensor_file(io::open_file(path), {.two_bytes_are_bf16 = two_bytes_are_bf16});
  return file->read(file->names().size() == 1 ? file->names()[0] : name);
}

std::vector<Tensor> read_inputs(const Options& options, const std::vector<std::string>& names,
                                const std::vector<std::string>& files) {
  std::vector<Tensor> tensors;
  if (!options.file.empty()) {
    const auto file =
        io::open_tensor_file(io::open_file(options.file), {.two_bytes_are_bf16 = options.dtype == DType::bf16});
    for (const std::string& name : names)
      tensors.push_back(converted(file->read(name), dtype_of(name, options)));
  } else {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::optional<DType> dtype = dtype_of(names[i], options);
      tensors.push_back(converted(read_tensor(files[i], names[i], dtype == DType::bf16), dtype));
    }
  }
  return tensors;
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
