// Keys and values to time a call with: numbers of every type, fast to make however many are wanted. Called by decode.cc,
// decode_marks.cc and forward_marks.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>

#include "flashtile/tensor.h"

namespace flashtile::bench {

/// Normal values, and random codes where a type has codes; blocks have scales of about 1/128. Some thousand rows are
/// repeated.
inline Tensor random_rows(DType dtype, const Dims& shape, unsigned seed, Device device = {}) {
  constexpr std::int64_t kPool = (std::int64_t{1} << 20) + 32 * 7;
  std::mt19937 random(seed);
  Tensor pool(dtype == DType::f16 || dtype == DType::bf16 ? DType::f32 : dtype, {kPool});
  if (pool.dtype() == DType::f32) {
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < kPool; ++i) pool.as<float>()[i] = normal(random);
    if (dtype != DType::f32) pool = convert(pool, dtype);
  } else {
    const Block block = block_of(dtype);
    auto* const bytes = pool.as<std::uint8_t>();
    for (std::size_t i = 0; i < pool.size_bytes(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(random());
      const bool is_scale = block.elements == 32 && i % static_cast<std::size_t>(block.bytes) < 2;
      if (is_scale && i % static_cast<std::size_t>(block.bytes) == 1)
        bytes[i] = 0x20;  // of 2^-7 ... 1.25 * 2^-7
    }
  }
  const Tensor rows(dtype, shape);
  for (std::size_t at = 0; at < rows.size_bytes(); at += pool.size_bytes()) {
    std::memcpy(static_cast<std::byte*>(rows.data()) + at, pool.data(),
                std::min(pool.size_bytes(), rows.size_bytes() - at));
  }
  return device.type == DeviceType::cpu ? rows : copy_to(rows, device);
}

}  // namespace flashtile::bench
