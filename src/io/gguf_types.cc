#include "src/io/gguf_types.h"

#include <algorithm>
#include <iterator>

#include "src/io/source.h"

namespace flashtile::io {
namespace {

constexpr std::int64_t kBlock = 32;

float half_at(const std::byte* bytes) {
  return half::from_bits(static_cast<std::uint16_t>(little_endian({bytes, 2})));
}

/// Element i of a block of nibbles: the low ones of all bytes come first, then the high ones.
int nibble(const std::byte* bytes, std::int64_t i) {
  const int pair = std::to_integer<int>(bytes[i % (kBlock / 2)]);
  return i < kBlock / 2 ? pair & 15 : pair >> 4;
}

void expand_q8_0(const std::byte* block, float* elements) {  // a scale, then signed bytes
  const float scale = half_at(block);
  for (std::int64_t i = 0; i < kBlock; ++i)
    elements[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

void expand_q4_0(const std::byte* block, float* elements) {  // a scale, then nibbles that count from -8
  const float scale = half_at(block);
  for (std::int64_t i = 0; i < kBlock; ++i) elements[i] = scale * static_cast<float>(nibble(block + 2, i) - 8);
}

void expand_q4_1(const std::byte* block, float* elements) {  // a scale, the value of nibble 0, then nibbles
  const float scale = half_at(block), least = half_at(block + 2);
  for (std::int64_t i = 0; i < kBlock; ++i)
    elements[i] = scale * static_cast<float>(nibble(block + 4, i)) + least;
}

constexpr GgufType kTypes[] = {{"F32", 1, 4, nullptr, 0, DType::f32},
                               {"F16", 1, 2, nullptr, 1, DType::f16},
                               {"Q4_0", kBlock, 18, expand_q4_0, 2, DType::f32},
                               {"Q4_1", kBlock, 20, expand_q4_1, 3, DType::f32},
                               {"Q8_0", kBlock, 34, expand_q8_0, 8, DType::f32},
                               {"I8", 1, 1, nullptr, 24, DType::i8},
                               {"I16", 1, 2, nullptr, 25, {}},
                               {"I32", 1, 4, nullptr, 26, DType::i32},
                               {"I64", 1, 8, nullptr, 27, DType::i64},
                               {"F64", 1, 8, nullptr, 28, DType::f64},
                               {"BF16", 1, 2, nullptr, 30, DType::bf16}};

}  // namespace

const GgufType* find_gguf_type(std::uint32_t number) {
  const auto* type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const GgufType& t) { return t.number == number; });
  return type == std::end(kTypes) ? nullptr : type;
}

}  // namespace flashtile::io
