// How each element type enters a panel product: read in place, copied, or converted to float while
// it is copied. Unless said otherwise, a line is a run of elements that are adjacent in k. Called
// by kernels scheduled for CPUs.
#pragma once

#include <cstring>

#include "flashtile/primitives/cpu/engine/panel.h"
#include "flashtile/primitives/cpu/engine/panel_amx_bytes.h"
#include "flashtile/primitives/cpu/math.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// How T enters a panel product. The primary template is for float, and for types that
/// are multiplied as floats.
template <class T>
struct Operand {
  using Step = FloatStep;
  static constexpr int kPerStep = 1;  ///< elements in one step
  static constexpr bool kConverted = !std::is_same_v<T, float>;
};

#if defined(__AVX512BF16__)
template <>
struct Operand<bfloat> {
#if defined(FT_AMX)
  using Step = AmxPairStep;
#else
  using Step = BfloatPairStep;
#endif
  static constexpr int kPerStep = 2;
  static constexpr bool kConverted = false;
};
#endif

#if defined(__AVX512VNNI__)
template <class S>
struct QuadOperand {
  using Step = S;
  static constexpr int kPerStep = 4;
  static constexpr bool kConverted = false;
};
#if defined(FT_AMX)
template <class Step>
using BytesBy = AmxBytes<Step>;
#else
template <class Step>
using BytesBy = Step;
#endif
template <>
struct Operand<std::int8_t> : QuadOperand<BytesBy<Int8QuadStep>> {};
template <>
struct Operand<std::uint8_t> : QuadOperand<BytesBy<Uint8QuadStep>> {};
#endif

constexpr int rounded_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Steps of a line of `elements` elements.
template <class T>
constexpr int steps_of(int elements) {
  return (elements + Operand<T>::kPerStep - 1) / Operand<T>::kPerStep;
}
/// Can lines of `elements` elements be read in place?
template <class T>
constexpr bool in_place(int elements) {
  return !Operand<T>::kConverted && elements % Operand<T>::kPerStep == 0;
}

/// kLanes elements from `from` on as floats; if only `left` < kLanes are left, the other lanes are 0.
template <class T>
FT_FUNCTION floats load_some(const T* from, int left) {
  if (left >= kLanes) return primitives::load_lanes<float>(from);
  if constexpr (primitives::detail::is_16_bit_float<T>)
    return floats_of<T>(primitives::detail::Simd::load_halves(from, left));
  return primitives::load_lanes<float>(from, left);
}

/// A vector V filled with repetitions of the same `Bytes` bytes, which may lie at any address.
template <class V, int Bytes>
FT_FUNCTION V load_repeated(const void* from) {
  if constexpr (Bytes == sizeof(V)) {
    V v;
    std::memcpy(&v, from, sizeof v);
    return v;
  } else if constexpr (Bytes <= 8) {
    using Group = std::conditional_t<Bytes == 8, std::uint64_t,
                                     std::conditional_t<Bytes == 4, std::uint32_t, std::uint16_t>>;
    static_assert(Bytes == sizeof(Group), "load_repeated: Bytes is 2, 4, 8, ...");
    typedef Group Groups __attribute__((vector_size(sizeof(V))));
    Group group;
    std::memcpy(&group, from, sizeof group);
    return (V)(Groups{} + group);
#if defined(FT_AVX512)
  } else if constexpr (sizeof(V) == 64) {
    static_assert(Bytes == 16 || Bytes == 32);
    if constexpr (Bytes == 16)
      return (V)_mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128(static_cast<const __m128i*>(from)));
    else
      return (V)_mm512_maskz_broadcast_i32x8(0xffff, _mm256_loadu_si256(static_cast<const __m256i*>(from)));
#endif
#if defined(__AVX2__)
  } else {
    static_assert(Bytes == 16 && sizeof(V) == 32);
    return (V)_mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(from)));
#endif
  }
}

/// Stores the first `left` lanes, at most all of them, as elements of T.
template <class T>
FT_FUNCTION void store_some(T* to, floats x, int left) {
  if (left >= kLanes)
    primitives::store_lanes<float>(to, x);
  else
    primitives::store_lanes<float>(to, x, left);
}

/// Stages a line as steps: to[s] = step s. The last step is padded with zeros, and whole registers are written.
template <class T>
FT_FUNCTION void stage_line(Word* to, const T* from, int elements) {
  if constexpr (Operand<T>::kConverted) {
    for (int i = 0; i < elements; i += kLanes) load_some(from + i, elements - i).store(to + i);
  } else {
    to[steps_of<T>(elements) - 1] = Word{};
    std::memcpy(to, from, static_cast<std::size_t>(elements) * sizeof(T));
  }
}

