#include "cli/oracle_arrays.h"

#include "flashtile/error.h"

namespace flashtile::cli {

reference::Element element_of(DType dtype) {
  using reference::Element;
  switch (dtype) {
    case DType::f64: return Element::f64;
    case DType::f32: return Element::f32;
    case DType::f16: return Element::f16;
    case DType::bf16: return Element::bf16;
    case DType::i32: return Element::i32;
    case DType::i8: return Element::i8;
    case DType::u8: return Element::u8;
    case DType::int4: return Element::int4;
    case DType::uint4: return Element::uint4;
    case DType::i64: return Element::i64;
    case DType::f8_e4m3: return Element::f8_e4m3;
    case DType::f8_e5m2: return Element::f8_e5m2;
    case DType::q8_0: return Element::q8_0;
    case DType::q4_0: return Element::q4_0;
  }
  throw Error(ErrorCode::internal, "oracle: there is no element type of this number");
}

reference::Format format_of(DType dtype) {
  return dtype == DType::f16    ? reference::kFloat16
         : dtype == DType::bf16 ? reference::kBfloat16
                                : reference::kFloat32;
}

}  // namespace flashtile::cli
