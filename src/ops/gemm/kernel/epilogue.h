// What happens to a tile of sums: C = alpha * sums + beta * C, in C's own type.
#pragma once

#include "flashtile/detail/grid.h"
#include "flashtile/primitives.h"
#include "src/ops/gemm/kernel/params.h"
#include "src/ops/gemm/kernel/tiles.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;  // kernel text names the primitives without a prefix

template <class T>
using GemmMatrix = tensor<FT_DEVICE T, dextents<int, 2>, tensor_inline>;

/// A whole operand or result: `lines` runs of `length` adjacent elements.
template <class T>
FT_FUNCTION GemmMatrix<T> matrix_of(FT_DEVICE T* data, int64_t stride, int length, int lines) {
  const int64_t strides[2] = {1, stride};
  return GemmMatrix<T>(data, dextents<int, 2>(length, lines), strides);
}

template <class C, class Tile>
FT_FUNCTION void store_as(FT_CONSTANT const GemmParams& p, FT_THREAD Tile& sums, FT_THREAD Tile& old, int row,
                          int column) {
  auto c = matrix_of(static_cast<FT_DEVICE C*>(p.c), p.c_stride, p.n, p.m).slice(column, row);
  const float alpha = p.alpha, beta = p.beta;
  if (beta != 0.0f) {
    load(old, c);
    map_elements(sums, old, [=](auto sum, auto before) { return sum * alpha + before * beta; });
  } else if (alpha != 1.0f) {
    map_elements(sums, [=](auto sum) { return sum * alpha; });
  }
  store(sums, c);
}

/// Stores a tile of sums; the last argument only names their type. `old` is room for C's former elements. beta
/// of an integer product is 0 or 1.
template <class Tile>
FT_FUNCTION void store_sums(FT_CONSTANT const GemmParams& p, FT_THREAD Tile& sums, FT_THREAD Tile& old, int row,
                            int column, float) {
  switch (p.c_type) {
    case GemmOutput::f16: return store_as<half>(p, sums, old, row, column);
    case GemmOutput::bf16: return store_as<bfloat>(p, sums, old, row, column);
    default: return store_as<float>(p, sums, old, row, column);
  }
}

template <class Tile>
FT_FUNCTION void store_sums(FT_CONSTANT const GemmParams& p, FT_THREAD Tile& sums, FT_THREAD Tile& old, int row,
                            int column, int32_t) {
  auto c = matrix_of(static_cast<FT_DEVICE int32_t*>(p.c), p.c_stride, p.n, p.m).slice(column, row);
  if (p.beta != 0.0f) {
    load(old, c);
    map_elements(sums, old, [](auto sum, auto before) { return sum + before; });
  }
  store(sums, c);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
