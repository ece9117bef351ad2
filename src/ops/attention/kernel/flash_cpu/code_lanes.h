// Codes of quantised rows as lanes of floats, which are exact; their scales are left to the caller.
#pragma once

#include <cstdint>

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/coded_rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// kLanes codes, those from `at` on of a run that begins at `run`; `at` is a multiple of kLanes.
template <class Codes>
struct CodeLanes;

template <>
struct CodeLanes<I8Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) { return floats(ints_of_bytes(run + at)); }
};
template <>
struct CodeLanes<Q8Codes> : CodeLanes<I8Codes> {};

template <>
struct CodeLanes<Q4Codes> {  // of a block: `at` < 32
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    const auto words = words_of_bytes(run + at % 16);
    return nibbles(at < 16 ? words : words >> 4, 8.0f);
  }
};

template <>
struct CodeLanes<Int4Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    constexpr int kWordLanes = kLanes < 8 ? kLanes : 8;  // lanes whose codes one word holds
    using Words = lane_vector<std::uint32_t>;
    Words shifts{};
    for (int i = 0; i < kLanes; ++i) shifts[i] = static_cast<std::uint32_t>(4 * (i % kWordLanes));
    std::uint32_t word[2] = {};
    std::memcpy(word, run + at / 2, kLanes / 2);
    Words words = splat(word[0]);
    if constexpr (kLanes > kWordLanes) {
      const auto above = splat(word[1]);
      words = (Words)select(ints((ints::native)words), ints((ints::native)above),
                            lane_indices() >= ints(kWordLanes))
                  .v;
    }
    // Two's complement: a nibble whose highest bit is flipped is 8 too large.
    return nibbles((words >> shifts) ^ 8, 8.0f);
  }
};

template <>
struct CodeLanes<F8E5M2Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    const auto bytes = halves_of_bytes(run + at);
    return floats_of<half>(bytes << 8);
  }
};
template <>
struct CodeLanes<F8E4M3Codes> {
  static FT_FUNCTION floats load(const std::uint8_t* run, int at) {
    const auto bytes = halves_of_bytes(run + at);
    const floats value = floats_of<half>((bytes & 128) << 8 | (bytes & 127) << 7) * 256.0f;
    const bools is_nan = (bits_of(value) & ints(0x7fffffff)) == bits_of(floats(480.0f));
    return select(value, kMinusInfinity - kMinusInfinity, is_nan);
  }
};

/// f(Codes()) for the codes of a quantised type; false where `type` is none.
template <class F>
FT_FUNCTION bool with_codes(StoredType type, F f) {
  switch (type) {
    case StoredType::i8: return f(I8Codes()), true;
    case StoredType::int4: return f(Int4Codes()), true;
    case StoredType::f8_e4m3: return f(F8E4M3Codes()), true;
    case StoredType::f8_e5m2: return f(F8E5M2Codes()), true;
    case StoredType::q8_0: return f(Q8Codes()), true;
    case StoredType::q4_0: return f(Q4Codes()), true;
    default: return false;
  }
}
/// Are there lanes of the codes of such rows, all with one scale?
inline bool has_code_lanes(const CodedRows& rows, int columns) {
  return columns % kLanes == 0 && rows.group % kLanes == 0 && with_codes(rows.type, [](auto) {});
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
