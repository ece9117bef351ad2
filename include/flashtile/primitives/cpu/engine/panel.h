// The matrix product on which kernels scheduled for CPUs are built: a few rows of the result at a time against
// a packed panel, whose lanes are contiguous.
//
//   D[n][m] (+)= sum over k of R(n, k) * L[k][m]
//
// L is a panel in scratch memory, stored by rows k with m contiguous and 64-byte aligned. R is read in place,
// 4 bytes at a time, each broadcast to all lanes. Transposed attention is two such products: S^T = K Q^T with
// n = key, and O^T = V^T P^T with n = output column. A step of k is what 4 bytes hold: one float, a pair of
// bfloats, or four bytes adjacent in k; L is interleaved in the same way.
#pragma once

#include <cstddef>
#include <cstring>

#include "flashtile/primitives/cpu/simd.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace panel {

/// One step is one float.
struct FloatStep {
  using Sum = floats;
  static FT_FUNCTION floats multiply_add(floats r, floats l, floats d) { return fma(r, l, d); }
};

/// FloatStep in short chains, so that rounding errors do not grow with the length of k: each kChain steps are
/// summed from 0 and then added to D. For Mode::add.
struct ChainedFloatStep : FloatStep {
  static constexpr int kChain = 32;
};

#if defined(__AVX512BF16__)
/// One step is a pair of bfloats: d + r.even * l.even + r.odd * l.odd.
struct BfloatPairStep {
  using Sum = floats;
  static FT_FUNCTION floats multiply_add(floats r, floats l, floats d) {
    return (floats::native)_mm512_dpbf16_ps((__m512)d.v, (__m512bh)r.v, (__m512bh)l.v);
  }
};
#endif

#if defined(__AVX512VNNI__)
namespace detail {
/// d + the sum of four unsigned bytes times four signed ones. Own assembler, since g++ 12 copies
/// the sums around the intrinsic.
FT_FUNCTION ints dot_bytes(ints unsigned_bytes, ints signed_bytes, ints d) {
  asm("vpdpbusd %2, %1, %0" : "+v"(d.v) : "v"(unsigned_bytes.v), "v"(signed_bytes.v));
  return d;
}
/// Signed bytes + 128 as unsigned bytes, or unsigned bytes - 128 as signed ones: both flip the top bit.
FT_FUNCTION ints other_sign(floats bytes) {
  return bits_of(bytes) ^ ints(static_cast<std::int32_t>(0x80808080u));
}
}  // namespace detail

/// One step is four int8 values; sums are int32. The instruction multiplies unsigned with signed bytes, so 128
/// is added to the bytes of R. That makes each sum too large by kExcess times the sum of L's column, which
/// add_elements computes and the caller subtracts.
struct Int8QuadStep {
  using Sum = ints;  // g++ 12 copies sums at each step where they change between types
  static constexpr std::int32_t kExcess = 128;
  static FT_FUNCTION ints multiply_add(floats r, floats l, ints d) {
    return detail::dot_bytes(detail::other_sign(r), bits_of(l), d);
  }
  static FT_FUNCTION ints add_elements(floats l, ints sum) {
    return detail::dot_bytes(ints(0x01010101), bits_of(l), sum);
  }
};

/// The same for uint8, with 128 subtracted from the bytes of R.
struct Uint8QuadStep {
  using Sum = ints;
  static constexpr std::int32_t kExcess = -128;
  static FT_FUNCTION ints multiply_add(floats r, floats l, ints d) {
    return detail::dot_bytes(bits_of(l), detail::other_sign(r), d);
  }
  static FT_FUNCTION ints add_elements(floats l, ints sum) {
    return detail::dot_bytes(bits_of(l), ints(0x01010101), sum);
  }
};

/// One step is four uint8 values of R and four int8 values of L, as the instruction multiplies them.
struct Uint8Int8QuadStep {
  using Sum = ints;
  static FT_FUNCTION ints multiply_add(floats r, floats l, ints d) {
    return detail::dot_bytes(bits_of(r), bits_of(l), d);
  }
};

