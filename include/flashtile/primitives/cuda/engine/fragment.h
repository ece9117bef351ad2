// Pairs of elements as the matrix units read them, and the product of 16x16 and 16x8 fragments for every pair
// of element types. Included by the CUDA primitives.
//
// In an 8x8 matrix that is a left operand or a result, lane L holds the pair (row L / 4, columns 2 (L % 4) and
// the next); in a right operand the pair (rows 2 (L % 4) and the next, column L / 4). A 16x16 left fragment is
// four such matrices in the order top left, bottom left, top right, bottom right; a 16x8 right fragment is two.
#pragma once

#include <cstdint>

#include "flashtile/dtype.h"
#include "flashtile/primitives/cuda/execution.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {
namespace detail {

// Conversions by the GPU's own instructions; all round to nearest even.

FT_FUNCTION float to_float(float x) { return x; }
FT_FUNCTION float to_float(bfloat x) { return __uint_as_float(static_cast<std::uint32_t>(x.bits) << 16); }
FT_FUNCTION float to_float(half x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
FT_FUNCTION float to_float(std::int8_t x) { return static_cast<float>(x); }
FT_FUNCTION float to_float(std::uint8_t x) { return static_cast<float>(x); }
FT_FUNCTION float to_float(std::int32_t x) { return static_cast<float>(x); }

template <class To>
struct converter {  // integers: the destination of integer products only
  template <class From>
  static FT_FUNCTION To from(From x) {
    return static_cast<To>(x);
  }
};
template <>
struct converter<half> {
  template <class From>
  static FT_FUNCTION half from(From x) {
    std::uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(to_float(x)));
    return half::from_bits(bits);
  }
};
template <>
struct converter<bfloat> {
  template <class From>
  static FT_FUNCTION bfloat from(From x) {
    std::uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(to_float(x)));
    return bfloat::from_bits(bits);
  }
};
template <>
struct converter<float> {
  template <class From>
  static FT_FUNCTION float from(From x) {
    return to_float(x);
  }
};
template <class To, class From>
FT_FUNCTION To convert_element(From x) {
  return converter<To>::from(x);
}

/// Two adjacent elements in registers: in one word if they fit.
template <class T, int Bytes = sizeof(T)>
struct element_pair {
  T x, y;
};
template <class T>
struct element_pair<T, 2> {
  std::uint32_t word;
};

template <class T>
FT_FUNCTION element_pair<T> make_pair(T x, T y) {
  if constexpr (sizeof(T) == 2) {
    return {static_cast<std::uint32_t>(x.bits) | static_cast<std::uint32_t>(y.bits) << 16};
  } else {
    return {x, y};
  }
}
template <class T>
FT_FUNCTION T first_of(element_pair<T> p) {
  if constexpr (sizeof(T) == 2)
    return T::from_bits(static_cast<std::uint16_t>(p.word));
  else
    return p.x;
}
template <class T>
FT_FUNCTION T second_of(element_pair<T> p) {
  if constexpr (sizeof(T) == 2)
    return T::from_bits(static_cast<std::uint16_t>(p.word >> 16));
  else
    return p.y;
}

/// Both elements converted; one instruction for two floats.
template <class To, class From>
FT_FUNCTION element_pair<To> convert_pair(element_pair<From> p) {
  if constexpr (std::is_same_v<To, From>) {
    return p;
  } else if constexpr (std::is_same_v<To, bfloat>) {
    std::uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(to_float(second_of(p))), "f"(to_float(first_of(p))));
    return {word};
  } else if constexpr (std::is_same_v<To, half>) {
    std::uint32_t word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(to_float(second_of(p))), "f"(to_float(first_of(p))));
    return {word};
  } else {
    return {convert_element<To>(first_of(p)), convert_element<To>(second_of(p))};
  }
}

