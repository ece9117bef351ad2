// Blocks of K and V as operands of panel products.
#pragma once

#include "flashtile/primitives.h"
#include "flashtile/primitives/cpu/engine/panel_operands.h"
#include "src/ops/attention/kernel/rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

using namespace flashtile::primitives;
using panel::kVectors;
using panel::kWidth;
using panel::load_some;
using panel::Operand;
using panel::RightRows;
using panel::rounded_up;
using panel::steps_of;
using panel::store_some;

inline constexpr int kKeys = 64;  ///< keys of a block: scores, weights and V of a block stay in a 48 KiB L1
inline constexpr int kDepthSteps = 128;  ///< steps of one product: at most 32 KiB of packed queries

/// From one staged row of K, and of V, to the next, in 4-byte steps.
template <class T>
constexpr int staged_key_stride(int elements) {
  return rounded_up(steps_of<T>(elements), kLanes);
}
constexpr int staged_value_stride(int elements) { return rounded_up(elements, kLanes); }
/// Is V staged transposed, with the steps of a column adjacent, as tiles are loaded?
template <class T>
inline constexpr bool kTurnsValues = panel::kUsesTiles<typename Operand<T>::Step>;

/// Keys that are multiplied at a time where the causal diagonal crosses a block. The fewer, the more scores
/// that no query sees are skipped.
template <class T>
inline constexpr int kDiagonalKeys = kTurnsValues<T> ? 32 : kLanes;

/// Size of a block's staged V, in words.
template <class T>
constexpr int staged_value_size(int elements) {
  if (std::is_same_v<T, float>) return 0;
  return (kTurnsValues<T> ? 2 : 1) * kKeys / Operand<T>::kPerStep * staged_value_stride(elements);
}

/// Transposes `steps` rows of 4-byte steps: to[column * to_stride + step] = from[step * from_stride + column].
FT_FUNCTION void turn_steps(Word* to, int to_stride, const Word* from, int from_stride, int steps,
                            int columns) {
  for (int c = 0; c < columns; c += kLanes) {
    for (int i = 0; i < steps; i += kLanes) {
      floats square[kLanes];
      for (int n = 0; n < kLanes; ++n) {
        square[n] = i + n < steps ? floats::load(from + (i + n) * from_stride + c) : floats(0.0f);
      }
      primitives::transpose(square);
      for (int n = 0; n < kLanes; ++n) square[n].store(to + (c + n) * to_stride + i);
    }
  }
}

/// `count` rows of K as the right operand: n = key, a step = adjacent elements of a key.
template <class T>
FT_FUNCTION RightRows keys_operand(RowRun<const T> keys, int count, int elements, Word* staged) {
  if (panel::in_place<T>(elements))
    return {keys.first, static_cast<std::ptrdiff_t>(keys.step * static_cast<std::ptrdiff_t>(sizeof(T))), 4};
  const int stride = staged_key_stride<T>(elements);
  for (int i = 0; i < count; ++i) panel::stage_line(staged + i * stride, keys[i], elements);
  return {staged, 4 * stride, 4};
}

/// `count` rows of V as the right operand: n = output column, a step = adjacent keys of a column.
template <class T>
FT_FUNCTION RightRows values_operand(RowRun<const T> values, int count, int elements, Word* staged) {
  if constexpr (std::is_same_v<T, float>) {
    return {values.first, 4, static_cast<std::ptrdiff_t>(values.step * static_cast<std::ptrdiff_t>(sizeof(T)))};
  } else {
    constexpr int kPer = Operand<T>::kPerStep;
    const int stride = staged_value_stride(elements);
    for (int i = 0; i < count; i += kPer) {
      panel::stage_across(staged + i / kPer * stride, values[i], values.step, min(kPer, count - i), elements);
    }
    if constexpr (kTurnsValues<T>) {
      constexpr int kSteps = kKeys / kPer;
      Word* turned = staged + kSteps * stride;
      turn_steps(turned, kSteps, staged, stride, (count + kPer - 1) / kPer, stride);
      return {turned, 4 * kSteps, 4};
    }
    return {staged, 4, 4 * stride};
  }
}

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