/// Stages a line as rows of tiles: 16 steps at `to`, the next 16 `pitch` floats further, and so
/// on, padded with zeros.
template <class T>
FT_FUNCTION void stage_tile_rows(Word* to, std::ptrdiff_t pitch, const T* from, int elements) {
  constexpr int kAtOnce = 16 * Operand<T>::kPerStep;
  for (int e = 0; e < elements; e += kAtOnce, to += pitch) {
    if (elements - e >= kAtOnce) {
      std::memcpy(to, from + e, 64);
    } else {
      std::memset(to, 0, 64);
      std::memcpy(to, from + e, static_cast<std::size_t>(elements - e) * sizeof(T));
    }
  }
}

/// Interleaves two lines, which lie across k: lane c holds (line 0, line 1) of column c, in two registers.
/// `lines` lines and `left` columns exist; what is missing is 0. For types that are multiplied in pairs.
template <class T>
void load_across(floats& first, floats& second, const T* from, std::int64_t line_stride, int lines,
                 int left) = delete;
#if defined(__AVX512BF16__)
template <>
FT_FUNCTION void load_across(floats& first, floats& second, const bfloat* from, std::int64_t line_stride,
                             int lines, int left) {
  alignas(64) static constexpr std::uint16_t kInterleave[] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                              37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                              11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(kInterleave);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  const __mmask32 there = left >= 32 ? ~0u : left <= 0 ? 0u : (1u << left) - 1;
  const __m512i even = _mm512_maskz_loadu_epi16(there, from);
  const __m512i odd = lines > 1 ? _mm512_maskz_loadu_epi16(there, from + line_stride) : _mm512_setzero_si512();
  first = (floats::native)_mm512_permutex2var_epi16(even, low, odd);
  second = (floats::native)_mm512_permutex2var_epi16(even, high, odd);
}
#endif

/// Stages kPerStep lines, which lie across k, as one row of steps: to[i] = element i of each line. `lines` of
/// them exist; the others count as 0. Writes whole registers.
template <class T>
FT_FUNCTION void stage_across(Word* to, const T* from, [[maybe_unused]] std::int64_t line_stride,
                              [[maybe_unused]] int lines, int elements) {
  if constexpr (Operand<T>::kPerStep == 1) {
    for (int i = 0; i < elements; i += kLanes) load_some(from + i, elements - i).store(to + i);
  }
#if defined(__AVX512BF16__)
  if constexpr (std::is_same_v<T, bfloat>) {
    for (int i = 0; i < elements; i += 32) {
      floats first, second;
      load_across(first, second, from + i, line_stride, lines, elements - i);
      first.store(to + i);
      if (i + kLanes < elements) second.store(to + i + kLanes);
    }
  }
#endif
#if defined(__AVX512VNNI__)
  if constexpr (sizeof(T) == 1) {
    const auto load = [&](int line, int i) {
      if (line >= lines) return _mm512_setzero_si512();
      const T* at = from + line * line_stride + i;
      const int left = elements - i;
      return _mm512_maskz_cvtepu8_epi32(
          0xffff, left >= kLanes ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(at))
                                 : _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << left) - 1), at));
    };
    for (int i = 0; i < elements; i += kLanes) {
      const ints::wrapping low = (ints::wrapping)load(0, i) | (ints::wrapping)load(1, i) << 8;
      const ints::wrapping high = (ints::wrapping)load(2, i) | (ints::wrapping)load(3, i) << 8;
      floats_of_bits((ints::native)(low | high << 16)).store(to + i);
    }
  }
#endif
}

/// Packs `count` <= Width lines of `elements` elements into a panel; line(m) is the address of the line of lane
/// m. `staged` has room for kLanes lines.
template <class T, int Width = kWidth, class LineAddress>
FT_FUNCTION void pack_lines(Word* packed, LineAddress line, int count, int vectors, int elements,
                            Word* staged) {
  const int steps = steps_of<T>(elements);
  if (in_place<T>(elements)) return pack_rows<Width>(packed, line, count, steps, vectors);
  const int stride = rounded_up(steps, kLanes);
  for (int first = 0; first < vectors * kLanes; first += kLanes) {
    const int here = min(count - first, kLanes);
    for (int i = 0; i < here; ++i) stage_line(staged + i * stride, line(first + i), elements);
    pack_rows<Width>(packed + first, [=](int m) { return staged + m * stride; }, here, steps, 1);
  }
}

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