template <class T>
struct left_fragment {
  element_pair<T> p[4];  // 16 x 16
};
template <class T>
struct right_fragment {
  element_pair<T> p[2];  // 16 x 8
};

/// How many bfloats, of 8 bits of mantissa each, hold every value of T exactly as their sum.
template <class T>
inline constexpr int bfloat_parts = 1;
template <>
inline constexpr int bfloat_parts<half> = 2;
template <>
inline constexpr int bfloat_parts<float> = 3;

/// x as a sum of N bfloats, the largest first. The further parts of an infinite x are 0, so
/// that infinity stays infinity.
template <int N, class T>
FT_FUNCTION void split(element_pair<T> p, element_pair<bfloat> (&parts)[N]) {
  if constexpr (std::is_same_v<T, bfloat>) {
    parts[0] = p;
  } else {
    element_pair<float> rest{to_float(first_of(p)), to_float(second_of(p))};
    FT_UNROLL for (int i = 0; i < N; ++i) {
      parts[i] = convert_pair<bfloat>(rest);
      if (i + 1 == N) break;
      const float x = to_float(first_of(parts[i])), y = to_float(second_of(parts[i]));
      rest.x = i == 0 && fabsf(x) == __builtin_huge_valf() ? 0.0f : rest.x - x;
      rest.y = i == 0 && fabsf(y) == __builtin_huge_valf() ? 0.0f : rest.y - y;
    }
  }
}

// One instruction: d = a b + c. d may be c.

FT_FUNCTION void mma(float (&d)[4], const left_fragment<bfloat>& a, const right_fragment<bfloat>& b,
                     const float (&c)[4]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, "
      "%11, %12, %13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a.p[0].word), "r"(a.p[1].word), "r"(a.p[2].word), "r"(a.p[3].word), "r"(b.p[0].word),
        "r"(b.p[1].word), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}
