// Operands of a product, packed from memory or from cooperative tensors into the steps that it takes
// (product.h). Called by tile_stages.h and matmul2d.h; not for kernel text.
#pragma once

#include "flashtile/primitives/cpu/cooperative_tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

/// Prefetches a line of `elements` elements.
template <class E>
inline void fetch(const E* line, int elements) {
  for (int i = 0; i < elements; i += 64 / static_cast<int>(sizeof(E))) __builtin_prefetch(line + i);
}

/// Packs `depth` lines that lie across k: to[s * pitch + i] = element i of the kPerStep lines of step s.
/// Missing lines of the last step count as 0.
template <class P, class E>
inline void pack_across(Word* to, int pitch, const E* from, std::int64_t stride, int depth, int elements) {
  constexpr int kAhead = 16;  // lines; they may lie too far apart for the hardware prefetcher
  for (int k = 0; k < depth; k += P::kPerStep) {
    for (int i = k + kAhead; i < depth && i < k + kAhead + P::kPerStep; ++i) fetch(from + i * stride, elements);
    panel::stage_across(to + k / P::kPerStep * pitch, from + k * stride, stride, min(P::kPerStep, depth - k),
                        elements);
  }
}

/// Packs lines that lie along k: to[s * Pitch + m] = step s of line m, with zeros past the last
/// line up to a whole vector.
template <class P, int Pitch, class E>
inline void pack_turned(Word* to, const E* from, std::int64_t stride, int lines, int depth) {
  const int whole = depth / P::kPerStep, rest = depth % P::kPerStep;
  const int vectors = (lines + kLanes - 1) / kLanes;
  const auto line = [=](int m) { return from + m * stride; };
  panel::pack_rows<Pitch>(to, line, lines, whole, vectors);
  if (rest == 0) return;
  for (int m = 0; m < vectors * kLanes; ++m) {
    Word step{};
    if (m < lines)
      std::memcpy(&step, line(m) + whole * P::kPerStep, static_cast<std::size_t>(rest) * sizeof(E));
    to[whole * Pitch + m] = step;
  }
}

/// Memory for A, in panels of at most kWidth rows.
template <int Rows, int Steps>
struct left_room {
  static constexpr int kWidth = Rows < panel::kWidth ? panel::rounded_up(Rows, kLanes) : panel::kWidth;
  static constexpr int kPanelPitch = Steps * kWidth;
  alignas(64) Word steps[(Rows + kWidth - 1) / kWidth * kPanelPitch];
};

/// A, of at most Rows x `depth`, packed from a matrix of its rows or, if Turned, of its columns.
template <class P, bool Turned, int Rows, int Steps, class E>
inline left_view pack_left(left_room<Rows, Steps>& room, const matrix<const E>& all, int depth) {
  using S = typename P::Sum;
  constexpr int kWidth = left_room<Rows, Steps>::kWidth, kPanelPitch = left_room<Rows, Steps>::kPanelPitch;
  const int all_rows = min(Rows, Turned ? all.columns : all.rows);
  depth = min(depth, Turned ? all.rows : all.columns);
  for (int first = 0; first < all_rows; first += kWidth) {
    Word* to = room.steps + first / kWidth * kPanelPitch;
    const auto m = Turned ? all.from(0, first) : all.from(first, 0);
    const int rows = min(kWidth, all_rows - first);
    if constexpr (P::kDots && Turned)
      pack_across<P>(to, kWidth, m.data, m.stride, depth, rows);
    else if constexpr (P::kDots)
      pack_turned<P, kWidth>(to, m.data, m.stride, rows, depth);
    else if constexpr (Turned)
      copy_rows<S, E>(reinterpret_cast<S*>(to), kWidth, m.data, m.stride, depth, kWidth, rows);
    else
      copy_columns<S, E>(reinterpret_cast<S*>(to), kWidth, m.data, m.stride, kWidth, depth, rows, depth);
  }
  return {room.steps, kWidth, kPanelPitch, all_rows, depth};
}

/// Can a product read B in place, from a matrix of its rows or, if Turned, of its columns?
template <class P, bool Turned, class E>
constexpr bool is_right_in_place(int depth) {
  return P::kDots ? Turned && depth % P::kPerStep == 0 : std::is_same_v<E, typename P::Sum>;
}

/// Do lines with this stride fall into so few sets of an L1 cache (64 sets of 64-byte lines) that
/// they evict each other?
inline bool lines_collide(std::int64_t stride_bytes, int lines) {
  const std::int64_t apart = min<std::int64_t>(stride_bytes & -stride_bytes, 4096);
  return lines * apart > 8 * 4096;
}

/// B, of at most `depth` x `columns`. It is read in place if it can be, and if that is fast or there is no
/// room to pack it. Else it is packed in rows of `pitch` floats: a row holds the steps of a column if
/// Turned, else a step of all columns.
template <class P, bool Turned, class E>
inline right_view pack_right(Word* to, int pitch, const matrix<const E>& m, int depth, int columns) {
  using S = typename P::Sum;
  depth = min(depth, Turned ? m.columns : m.rows), columns = min(columns, Turned ? m.rows : m.columns);
  const std::ptrdiff_t line = 4 * pitch;
  const auto stride = static_cast<std::ptrdiff_t>(m.stride * std::int64_t{sizeof(E)});
  if (is_right_in_place<P, Turned, E>(depth) &&
      (P::kDots || to == nullptr || !lines_collide(stride, Turned ? columns : depth))) {
    return {{m.data, Turned ? stride : 4, Turned ? 4 : stride}, depth, columns};
  }
  if constexpr (P::kDots && Turned) {
    for (int n = 0; n < columns && depth > 0; ++n)
      panel::stage_line(to + n * pitch, m.data + n * m.stride, depth);
  } else if constexpr (P::kDots) {
    pack_across<P>(to, pitch, m.data, m.stride, depth, columns);
  } else {
    const int lines = Turned ? columns : depth, length = Turned ? depth : columns;
    copy_rows<S, E>(reinterpret_cast<S*>(to), pitch, m.data, m.stride, lines, panel::rounded_up(length, kLanes),
                    length);
  }
  return {{to, Turned ? line : 4, Turned ? 4 : line}, depth, columns};
}

/// Packs columns k ... k + depth - 1 of a left tile, whose lanes are values of T, into steps.
template <class P, class T, class S>
inline void pack_lanes(Word* to, const S* from, int pitch, int depth) {
  constexpr int kBits = 8 * static_cast<int>(sizeof(T));
  for (int k = 0; k < depth; k += P::kPerStep, to += pitch) {
    for (int m = 0; m < pitch; m += kLanes) {
      ints::wrapping step = {};
      FT_UNROLL for (int i = 0; i < P::kPerStep; ++i) {
        if (k + i >= depth) continue;
        const auto x = lanes<S>::load(from + (k + i) * pitch + m);
        if constexpr (std::is_same_v<T, bfloat>)
          step |= (ints::wrapping)x.v >> 16 << i * kBits;
        else
          step |= ((ints::wrapping)x.v & 0xffu) << i * kBits;
      }
      floats((floats::native)step).store(to + m);
    }
  }
}

/// A tile's slots converted back to elements of T, for the rare operands that are packed from a tile.
template <class T, class S>
inline matrix<const T> elements_of(const matrix<const S>& m, T* room, std::int64_t stride) {
  write_rows<S, T>(room, stride, m.data, m.stride, m.rows, m.columns);
  return {room, stride, m.rows, m.columns};
}

}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
