// Rows of q, k and v that are not of the type that a kernel multiplies: quantised ones, and those of other types than
// their neighbours. Where they lie, and how their codes become floats, for every kernel that reads them.
//
// An element is its code * its scale, rounded once to float32; codes of a row are read in runs that share a scale.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/key_place.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

/// Do kernels that multiply T read coded rows too? Those of floats do, where tiles are filled: all codes are floats.
template <class T>
inline constexpr FT_CONSTANT bool kReadsCodes = false;
template <>
inline constexpr FT_CONSTANT bool kReadsCodes<float> = kFillsTiles;

// How codes are read. Those from element `at` of a row on, up to the next multiple of kRun where there is one, are a run:
// it begins at start(), and code() is its r-th code; part() says which of the codes that share bytes they are.
struct WholeCodes {  // each has bytes of its own
  static constexpr FT_CONSTANT int kRun = 0;
  static FT_FUNCTION int part(int) { return 0; }
};
template <class T>
struct FloatCodes : WholeCodes {
  static FT_FUNCTION FT_DEVICE const uint8_t* start(FT_DEVICE const uint8_t* row, int at) {
    return row + at * static_cast<int>(sizeof(T));
  }
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* run, int, int r) {
    return static_cast<float>(reinterpret_cast<FT_DEVICE const T*>(run)[r]);
  }
};
struct ByteCodes : WholeCodes {
  static FT_FUNCTION FT_DEVICE const uint8_t* start(FT_DEVICE const uint8_t* row, int at) { return row + at; }
};
struct I8Codes : ByteCodes {
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* run, int, int r) {
    return static_cast<int8_t>(run[r]);
  }
};
struct F8E5M2Codes : ByteCodes {  // the upper half of a half
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* run, int, int r) {
    return half_of_bits(static_cast<uint16_t>(run[r] << 8));
  }
};
struct F8E4M3Codes : ByteCodes {  // a half whose exponent is 8 too small
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* run, int, int r) {
    const int byte = run[r];
    const float value = half_of_bits(static_cast<uint16_t>((byte & 128) << 8 | (byte & 127) << 7));
    return (byte & 127) == 127 ? kMinusInfinity - kMinusInfinity : value * 256.0f;
  }
};
struct Int4Codes {
  static constexpr FT_CONSTANT int kRun = 0;
  static FT_FUNCTION int part(int at) { return at & 1; }
  static FT_FUNCTION FT_DEVICE const uint8_t* start(FT_DEVICE const uint8_t* row, int at) {
    return row + at / 2;
  }
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* run, int part, int r) {
    return static_cast<float>(((run[(r + part) >> 1] >> 4 * ((r + part) & 1) & 15) ^ 8) - 8);
  }
};
// Blocks of 32 elements hold their scale before their codes.
struct Q8Codes : I8Codes {
  static constexpr FT_CONSTANT int kRun = 32, kBytes = 34;
  static FT_FUNCTION FT_DEVICE const uint8_t* start(FT_DEVICE const uint8_t* row, int at) {
    return row + at / 32 * kBytes + 2 + at % 32;
  }
};
struct Q4Codes {  // the low halves of 16 bytes, then the high ones
  static constexpr FT_CONSTANT int kRun = 16, kBytes = 18;
  static FT_FUNCTION int part(int at) { return at % 32 / 16; }
  static FT_FUNCTION FT_DEVICE const uint8_t* start(FT_DEVICE const uint8_t* row, int at) {
    return row + at / 32 * kBytes + 2 + at % 16;
  }
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* run, int part, int r) {
    return static_cast<float>((run[r] >> 4 * part & 15) - 8);
  }
};

/// Rows of codes of one head that follow each other.
class CodedRun {
 public:
  FT_FUNCTION CodedRun(FT_CONSTANT const CodedRows& rows, int64_t batch, int64_t head, int64_t row)
      : rows_(rows),
        first_(rows.data + batch * rows.strides.batch + head * rows.strides.head + row * rows.strides.row),
        first_scale_(batch * rows.scale_strides.batch + head * rows.scale_strides.head +
                     row * rows.scale_strides.row) {}