FT_FUNCTION void mma(float (&d)[4], const left_fragment<half>& a, const right_fragment<half>& b,
                     const float (&c)[4]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, "
      "%11, %12, %13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a.p[0].word), "r"(a.p[1].word), "r"(a.p[2].word), "r"(a.p[3].word), "r"(b.p[0].word),
        "r"(b.p[1].word), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

/// Packs the bytes of two pairs into one register. The matrix unit multiplies four elements along k; which four
/// does not matter as long as both operands agree.
template <class T>
FT_FUNCTION std::uint32_t byte_quad(element_pair<T> low, element_pair<T> high) {
  return static_cast<std::uint32_t>(static_cast<std::uint8_t>(low.x)) |
         static_cast<std::uint32_t>(static_cast<std::uint8_t>(low.y)) << 8 |
         static_cast<std::uint32_t>(static_cast<std::uint8_t>(high.x)) << 16 |
         static_cast<std::uint32_t>(static_cast<std::uint8_t>(high.y)) << 24;
}
template <class T>
FT_FUNCTION void mma(std::int32_t (&d)[4], const left_fragment<T>& a, const right_fragment<T>& b,
                     const std::int32_t (&c)[4]) {
  const std::uint32_t top = byte_quad(a.p[0], a.p[2]), bottom = byte_quad(a.p[1], a.p[3]);
  const std::uint32_t right = byte_quad(b.p[0], b.p[1]);
  if constexpr (std::is_same_v<T, std::int8_t>) {
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(top), "r"(bottom), "r"(right), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>, "integer products are int8 x int8 and uint8 x uint8");
    asm("mma.sync.aligned.m16n8k16.row.col.s32.u8.u8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(top), "r"(bottom), "r"(right), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
  }
}

/// c += a b with bfloats. The products of the lower parts are summed first, then that of the highest parts, and
/// both sums are added to c by rounded additions, since the matrix unit truncates its own. So float32 inputs
/// give float32 precision. Relaxed keeps 16 bits of each mantissa and drops the product of the lower halves.
template <bool Relaxed, class L, class R>
FT_FUNCTION void multiply_parts(float (&c)[4], const left_fragment<L>& a, const right_fragment<R>& b) {
  constexpr int kMost = Relaxed ? 2 : 3;
  constexpr int kLeftParts = bfloat_parts<L>, kRightParts = bfloat_parts<R>;
  constexpr int kLeft = kLeftParts < kMost ? kLeftParts : kMost;
  constexpr int kRight = kRightParts < kMost ? kRightParts : kMost;
  constexpr int kSmallest = kLeft + kRight - 2 < kMost - 1 ? kLeft + kRight - 2 : kMost - 1;
  left_fragment<bfloat> left[kLeft];
  right_fragment<bfloat> right[kRight];
  FT_UNROLL for (int i = 0; i < 4; ++i) {
    element_pair<bfloat> parts[kLeft];
    split<kLeft>(a.p[i], parts);
    FT_UNROLL for (int part = 0; part < kLeft; ++part) left[part].p[i] = parts[part];
  }
  FT_UNROLL for (int i = 0; i < 2; ++i) {
    element_pair<bfloat> parts[kRight];
    split<kRight>(b.p[i], parts);
    FT_UNROLL for (int part = 0; part < kRight; ++part) right[part].p[i] = parts[part];
  }
  float low[4] = {0.0f, 0.0f, 0.0f, 0.0f}, high[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  FT_UNROLL for (int order = kSmallest; order > 0; --order) {
    FT_UNROLL for (int i = 0; i < kLeft; ++i) {
      if (order - i >= 0 && order - i < kRight) mma(low, left[i], right[order - i], low);
    }
  }
  mma(high, left[0], right[0], high);
  FT_UNROLL for (int i = 0; i < 4; ++i) c[i] += high[i] + low[i];
}

/// c += a b for a 16x16 and a 16x8 fragment, accumulated in float32 or int32.
template <bool Relaxed, class L, class R, class Sum>
FT_FUNCTION void multiply_fragments(Sum (&c)[4], const left_fragment<L>& a, const right_fragment<R>& b) {
  if constexpr (std::is_same_v<Sum, std::int32_t>) {
    static_assert(std::is_same_v<L, R>, "integer products are int8 x int8 and uint8 x uint8");
    mma(c, a, b, c);
  } else if constexpr (std::is_same_v<L, R> && sizeof(L) == 2) {
    mma(c, a, b, c);
  } else if constexpr (std::is_same_v<L, half> && sizeof(R) == 1) {  // 8-bit integers are exact in float16
    mma(c, a, right_fragment<half>{convert_pair<half>(b.p[0]), convert_pair<half>(b.p[1])}, c);
  } else if constexpr (std::is_same_v<R, half> && sizeof(L) == 1) {
    mma(c,
        left_fragment<half>{convert_pair<half>(a.p[0]), convert_pair<half>(a.p[1]), convert_pair<half>(a.p[2]),
                            convert_pair<half>(a.p[3])},
        b, c);
  } else {
    multiply_parts<Relaxed>(c, a, b);
  }
}

/// The pair that this lane holds of the transposed 8x8 matrix.
template <class T>
FT_FUNCTION element_pair<T> transpose_matrix(element_pair<T> p) {
  if constexpr (sizeof(T) == 2) {
    element_pair<T> t;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(t.word) : "r"(p.word));
    return t;
  } else {
    const int lane = thread_index_in_simdgroup(), row = lane / 4, from = lane % 4 * 8 + row / 2;
    const T x0 = __shfl_sync(0xffffffffu, p.x, from), x1 = __shfl_sync(0xffffffffu, p.y, from);
    const T y0 = __shfl_sync(0xffffffffu, p.x, from + 4), y1 = __shfl_sync(0xffffffffu, p.y, from + 4);
    return row % 2 == 0 ? element_pair<T>{x0, y0} : element_pair<T>{x1, y1};
  }
}
}  // namespace detail
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
