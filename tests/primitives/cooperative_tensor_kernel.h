// Kernels of tests of cooperative tensors, and the tiles that they work on.
#pragma once

#include "tests/primitives/harness.h"

namespace flashtile::test {

template <class T>
using Matrix = tensor<T, dextents<int, 2>, tensor_inline>;

struct InOut {
  const float* in;
  float* out;
};

/// Launches F::run, a kernel body with P as its parameters, on F::kSimdgroups simdgroups.
template <class F, class P, int Simdgroups = 1>
struct Body {
  using Params = P;
  struct Threadgroup {};
  static constexpr int kSimdgroups = Simdgroups;
  static FT_FUNCTION void run(const P& p, Threadgroup&, GridPosition) { F::run(p); }
};

template <int M, int N, class Element, class Scope = execution_simdgroup>
FT_FUNCTION auto destination() {
  using Product = matmul2d<matmul2d_descriptor{M, N, 16}, Scope>;
  if constexpr (std::is_same_v<Element, std::int32_t>) {
    return Product::template get_destination_cooperative_tensor<Matrix<const std::int8_t>,
                                                                Matrix<const std::int8_t>, Element>();
  } else {
    using Input = std::conditional_t<std::is_same_v<Element, float>, float, Element>;
    return Product::template get_destination_cooperative_tensor<Matrix<const Input>, Matrix<const Input>,
                                                                Element>();
  }
}

}  // namespace flashtile::test
