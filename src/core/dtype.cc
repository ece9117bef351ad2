#include "flashtile/dtype.h"

namespace flashtile::inline v0_2 {

const char* name(DType dtype) noexcept {
  switch (dtype) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::i8: return "i8";
    case DType::u8: return "u8";
    case DType::i32: return "i32";
    case DType::int4: return "int4";
    case DType::uint4: return "uint4";
    case DType::i64: return "i64";
    case DType::f8_e4m3: return "f8_e4m3";
    case DType::f8_e5m2: return "f8_e5m2";
    case DType::q8_0: return "q8_0";
    case DType::q4_0: return "q4_0";
  }
  return "unknown";
}

int bits(DType dtype) noexcept {
  switch (dtype) {
    case DType::f64:
    case DType::i64: return 64;
    case DType::f32:
    case DType::i32: return 32;
    case DType::f16:
    case DType::bf16: return 16;
    case DType::i8:
    case DType::u8:
    case DType::f8_e4m3:
    case DType::f8_e5m2:
    case DType::q8_0: return 8;
    case DType::int4:
    case DType::uint4:
    case DType::q4_0: return 4;
  }
  return 0;
}

Block block_of(DType dtype) noexcept {
  if (dtype == DType::q8_0) return {32, 34};
  if (dtype == DType::q4_0) return {32, 18};
  const int width = bits(dtype);
  return width == 4 ? Block{2, 1} : Block{1, width / 8};
}

}  // namespace flashtile::inline v0_2
