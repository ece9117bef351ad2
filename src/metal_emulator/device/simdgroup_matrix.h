// <metal_simdgroup_matrix>: 8x8 matrices over the 32 lanes of a simdgroup, two elements a lane, in the map that Apple's GPUs
// have had from M1 to M5.
#pragma once

#include "product.h"
#include "simd.h"

namespace metal_device {

// Bits of the lane, highest first: row 4, column 4, row 2, row 1, column 2.
constexpr uint32_t matrix_row(uint32_t lane) { return (lane / 4 & 4) + (lane / 2) % 4; }
constexpr uint32_t matrix_column(uint32_t lane) { return (lane / 4 & 2) * 2 + (lane % 2) * 2; }

}  // namespace metal_device

namespace metal {

template <class T, int Cols, int Rows = Cols>
struct simdgroup_matrix {
  static_assert(Cols == 8 && Rows == 8, "only 8x8 simdgroup matrices exist");
  static_assert(is_one_of<T, half, bfloat, float>, "a simdgroup_matrix holds half, bfloat or float");

  simdgroup_matrix() = default;  // not initialised, as Metal's
  /// `diagonal` on the diagonal, 0 elsewhere.
  explicit simdgroup_matrix(T diagonal) {
    const uint32_t lane = metal_device::lane_id(), row = metal_device::matrix_row(lane),
                   column = metal_device::matrix_column(lane);
    for (uint32_t i = 0; i < 2; ++i) elements_[i] = row == column + i ? diagonal : T(0);
  }

  /// This lane's elements: row matrix_row(lane), columns matrix_column(lane) and the next.
  vec<T, 2>& thread_elements() { return elements_; }
  const vec<T, 2>& thread_elements() const { return elements_; }

 private:
  vec<T, 2> elements_;
};
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;

template <class T, int Cols, int Rows = Cols>
simdgroup_matrix<T, Cols, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Cols, Rows> matrix;
  matrix.thread_elements() = vec<T, 2>(value);
  return matrix;
}

namespace matrix_detail {

/// Address of this lane's element i. The origin is in memory's coordinates, x along a row of memory, transposed or not.
template <class T>
METAL_UNCHECKED T* element(T* base, ulong row_elements, vec<ulong, 2> origin, bool transpose, uint32_t i) {
  const uint32_t lane = metal_device::lane_id(), row = metal_device::matrix_row(lane),
                 column = metal_device::matrix_column(lane) + i;
  return transpose ? base + (origin.y + column) * row_elements + origin.x + row
                   : base + (origin.y + row) * row_elements + origin.x + column;
}

}  // namespace matrix_detail

template <class T>
METAL_UNCHECKED void simdgroup_load(simdgroup_matrix<T, 8, 8>& matrix, const T* source,
                                    ulong elements_per_row = 8, vec<ulong, 2> origin = vec<ulong, 2>(0ul),
                                    bool transpose = false, METAL_HERE) {
  for (uint32_t i = 0; i < 2; ++i) {
    const T* from = matrix_detail::element(source, elements_per_row, origin, transpose, i);
    metal_device::touch(from, sizeof(T), metal_device::Access::read, METAL_SITE("simdgroup_load"));
    matrix.thread_elements().s[i] = *from;
  }
}
template <class T>
METAL_UNCHECKED void simdgroup_store(simdgroup_matrix<T, 8, 8> matrix, T* target, ulong elements_per_row = 8,
                                     vec<ulong, 2> origin = vec<ulong, 2>(0ul), bool transpose = false,
                                     METAL_HERE) {
  for (uint32_t i = 0; i < 2; ++i) {
    T* to = matrix_detail::element(target, elements_per_row, origin, transpose, i);
    metal_device::touch(to, sizeof(T), metal_device::Access::write, METAL_SITE("simdgroup_store"));
    *to = matrix.thread_elements().s[i];
  }
}

namespace matrix_detail {

/// One lane's part of d = a · b + c; without c, of d = a · b.
template <class D, class A, class B, class C>
struct Multiply {
  vec<D, 2>* d;
  const vec<A, 2>* a;
  const vec<B, 2>* b;
  const vec<C, 2>* c;

  template <class Visit>
  METAL_UNCHECKED static void each_element(Visit visit) {
    for (uint32_t lane = 0; lane < metal_device::kLanes; ++lane)
      for (uint32_t i = 0; i < 2; ++i)
        visit(lane, i, metal_device::matrix_row(lane) * 8 + metal_device::matrix_column(lane) + i);
  }
  /// Gathers the lanes' elements, multiplies in float32 with k ascending, and rounds once.
  METAL_UNCHECKED static void operation(void* const* arguments, uint32_t) {
    auto* const* lanes = reinterpret_cast<Multiply* const*>(arguments);
    float left[64], right[64], sum[64];
    each_element([&](uint32_t lane, uint32_t i, uint32_t at) METAL_UNCHECKED {
      left[at] = float(lanes[lane]->a->s[i]);
      right[at] = float(lanes[lane]->b->s[i]);
      sum[at] = lanes[lane]->c != nullptr ? float(lanes[lane]->c->s[i]) : 0.0f;
    });
    metal_device::multiply_sequential(sum, left, right, 8, 8, 8);
    each_element([&](uint32_t lane, uint32_t i, uint32_t at)
                     METAL_UNCHECKED { lanes[lane]->d->s[i] = D(sum[at]); });
  }
};

template <class D, class A, class B, class C>
METAL_UNCHECKED void multiply(Multiply<D, A, B, C> lane, const metal_device::Site& site) {
  metal_device::runtime->wait(metal_device::Wait::whole_simdgroup, 0, &Multiply<D, A, B, C>::operation, &lane,
                              site);
}

}  // namespace matrix_detail

template <class D, class A, class B, class C>
METAL_UNCHECKED void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8> a,
                                                   simdgroup_matrix<B, 8, 8> b, simdgroup_matrix<C, 8, 8> c,
                                                   METAL_HERE) {
  matrix_detail::multiply(matrix_detail::Multiply<D, A, B, C>{&d.thread_elements(), &a.thread_elements(),
                                                              &b.thread_elements(), &c.thread_elements()},
                          METAL_SITE("simdgroup_multiply_accumulate"));
}
template <class D, class A, class B>
METAL_UNCHECKED void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8> a,
                                        simdgroup_matrix<B, 8, 8> b, METAL_HERE) {
  matrix_detail::multiply(matrix_detail::Multiply<D, A, B, D>{&d.thread_elements(), &a.thread_elements(),
                                                              &b.thread_elements(), nullptr},
                          METAL_SITE("simdgroup_multiply"));
}
/// An operator takes no default argument for its place in the source; its return address is in the kernel.
template <class T>
METAL_UNCHECKED __attribute__((noinline)) simdgroup_matrix<T, 8, 8> operator*(simdgroup_matrix<T, 8, 8> a,
                                                                              simdgroup_matrix<T, 8, 8> b) {
  simdgroup_matrix<T, 8, 8> d;
  matrix_detail::multiply(matrix_detail::Multiply<T, T, T, T>{&d.thread_elements(), &a.thread_elements(),
                                                              &b.thread_elements(), nullptr},
                          METAL_CALLER("operator* of simdgroup_matrix"));
  return d;
}

}  // namespace metal
