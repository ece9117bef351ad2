// Panel products of bfloats on AMX tiles: the memory layouts are those of BfloatPairStep. Included by panel.h.
//
// Sixteen rows of R, read where they lie, are one operand tile; sixteen steps of a panel's register of lanes
// are the other, since a panel of pairs is just what the unit wants; sixteen rows of D are the sums.
#pragma once

#include <cstdint>

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// Does a step go through tiles, which want both operands' steps side by side?
template <class Step>
inline constexpr bool kUsesTiles = false;

/// What products need set up around them while it lives: nothing, but for tiles.
template <class Step>
struct Session {
  Session() {}
};

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives

#if defined(__AMX_BF16__)

namespace flashtile::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

struct AmxPairStep : BfloatPairStep {};
template <>
inline constexpr bool kUsesTiles<AmxPairStep> = true;

namespace detail {

inline constexpr int kTile = 16;  ///< rows of a tile, and 4-byte steps in each

/// Eight tiles of 16 rows of 64 bytes. The library asked for permission to use them when it found the
/// instruction set.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Own assembler: g++ 12's intrinsics take no template parameter for a register, and do not say what they read.
template <int T>
FT_FUNCTION void tile_load(const void* from, std::ptrdiff_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(row_bytes), "i"(T) : "memory");
}
template <int T>
FT_FUNCTION void tile_store(void* to, std::ptrdiff_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(row_bytes), "i"(T) : "memory");
}
template <int T>
FT_FUNCTION void tile_zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(T));
}
template <int Sum, int A, int B>
FT_FUNCTION void tile_multiply_add() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
}

/// Rows x Columns tiles of D, at most 2 x 2: sums in tiles 0 ... 3, rows of R in 4 and 5, lanes of L in 6
/// and 7.
template <int Rows, int Columns, Mode M>
FT_FUNCTION void tile_block(float* d, RightRows r, const float* l, int steps) {
  constexpr std::ptrdiff_t kRowBytes = kWidth * 4;
  const auto each_sum = [&](auto f) {
    f(std::integral_constant<int, 0>(), d);
    if constexpr (Columns > 1) f(std::integral_constant<int, 1>(), d + kTile);
    if constexpr (Rows > 1) f(std::integral_constant<int, 2>(), d + kTile * kWidth);
    if constexpr (Rows > 1 && Columns > 1) f(std::integral_constant<int, 3>(), d + kTile * kWidth + kTile);
  };
  each_sum([](auto sum, float* at) {
    if constexpr (M == Mode::accumulate)
      tile_load<decltype(sum)::value>(at, kRowBytes);
    else
      tile_zero<decltype(sum)::value>();
  });
  for (int k = 0; k < steps; k += kTile) {
    const RightRows at = r.from(0, k);
    tile_load<4>(at.data, r.row_stride);
    tile_load<6>(l + k * kWidth, kRowBytes);
    tile_multiply_add<0, 4, 6>();
    if constexpr (Columns > 1) {
      tile_load<7>(l + k * kWidth + kTile, kRowBytes);
      tile_multiply_add<1, 4, 7>();
    }
    if constexpr (Rows > 1) {
      tile_load<5>(at.from(kTile, 0).data, r.row_stride);
      tile_multiply_add<2, 5, 6>();
      if constexpr (Columns > 1) tile_multiply_add<3, 5, 7>();
    }
  }
  each_sum([](auto sum, float* at) { tile_store<decltype(sum)::value>(at, kRowBytes); });
}

template <int Rows, Mode M>
FT_FUNCTION void tile_row(float* d, RightRows r, const float* l, int steps, int vectors) {
  int j = 0;
  for (; j + 2 <= vectors; j += 2) tile_block<Rows, 2, M>(d + j * kTile, r, l + j * kTile, steps);
  if (j < vectors) tile_block<Rows, 1, M>(d + j * kTile, r, l + j * kTile, steps);
}

}  // namespace detail

template <>
struct Session<AmxPairStep> {
  Session() {
    const detail::TileConfig config;
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  ~Session() { asm volatile("tilerelease"); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

/// What fills whole tiles goes to them, the rest to vectors.
template <class Step, Mode M>
requires std::is_same_v<Step, AmxPairStep>
void multiply(float* d, RightRows r, const float* l, int rows, int steps, int vectors) {
  using Rest = BfloatPairStep;
  const int whole_rows = r.step_stride == 4 ? rows / detail::kTile * detail::kTile : 0;
  const int whole_steps = steps / detail::kTile * detail::kTile;
  if (whole_rows == 0 || whole_steps == 0) return multiply<Rest, M>(d, r, l, rows, steps, vectors);
  int i = 0;
  for (; i + 2 * detail::kTile <= whole_rows; i += 2 * detail::kTile) {
    detail::tile_row<2, M>(d + i * kWidth, r.from(i, 0), l, whole_steps, vectors);
  }
  if (i < whole_rows) detail::tile_row<1, M>(d + i * kWidth, r.from(i, 0), l, whole_steps, vectors);
  if (whole_steps < steps) {
    multiply<Rest, Mode::accumulate>(d, r.from(0, whole_steps), l + whole_steps * kWidth, whole_rows,
                                     steps - whole_steps, vectors);
  }
  if (whole_rows < rows) {
    multiply<Rest, M>(d + whole_rows * kWidth, r.from(whole_rows, 0), l, rows - whole_rows, steps, vectors);
  }
}

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::primitives

#endif