  /// to[i] = element column + i of a row, i < count.
  FT_FUNCTION void read(int64_t row, int column, int count, FT_THREAD float* to) const {
    switch (rows_.type) {
      case StoredType::f32: return read_as<FloatCodes<float>>(row, column, count, to);
      case StoredType::f16: return read_as<FloatCodes<half>>(row, column, count, to);
      case StoredType::bf16: return read_as<FloatCodes<bfloat>>(row, column, count, to);
      case StoredType::i8: return read_as<I8Codes>(row, column, count, to);
      case StoredType::int4: return read_as<Int4Codes>(row, column, count, to);
      case StoredType::f8_e4m3: return read_as<F8E4M3Codes>(row, column, count, to);
      case StoredType::f8_e5m2: return read_as<F8E5M2Codes>(row, column, count, to);
      case StoredType::q8_0: return read_as<Q8Codes>(row, column, count, to);
      case StoredType::q4_0: return read_as<Q4Codes>(row, column, count, to);
      default: return;
    }
  }
  FT_FUNCTION float element(int64_t row, int column) const {
    float value = 0.0f;
    read(row, column, 1, &value);
    return value;
  }
  /// The scale of a group of a row's elements.
  FT_FUNCTION float scale(int64_t row, int group) const { return scale_of(row, this->row(row), group); }
  /// Where a row begins, and the first of its scales among those of the call.
  FT_FUNCTION FT_DEVICE const uint8_t* row(int64_t row) const { return first_ + row * rows_.strides.row; }
  FT_FUNCTION int64_t first_scale(int64_t row) const { return first_scale_ + row * rows_.scale_strides.row; }

 private:
  /// The scale of group `group` of the elements of a row, which begins at `from`.
  FT_FUNCTION float scale_of(int64_t row, FT_DEVICE const uint8_t* from, int group) const {
    if (rows_.type == StoredType::q8_0) return block_scale(from + group * Q8Codes::kBytes);
    if (rows_.type == StoredType::q4_0) return block_scale(from + group * Q4Codes::kBytes);
    if (rows_.scales == nullptr) return 1.0f;
    const int64_t at = first_scale(row) + group * rows_.scale_group_stride;
    if (rows_.scales_are_f16) return static_cast<float>(static_cast<FT_DEVICE const half*>(rows_.scales)[at]);
    return static_cast<FT_DEVICE const float*>(rows_.scales)[at];
  }
  static FT_FUNCTION float block_scale(FT_DEVICE const uint8_t* block) {  // at any address
    return half_of_bits(static_cast<uint16_t>(block[0] | block[1] << 8));
  }

  template <class Codes>
  FT_FUNCTION void read_as(int64_t row, int column, int count, FT_THREAD float* to) const {
    FT_DEVICE const uint8_t* from = this->row(row);
    for (int i = 0; i < count;) {
      const int at = column + i, group = at / rows_.group;
      int next = (group + 1) * rows_.group;
      if constexpr (Codes::kRun > 0) next = min(next, (at / Codes::kRun + 1) * Codes::kRun);
      const int end = min(next - column, count);
      const float scale = scale_of(row, from, group);
      FT_DEVICE const uint8_t* run = Codes::start(from, at);
      const int part = Codes::part(at), length = end - i;
      for (int r = 0; r < length; ++r) to[i + r] = Codes::code(run, part, r) * scale;
      i = end;
    }
  }

  FT_CONSTANT const CodedRows& rows_;
  FT_DEVICE const uint8_t* first_;
  int64_t first_scale_;
};

// The rows of a head from `row` on; of keys and values as many follow each other as adjacent_keys says.
FT_FUNCTION CodedRun coded_query_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                                      int64_t row) {
  return CodedRun(p.coded_q, batch, head, row + first_row(p.query_starts, batch, p.query_length));
}
FT_FUNCTION CodedRun coded_key_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t kv_head,
                                    int64_t row) {
  const KeyPlace place = key_place(p, batch, row);
  return CodedRun(p.coded_k, place.entry, kv_head, place.row);
}
FT_FUNCTION CodedRun coded_value_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t kv_head,
                                      int64_t row) {
  const KeyPlace place = key_place(p, batch, row);
  return CodedRun(p.coded_v, place.entry, kv_head, place.row);
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
