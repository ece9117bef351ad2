// How decode.h lays out a few queries over registers, and how much of K and V it reads at a time.
#pragma once

#include "flashtile/primitives/cpu/engine/lanes.h"
#include "src/ops/attention/kernel/flash_cpu/operands.h"
#include "src/ops/common/kernel/cpu/scratch.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

inline constexpr int kDecodeRows = 8;  ///< groups with more queries than this take the prefill schedules
/// Most keys of a block. K and V of one and of the next, which is fetched meanwhile, leave room in a 48 KiB L1.
inline constexpr int kMostDecodeKeys = 64;

inline constexpr int kCodedKeys = 32;  ///< of a block of coded rows, which are shorter

/// total <- total + part, and part <- 0.
inline void add_to(float* total, float* part, int count) {
  for (int i = 0; i < count; i += kLanes) {
    (floats::load(total + i) + floats::load(part + i)).store(total + i);
    floats(0.0f).store(part + i);
  }
}

/// Of up to Rows queries.
template <class T, int Rows>
struct DecodeShape {
  using Element = Operand<T>;
  using Step = typename Element::Step;

  // Two query rows share a register, each in one half of its lanes. A chunk of a key is as many
  // steps as a row has lanes and is loaded into both halves: one multiplication serves both rows,
  // and fewer lanes are left to sum.
  static constexpr int kShared = min(Rows, 2);       ///< rows in a register
  static constexpr int kChunk = kLanes / kShared;    ///< lanes of a row: steps of a chunk, or keys of scores
  static constexpr int kRegisters = Rows / kShared;  ///< registers that hold all rows
  static constexpr int kChunkElements = kChunk * Element::kPerStep;
  static constexpr int kChunkBytes = kChunkElements * static_cast<int>(sizeof(T));
  static constexpr int kHalf = kLanes < 16 ? 8 : 16;  ///< half of all registers
  /// Keys read at a time. One row reads one key after another, since memory is fastest in sequence; more rows
  /// read as many as half of all registers have room for sums.
  static constexpr int kAbreast =
      Rows == 1 ? 1 : min(kHalf / kRegisters, (Rows < kDecodeRows ? 4 : 8) / static_cast<int>(sizeof(T)));
  static constexpr int kKeys = max(kChunk, kAbreast);  ///< keys that are scored at a time

  /// Are weights rounded to bfloat and multiplied with values in pairs of keys? One row alone waits for memory
  /// in any case, and keeps float32 weights.
  static constexpr bool kPairs = Element::kPerStep == 2 && Rows > 1;
  static constexpr int kValuesPerStep = kPairs ? 2 : 1;
  /// Bytes of a block of K, and of V. Short, so that memory is not idle for long during the softmax; longer for
  /// several rows, which share each step of it.
  static constexpr int kBlockBytes = Rows == 1 ? 4096 : 8192;
  /// Most registers that a query, and its output, may take for one loop to read both K and V.
  static constexpr int kTogether = Rows == 1 && Element::kPerStep == 1 ? kHalf / 2 : 0;
  static constexpr int kTogetherBytes = 16384;  ///< of a block of K, and of V
  /// Registers of columns that are summed at a time.
  static constexpr int kSums = Rows == 1 ? 8 : kHalf / Rows;
  static constexpr int kFewestSums = kPairs ? 2 : 1;
  static constexpr int kColumns = kSums * kLanes;

  /// Where the score of key c and row r of a block is.
  static constexpr int place(int c, int r) {
    return (c / kChunk * kRegisters + r / kShared) * kLanes + r % kShared * kChunk + c % kChunk;
  }

  /// Prefetches `elements` elements of each row, from `ahead` elements after its start on. Past the last key
  /// lie those of the next task, or memory that a prefetch does not harm.
  template <int Count>
  static FT_FUNCTION void fetch(const T* const (&row)[Count], std::int64_t ahead, int elements) {
    FT_UNROLL for (int n = 0; n < Count; ++n) {
      for (int i = 0; i < elements; i += 64 / static_cast<int>(sizeof(T)))
        __builtin_prefetch(row[n] + (ahead + i));
    }
  }
};

/// What differs from call to call.
template <class T, int Rows>
struct DecodeSizes {
  using Shape = DecodeShape<T, Rows>;

  int head_dim, value_dim;
  int chunks;         ///< of a key
  int output_stride;  ///< floats from one row of the output to the next
  bool together;      ///< does one loop read K and V?
  int block;          ///< keys
  int ahead;          ///< prefetch distance in keys; exactly one block was up to 6 % slower

  explicit DecodeSizes(const AttentionParams& p)
      : head_dim(p.head_dim),
        value_dim(p.value_dim),
        chunks((p.head_dim + Shape::kChunkElements - 1) / Shape::kChunkElements),
        output_stride(rounded_up(p.value_dim, Shape::kColumns)),
        together(Shape::kTogether > 0 && !p.coded_k.given() && p.head_dim == p.value_dim &&
                 (p.head_dim == Shape::kTogether * kLanes || p.head_dim == Shape::kTogether / 2 * kLanes)),
        block(p.coded_k.given() ? kCodedKeys
                                : min(kMostDecodeKeys,
                                      rounded_up((together ? Shape::kTogetherBytes : Shape::kBlockBytes) /
                                                     static_cast<int>(sizeof(T)) / max(p.head_dim, p.value_dim),
                                                 16))),
        ahead(block + block / 4) {}
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
