// How each element type enters a panel product: read in place, copied, or converted to float on the way.
#pragma once

#include <cstring>

#include "flashtile/primitives.h"
#include "flashtile/primitives/cpu/panel.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

using namespace flashtile::primitives;
using panel::kVectors;
using panel::kWidth;
using panel::RightRows;

inline constexpr int kKeys = 64;  ///< keys of a block: scores, weights and V of a block stay in a 48 KiB L1
inline constexpr int kDepthSteps = 128;  ///< steps of one product: at most 32 KiB of packed queries

/// float, and types that are multiplied as floats.
template <class T>
struct Operand {
  using Step = panel::FloatStep;
  static constexpr int kPerStep = 1;  ///< elements in one step
  static constexpr bool kConverted = !std::is_same_v<T, float>;
  static bool in_place(int) { return !kConverted; }  ///< can rows of this many elements be read where they lie?
};

#if defined(__AVX512BF16__)
template <>
struct Operand<bfloat> {
  using Step = panel::BfloatPairStep;
  static constexpr int kPerStep = 2;
  static constexpr bool kConverted = false;
  static bool in_place(int elements) { return elements % 2 == 0; }
};
#endif

// Not std::min: a template of std would be shared with code for other instruction sets.
template <class I>
constexpr I smaller(I a, I b) {
  return b < a ? b : a;
}
template <class I>
constexpr I larger(I a, I b) {
  return a < b ? b : a;
}

constexpr int rounded_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

template <class T>
constexpr int steps_of(int elements) {
  return (elements + Operand<T>::kPerStep - 1) / Operand<T>::kPerStep;
}
/// 4-byte steps from one staged row of K to the next, and of V.
template <class T>
constexpr int staged_stride(int elements) {
  return rounded_up(steps_of<T>(elements), kLanes);
}
constexpr int staged_value_stride(int elements) { return rounded_up(elements, kLanes); }

/// kLanes elements from `from` on as floats; the last ones are 0 when fewer than that are left.
template <class T>
FT_FUNCTION floats load_some(const T* from, int left) {
  return left >= kLanes ? primitives::detail::load_lanes<float>(from)
                        : primitives::detail::load_lanes<float>(from, left);
}

/// A row of `elements` as steps, with zeros behind: converted, or copied when their number is odd.
template <class T>
FT_FUNCTION void stage_row(float* to, const T* from, int elements) {
  if constexpr (Operand<T>::kConverted) {
    for (int i = 0; i < elements; i += kLanes) load_some(from + i, elements - i).store(to + i);
  } else {
    to[steps_of<T>(elements) - 1] = 0.0f;
    std::memcpy(to, from, static_cast<std::size_t>(elements) * sizeof(T));
  }
}

/// `count` rows of K as the right operand: n = key, a step = adjacent elements of a key.
template <class T>
FT_FUNCTION RightRows keys_operand(const T* keys, std::int64_t row_stride, int count, int elements,
                                   float* staged) {
  if (Operand<T>::in_place(elements)) return {keys, static_cast<std::ptrdiff_t>(row_stride * sizeof(T)), 4};
  const int stride = staged_stride<T>(elements);
  for (int i = 0; i < count; ++i) stage_row(staged + i * stride, keys + i * row_stride, elements);
  return {staged, 4 * stride, 4};
}

#if defined(__AVX512BF16__)
/// Rows 2r and 2r + 1 of V interleaved: each 4 bytes hold one column of both. `odd` may be nullptr: zeros.
FT_FUNCTION void interleave_rows(float* to, const bfloat* even, const bfloat* odd, int elements) {
  const auto load_bfloats = [](const bfloat* from, int left) {
    return left >= 32 ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi16((1u << left) - 1, from);
  };
  alignas(64) static constexpr std::uint16_t kOrder[] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                         37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                         11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i first = _mm512_load_si512(kOrder), second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
  for (int c = 0; c < elements; c += 32) {
    const __m512i low = load_bfloats(even + c, elements - c);
    const __m512i high = odd != nullptr ? load_bfloats(odd + c, elements - c) : _mm512_setzero_si512();
    _mm512_store_si512(to + c, _mm512_permutex2var_epi16(low, first, high));
    if (c + kLanes < elements)
      _mm512_store_si512(to + c + kLanes, _mm512_permutex2var_epi16(low, second, high));
  }
}
#endif

/// `count` rows of V as the right operand: n = output column, a step = adjacent keys of a column.
template <class T>
FT_FUNCTION RightRows values_operand(const T* values, std::int64_t row_stride, int count, int elements,
                                     float* staged) {
  const int stride = staged_value_stride(elements);
#if defined(__AVX512BF16__)
  if constexpr (Operand<T>::kPerStep == 2) {
    for (int i = 0; i < count; i += 2) {
      const T* even = values + i * row_stride;
      interleave_rows(staged + i / 2 * stride, even, i + 1 < count ? even + row_stride : nullptr, elements);
    }
    return {staged, 4, 4 * stride};
  }
#endif
  if constexpr (Operand<T>::kConverted) {
    for (int i = 0; i < count; ++i) stage_row(staged + i * stride, values + i * row_stride, elements);
    return {staged, 4, 4 * stride};
  } else if constexpr (std::is_same_v<T, float>) {
    return {values, 4, static_cast<std::ptrdiff_t>(row_stride * sizeof(T))};
  }
}

/// Q^T of up to kWidth queries as the left operand; row(m) is the address of query m. `staged` has room for
/// kLanes rows.
template <class T, class RowAddress>
FT_FUNCTION void pack_queries(float* packed, RowAddress row, int count, int vectors, int elements,
                              float* staged) {
  const int steps = steps_of<T>(elements);
  if (Operand<T>::in_place(elements)) return panel::pack_rows(packed, row, count, steps, vectors);
  const int stride = staged_stride<T>(elements);
  for (int first = 0; first < vectors * kLanes; first += kLanes) {
    const int here = count - first < kLanes ? count - first : kLanes;
    for (int i = 0; i < here; ++i) stage_row(staged + i * stride, row(first + i), elements);
    panel::pack_rows(
        packed + first, [=](int m) { return staged + m * stride; }, here, steps, 1);
  }
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
