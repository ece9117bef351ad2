// Elements whose type is known when a kernel runs.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/common/kernel/float_type.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// f(pointer to the elements), of the type that they have: f is a lambda that takes any of them.
template <class F>
FT_FUNCTION void with_elements(FT_DEVICE const void* data, FloatType type, F f) {
  switch (type) {
    case FloatType::f32: return f(static_cast<FT_DEVICE const float*>(data));
    case FloatType::f16: return f(static_cast<FT_DEVICE const half*>(data));
    case FloatType::bf16: return f(static_cast<FT_DEVICE const bfloat*>(data));
  }
}
template <class F>
FT_FUNCTION void with_elements(FT_DEVICE void* data, FloatType type, F f) {
  switch (type) {
    case FloatType::f32: return f(static_cast<FT_DEVICE float*>(data));
    case FloatType::f16: return f(static_cast<FT_DEVICE half*>(data));
    case FloatType::bf16: return f(static_cast<FT_DEVICE bfloat*>(data));
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
