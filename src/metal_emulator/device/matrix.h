// <metal_matrix>: matrix<T, Cols, Rows>, an array of columns, and its products with vectors and matrices.
#pragma once

#include "geometry.h"

namespace metal {

template <class T, int Cols, int Rows = Cols>
struct matrix {
  static_assert(is_one_of<T, half, bfloat, float>, "a matrix holds half, bfloat or float");
  using Column = vec<T, Rows>;
  Column columns[Cols];

  matrix() = default;
  /// `diagonal` on the diagonal, 0 elsewhere.
  constexpr explicit matrix(T diagonal) {
    for (int c = 0; c < Cols; ++c)
      for (int r = 0; r < Rows; ++r) columns[c].s[r] = c == r ? diagonal : T(0);
  }
  /// A column for each argument.
  template <class... C>
    requires(sizeof...(C) == Cols && ((components<remove_cvref_t<C>> == Rows) && ...))
  constexpr matrix(const C&... column) : columns{Column(column)...} {}
  /// The elements, column after column.
  template <class... E>
    requires(sizeof...(E) == Cols * Rows && (Scalar<E> && ...))
  constexpr matrix(const E&... element) {
    const T all[] = {T(element)...};
    for (int c = 0; c < Cols; ++c)
      for (int r = 0; r < Rows; ++r) columns[c].s[r] = all[c * Rows + r];
  }
  template <class U>
    requires(!is_same_v<U, T>)
  constexpr explicit matrix(const matrix<U, Cols, Rows>& other) {
    for (int c = 0; c < Cols; ++c) columns[c] = Column(other.columns[c]);
  }

  constexpr Column& operator[](int c) { return columns[c]; }
  constexpr const Column& operator[](int c) const { return columns[c]; }

#define METAL_OPERATOR(op)                                                      \
  friend constexpr matrix operator op(matrix a, const matrix& b) {              \
    for (int c = 0; c < Cols; ++c) a.columns[c] = a.columns[c] op b.columns[c]; \
    return a;                                                                   \
  }                                                                             \
  constexpr matrix& operator op## = (const matrix& b) { return *this = *this op b; }
  METAL_OPERATOR(+)
  METAL_OPERATOR(-)
#undef METAL_OPERATOR
  constexpr matrix operator-() const {
    matrix r;
    for (int c = 0; c < Cols; ++c) r.columns[c] = -columns[c];
    return r;
  }
  friend constexpr matrix operator*(matrix m, T factor) {
    for (int c = 0; c < Cols; ++c) m.columns[c] = m.columns[c] * factor;
    return m;
  }
  friend constexpr matrix operator*(T factor, matrix m) { return m * factor; }
  constexpr matrix& operator*=(T factor) { return *this = *this * factor; }
  friend constexpr bool operator==(const matrix& a, const matrix& b) {
    bool equal = true;
    for (int c = 0; c < Cols; ++c) equal = equal && all(a.columns[c] == b.columns[c]);
    return equal;
  }

  /// Times a column.
  friend constexpr Column operator*(const matrix& m, vec<T, Cols> v) {
    Column sum = m.columns[0] * v.s[0];
    for (int c = 1; c < Cols; ++c) sum += m.columns[c] * v.s[c];
    return sum;
  }
  /// A row times the matrix.
  friend constexpr vec<T, Cols> operator*(Column v, const matrix& m) {
    vec<T, Cols> r;
    for (int c = 0; c < Cols; ++c) r.s[c] = dot(v, m.columns[c]);
    return r;
  }
};
template <class T, int Inner, int Rows, int Cols>
constexpr matrix<T, Cols, Rows> operator*(const matrix<T, Inner, Rows>& a, const matrix<T, Cols, Inner>& b) {
  matrix<T, Cols, Rows> r;
  for (int c = 0; c < Cols; ++c) r.columns[c] = a * b.columns[c];
  return r;
}
template <class T, int N>
constexpr matrix<T, N, N>& operator*=(matrix<T, N, N>& a, const matrix<T, N, N>& b) {
  return a = a * b;
}

template <class T, int Cols, int Rows>
constexpr matrix<T, Rows, Cols> transpose(const matrix<T, Cols, Rows>& m) {
  matrix<T, Rows, Cols> r;
  for (int c = 0; c < Cols; ++c)
    for (int row = 0; row < Rows; ++row) r.columns[row].s[c] = m.columns[c].s[row];
  return r;
}
/// By the first column's minors.
template <class T, int N>
constexpr T determinant(const matrix<T, N, N>& m) {
  if constexpr (N == 2) {
    return T(m.columns[0].s[0] * m.columns[1].s[1] - m.columns[1].s[0] * m.columns[0].s[1]);
  } else {
    T sum = 0;
    for (int skipped = 0; skipped < N; ++skipped) {
      matrix<T, N - 1, N - 1> minor;
      for (int c = 1; c < N; ++c)
        for (int r = 0; r < N - 1; ++r) minor.columns[c - 1].s[r] = m.columns[c].s[r < skipped ? r : r + 1];
      const T part = T(m.columns[0].s[skipped] * determinant(minor));
      sum = T(skipped % 2 == 0 ? sum + part : sum - part);
    }
    return sum;
  }
}

}  // namespace metal

#define METAL_MATRIX(T, size, ...)               \
  using T##size = metal::matrix<T, __VA_ARGS__>; \
  using matrix_##T##size = T##size;              \
  using simd_##T##size = T##size;                \
  namespace simd {                               \
  using ::T##size;                               \
  }
#define METAL_MATRICES(T)    \
  METAL_MATRIX(T, 2x2, 2, 2) \
  METAL_MATRIX(T, 2x3, 2, 3) \
  METAL_MATRIX(T, 2x4, 2, 4) \
  METAL_MATRIX(T, 3x2, 3, 2) \
  METAL_MATRIX(T, 3x3, 3, 3) \
  METAL_MATRIX(T, 3x4, 3, 4) \
  METAL_MATRIX(T, 4x2, 4, 2) \
  METAL_MATRIX(T, 4x3, 4, 3) \
  METAL_MATRIX(T, 4x4, 4, 4)
METAL_MATRICES(float)
METAL_MATRICES(half)
METAL_MATRICES(bfloat)
#undef METAL_MATRICES
#undef METAL_MATRIX
