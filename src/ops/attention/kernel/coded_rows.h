// Rows of q, k and v that are not of the type that a kernel multiplies: quantised ones, and those of other types than
// their neighbours. Where they lie, and how their codes become floats, for every kernel that reads them.
//
// An element is its code * its scale, rounded once to float32; codes of a row are read in runs that share a scale.
#pragma once

#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/entry.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

/// Do kernels that multiply T read coded rows too? Those of floats do, where tiles are filled: all codes are floats.
template <class T>
inline constexpr FT_CONSTANT bool kReadsCodes = false;
template <>
inline constexpr FT_CONSTANT bool kReadsCodes<float> = kFillsTiles;

// How the code of element `at` of a row that begins at `row` is read. Blocks hold their scale before their codes.
struct F32Codes {
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    return reinterpret_cast<FT_DEVICE const float*>(row)[at];
  }
};
struct F16Codes {
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    return static_cast<float>(reinterpret_cast<FT_DEVICE const half*>(row)[at]);
  }
};
struct Bf16Codes {
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    return static_cast<float>(reinterpret_cast<FT_DEVICE const bfloat*>(row)[at]);
  }
};
struct I8Codes {
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) { return static_cast<int8_t>(row[at]); }
};
struct Int4Codes {
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    return static_cast<float>(((row[at >> 1] >> 4 * (at & 1) & 15) ^ 8) - 8);
  }
};
struct F8E5M2Codes {  // the upper half of a half
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    return half_of_bits(static_cast<uint16_t>(row[at] << 8));
  }
};
struct F8E4M3Codes {  // a half whose exponent is 8 too small
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    const int byte = row[at];
    const float value = half_of_bits(static_cast<uint16_t>((byte & 128) << 8 | (byte & 127) << 7));
    return (byte & 127) == 127 ? -kMinusInfinity - -kMinusInfinity : value * 256.0f;
  }
};
struct Q8Codes {
  static constexpr FT_CONSTANT int kBytes = 34;
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    return static_cast<int8_t>(row[at / 32 * kBytes + 2 + at % 32]);
  }
};
struct Q4Codes {
  static constexpr FT_CONSTANT int kBytes = 18;
  static FT_FUNCTION float code(FT_DEVICE const uint8_t* row, int at) {
    const int pair = row[at / 32 * kBytes + 2 + at % 16];
    return static_cast<float>((pair >> (at % 32 < 16 ? 0 : 4) & 15) - 8);
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
      case StoredType::f32: return read_as<F32Codes>(row, column, count, to);
      case StoredType::f16: return read_as<F16Codes>(row, column, count, to);
      case StoredType::bf16: return read_as<Bf16Codes>(row, column, count, to);
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

 private:
  /// The scale of group `group` of the elements of a row, which begins at `from`.
  FT_FUNCTION float scale_of(int64_t row, FT_DEVICE const uint8_t* from, int group) const {
    if (rows_.type == StoredType::q8_0) return block_scale(from + group * Q8Codes::kBytes);
    if (rows_.type == StoredType::q4_0) return block_scale(from + group * Q4Codes::kBytes);
    if (rows_.scales == nullptr) return 1.0f;
    const int64_t at = first_scale_ + row * rows_.scale_strides.row + group * rows_.scale_group_stride;
    if (rows_.scales_are_f16) return static_cast<float>(static_cast<FT_DEVICE const half*>(rows_.scales)[at]);
    return static_cast<FT_DEVICE const float*>(rows_.scales)[at];
  }
  static FT_FUNCTION float block_scale(FT_DEVICE const uint8_t* block) {  // at any address
    return half_of_bits(static_cast<uint16_t>(block[0] | block[1] << 8));
  }

  template <class Codes>
  FT_FUNCTION void read_as(int64_t row, int column, int count, FT_THREAD float* to) const {
    FT_DEVICE const uint8_t* from = first_ + row * rows_.strides.row;
    for (int i = 0; i < count;) {
      const int group = (column + i) / rows_.group, next = (group + 1) * rows_.group - column;
      const int end = next < count ? next : count;
      const float scale = scale_of(row, from, group);
      for (; i < end; ++i) to[i] = Codes::code(from, column + i) * scale;
    }
  }

  FT_CONSTANT const CodedRows& rows_;
  FT_DEVICE const uint8_t* first_;
  int64_t first_scale_;
};

// The rows of a head from `row` on.
FT_FUNCTION CodedRun coded_query_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                                      int64_t row) {
  return CodedRun(p.coded_q, batch, head, row + first_row(p.query_starts, batch, p.query_length));
}
FT_FUNCTION CodedRun coded_key_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t kv_head,
                                    int64_t row) {
  return CodedRun(p.coded_k, batch, kv_head, row + first_row(p.kv_starts, batch, p.kv_length));
}
FT_FUNCTION CodedRun coded_value_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t kv_head,
                                      int64_t row) {
  return CodedRun(p.coded_v, batch, kv_head, row + first_row(p.kv_starts, batch, p.kv_length));
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