/// The same for int8 values of R and uint8 values of L.
struct Int8Uint8QuadStep {
  using Sum = ints;
  static FT_FUNCTION ints multiply_add(floats r, floats l, ints d) {
    return detail::dot_bytes(bits_of(l), bits_of(r), d);
  }
};
#endif

/// One step is one int32, for integer types and targets without a byte product.
struct IntStep {
  using Sum = ints;
  static FT_FUNCTION ints multiply_add(floats r, floats l, ints d) { return fma(bits_of(r), bits_of(l), d); }
};

#if defined(FT_AVX512) || defined(__ARM_NEON)
inline constexpr int kVectors = 4;  ///< registers along m: 4 rows x 4 are half of 32, and hide the latency
#elif defined(FT_AVX2)
inline constexpr int kVectors = 3;  ///< 4 rows x 3 and the operands take all 16 registers
#else
inline constexpr int kVectors = 2;
#endif
inline constexpr int kWidth = kVectors * kLanes;  ///< floats in a row of a panel

/// What is to be read as packed words: sums of a product that are an operand of the next one.
FT_FUNCTION const Word* words_of(const float* p) { return reinterpret_cast<const Word*>(p); }

/// The first `count` < kLanes words of memory; the other lanes are 0.
FT_FUNCTION floats load_words(const Word* p, int count) {
  return (floats::native)primitives::detail::Simd::load_words(p, count);
}

/// R in place; strides in bytes.
struct RightRows {
  const void* data;
  std::ptrdiff_t row_stride, step_stride;

  FT_FUNCTION RightRows from(std::ptrdiff_t row, std::ptrdiff_t step) const {
    return {static_cast<const char*>(data) + row * row_stride + step * step_stride, row_stride, step_stride};
  }
};

/// What a product does with D. overwrite: D = sums from 0. accumulate: the chains of sums start from D. add:
/// sums from 0 are added to D at the end.
enum class Mode { overwrite, accumulate, add };

/// Distance in floats from one row of D, and of L, to the next.
struct Pitches {
  std::ptrdiff_t d = kWidth, l = kWidth;
};

namespace detail {

FT_FUNCTION float step_at(const char* from) {
  float step;
  std::memcpy(&step, from, sizeof step);
  return step;
}

/// Rows x Vectors registers of D over all steps.
template <class Step, int Rows, int Vectors, Mode M>
[[gnu::always_inline]] FT_FUNCTION void block(float* d, RightRows r, const Word* l, int steps,
                                              Pitches pitches) {
  using Sum = typename Step::Sum;
  const auto at_sum = [=](int i, int j) {
    return reinterpret_cast<typename Sum::element*>(d + i * pitches.d + j * kLanes);
  };
  Sum sum[Rows][Vectors];
  FT_UNROLL for (int i = 0; i < Rows; ++i) {
    FT_UNROLL for (int j = 0; j < Vectors; ++j) {
      sum[i][j] = M == Mode::accumulate ? Sum::load(at_sum(i, j)) : Sum(typename Sum::element{0});
    }
  }
  const char* at = static_cast<const char*>(r.data);
  for (int k = 0; k < steps; ++k) {
    floats left[Vectors];
    FT_UNROLL for (int j = 0; j < Vectors; ++j) left[j] = floats::load(l + j * kLanes);
    FT_UNROLL for (int i = 0; i < Rows; ++i) {
      const floats right = step_at(at + i * r.row_stride);
      FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[i][j] = Step::multiply_add(right, left[j], sum[i][j]);
    }
    l += pitches.l;
    at += r.step_stride;
  }
  FT_UNROLL for (int i = 0; i < Rows; ++i) {
    FT_UNROLL for (int j = 0; j < Vectors; ++j) {
      if constexpr (M == Mode::add) sum[i][j] = sum[i][j] + Sum::load(at_sum(i, j));
      sum[i][j].store(at_sum(i, j));
    }
  }
}

template <class Step, int Rows, int Vectors, Mode M>
[[gnu::always_inline]] FT_FUNCTION void blocks(float*& d, RightRows& r, const Word* l, int& rows, int steps,
                                               Pitches pitches) {
  for (; rows >= Rows; rows -= Rows) {
    if constexpr (requires { Step::kChain; }) {
      static_assert(M == Mode::add, "panel products in chains are added to D");
      for (int k = 0; k < steps; k += Step::kChain) {
        const int left = steps - k;
        block<Step, Rows, Vectors, M>(d, r.from(0, k), l + k * pitches.l,
                                      left < Step::kChain ? left : Step::kChain, pitches);
      }
    } else {
      block<Step, Rows, Vectors, M>(d, r, l, steps, pitches);
    }
    d += Rows * pitches.d;
    r = r.from(Rows, 0);
  }
}

/// With few vectors, more rows hide the latency of a multiply-add.
template <class Step, int Vectors, Mode M>
[[gnu::noinline]] void product(float* d, RightRows r, const Word* l, int rows, int steps, Pitches pitches) {
  if constexpr (Vectors == 1 && kVectors == 4) blocks<Step, 12, Vectors, M>(d, r, l, rows, steps, pitches);
  if constexpr (Vectors <= 2 && kVectors == 4) blocks<Step, 8, Vectors, M>(d, r, l, rows, steps, pitches);
  blocks<Step, 4, Vectors, M>(d, r, l, rows, steps, pitches);
  blocks<Step, 2, Vectors, M>(d, r, l, rows, steps, pitches);
  blocks<Step, 1, Vectors, M>(d, r, l, rows, steps, pitches);
}

}  // namespace detail

