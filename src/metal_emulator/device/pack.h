// <metal_pack>: floats from 0 to 1, or from -1 to 1, as integers in one word.
#pragma once

#include "math.h"

namespace metal {
namespace pack_detail {

/// Numbers of the integer type I, whose largest is 1.
template <class F, class I, class Word, int N>
vec<F, N> unpacked(Word word) {
  vec<F, N> r;
  for (int i = 0; i < N; ++i) {
    const float value = float(I(word >> (i * int(sizeof(I)) * 8))) / float(numeric_limits<I>::max());
    r.s[i] = F(__builtin_fmaxf(value, -1.0f));  // the least signed number is -1 too
  }
  return r;
}
template <class F, class I, class Word, int N>
Word packed(vec<F, N> v) {
  Word word = 0;
  for (int i = 0; i < N; ++i) {
    const float least = is_signed_v<I> ? -1.0f : 0.0f, value = float(v.s[i]);
    const float inside = value != value ? 0.0f : __builtin_fminf(__builtin_fmaxf(value, least), 1.0f);
    const I number = I(__builtin_rintf(inside * float(numeric_limits<I>::max())));
    word = Word(word | Word(make_unsigned_t<I>(number)) << (i * int(sizeof(I)) * 8));
  }
  return word;
}

}  // namespace pack_detail

#define METAL_PACK(kind, format, F, I, Word, N)                \
  inline vec<F, N> unpack_##kind##format##_to_##F(Word word) { \
    return pack_detail::unpacked<F, I, Word, N>(word);         \
  }                                                            \
  inline Word pack_##F##_to_##kind##format(vec<F, N> v) { return pack_detail::packed<F, I, Word, N>(v); }
METAL_PACK(unorm, 4x8, float, uchar, uint, 4)
METAL_PACK(snorm, 4x8, float, signed char, uint, 4)
METAL_PACK(unorm, 2x16, float, ushort, uint, 2)
METAL_PACK(snorm, 2x16, float, short, uint, 2)
METAL_PACK(unorm, 4x8, half, uchar, uint, 4)
METAL_PACK(snorm, 4x8, half, signed char, uint, 4)
METAL_PACK(unorm, 2x16, half, ushort, uint, 2)
METAL_PACK(snorm, 2x16, half, short, uint, 2)
#undef METAL_PACK

}  // namespace metal