/// Calls f with the number of registers, 1 ... kVectors, as a constant.
template <class F>
FT_FUNCTION void with_vectors(int vectors, F f) {
  if (vectors == kVectors) return f(std::integral_constant<int, kVectors>());
  if constexpr (kVectors > 3) {
    if (vectors == 3) return f(std::integral_constant<int, 3>());
  }
  if constexpr (kVectors > 2) {
    if (vectors == 2) return f(std::integral_constant<int, 2>());
  }
  if (vectors == 1) f(std::integral_constant<int, 1>());
}

/// D (+)= R L for `rows` rows of D and the first `vectors` registers of each.
template <class Step, Mode M>
FT_FUNCTION void multiply(float* d, RightRows r, const Word* l, int rows, int steps, int vectors,
                          Pitches pitches) {
  with_vectors(vectors,
               [&](auto v) { detail::product<Step, decltype(v)::value, M>(d, r, l, rows, steps, pitches); });
}
/// The same where rows of D and L are kWidth floats long.
template <class Step, Mode M>
FT_FUNCTION void multiply(float* d, RightRows r, const Word* l, int rows, int steps, int vectors) {
  multiply<Step, M>(d, r, l, rows, steps, vectors, {});
}

/// Packs `count` <= Width rows of `steps` 4-byte steps each into a panel: L[k][m] = step k of row
/// m. row(m) is the address of row m. Lanes without a row, up to `vectors` registers, become 0.
/// Rows of L are Width floats long.
template <int Width = kWidth, class RowAddress>
FT_FUNCTION void pack_rows(Word* l, RowAddress row, int count, int steps, int vectors) {
  const auto at = [&](int m) { return reinterpret_cast<const Word*>(row(m)); };
  const auto fetch = [&](int first) {  // a hardware prefetcher does not follow rows that lie far apart
    for (int m = first; m < first + kLanes && m < count; ++m) {
      for (int k = 0; k < steps; k += 16) __builtin_prefetch(at(m) + k);
    }
  };
  fetch(0);
  for (int first = 0; first < vectors * kLanes; first += kLanes) {
    fetch(first + kLanes);
    for (int k = 0; k < steps; k += kLanes) {
      const int width = steps - k < kLanes ? steps - k : kLanes;
      floats square[kLanes];
      if (width == kLanes && first + kLanes <= count) {
        FT_UNROLL for (int i = 0; i < kLanes; ++i) square[i] = floats::load(at(first + i) + k);
      } else {
        for (int i = 0; i < kLanes; ++i) {
          square[i] = first + i < count ? load_words(at(first + i) + k, width) : floats(0.0f);
        }
      }
      primitives::transpose(square);
      for (int i = 0; i < width; ++i) square[i].store(l + (k + i) * Width + first);
    }
  }
}

}  // namespace panel
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives

#include "flashtile/primitives/cpu/engine/panel_amx.h"
