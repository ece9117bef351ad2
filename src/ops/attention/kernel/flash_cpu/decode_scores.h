// S = K Q for a handful of queries: their rows are kept in chunks of a register, with which rows of K are
// multiplied as they are read.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/decode_shape.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

template <class T, int Rows>
class DecodeScores : DecodeShape<T, Rows> {
  using Shape = DecodeShape<T, Rows>;
  using Shape::kShared, Shape::kChunk, Shape::kRegisters, Shape::kChunkElements, Shape::kChunkBytes,
      Shape::kAbreast, Shape::kKeys, Shape::place, Shape::fetch;
  using Element = typename Shape::Element;
  using Step = typename Shape::Step;

 public:
  DecodeScores(Scratch& scratch, const DecodeSizes<T, Rows>& sizes)
      : sizes_(sizes),
        queries_(scratch.take<float>(kRegisters * sizes.chunks * kLanes)),
        short_keys_(scratch.take<float>(kAbreast * kLanes)),
        last_chunk_(scratch.take<float>(kLanes)) {}

  /// The first row's chunks.
  const float* query() const { return queries_; }

  void start() {
    for (int i = 0; i < kAbreast * kLanes; ++i) short_keys_[i] = 0.0f;
    const int repeated = (sizes_.chunks * kChunkElements - sizes_.head_dim) * (4 / Element::kPerStep);  // bytes
    for (int i = 0; i < 4 * kLanes; ++i)
      reinterpret_cast<unsigned char*>(last_chunk_)[i] = i % (4 * kChunk) < repeated ? 0x00 : 0xff;
    for (int i = 0; i < kRegisters * sizes_.chunks * kLanes; ++i) queries_[i] = 0.0f;
  }
  /// Query row r <- `row`.
  void set(int r, const T* row) {
    row = chunks_of(row, 0);
    float* to = queries_ + r / kShared * sizes_.chunks * kLanes + r % kShared * kChunk;
    for (int s = 0; s < sizes_.chunks; ++s, to += kLanes) {
      const floats chunk = s < whole_chunks() ? load_chunk(row + s * kChunkElements) : load_last_chunk(row);
      std::memcpy(to, &chunk, kChunk * sizeof(float));
    }
  }

  /// scores <- K Q of a block, not yet scaled; keys of the next block are prefetched meanwhile.
  void multiply(RowRun<const T> rows, int keys, float* scores) {
    const auto [first, stride] = rows;
    for (int c = 0; c < keys; c += kKeys) {
      floats sum[kRegisters][kKeys];
      FT_UNROLL for (int i = 0; i < kKeys; i += kAbreast) {
        const T* row[kAbreast];
        FT_UNROLL for (int n = 0; n < kAbreast; ++n) row[n] = first + min(c + i + n, keys - 1) * stride;
        fetch(row, sizes_.ahead * stride, sizes_.head_dim);
        const T* k[kAbreast];
        FT_UNROLL for (int n = 0; n < kAbreast; ++n) k[n] = chunks_of(row[n], n);
        multiply_keys(k, sum, i);
      }
      FT_UNROLL for (int i = 0; i < kKeys; i += kChunk) {
        FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
          floats of_chunk[kChunk];
          FT_UNROLL for (int n = 0; n < kChunk; ++n) of_chunk[n] = sum[j][i + n];
          sum_lanes(of_chunk);
          of_chunk[0].store(scores + place(c + i, j * kShared));
        }
      }
    }
  }

  /// One chunk of a key, repeated for each query row that shares a register.
  static FT_FUNCTION floats load_chunk(const T* from) {
    if constexpr (!Element::kConverted) {
      return panel::load_repeated<floats::native, kChunkBytes>(from);
    } else {
      using Bits = lane_vector<std::uint16_t>;
      return floats_of<T>(panel::load_repeated<Bits, kChunkBytes>(from));
    }
  }

 private:
  /// sum[][i ...] <- the scores of kAbreast keys, not yet summed over lanes.
  FT_FUNCTION void multiply_keys(const T* const (&k)[kAbreast], floats (&sum)[kRegisters][kKeys], int i) {
    const float* const queries = queries_;
    const int chunks = sizes_.chunks, whole = whole_chunks();
    floats of_keys[kRegisters][kAbreast];
    FT_UNROLL for (int n = 0; n < kAbreast; ++n) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) of_keys[j][n] = 0.0f;
    }
    const auto multiply = [&](int s, auto load) {
      floats left[kRegisters];
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        left[j] = floats::load(queries + (j * chunks + s) * kLanes);
      }
      FT_UNROLL for (int n = 0; n < kAbreast; ++n) {
        const floats right = load(k[n]);
        FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
          of_keys[j][n] = Step::multiply_add(right, left[j], of_keys[j][n]);
        }
      }
    };
    for (int s = 0; s < whole; ++s)
      multiply(s, [=](const T* row) { return load_chunk(row + s * kChunkElements); });
    if (whole < chunks) multiply(whole, [this](const T* row) { return load_last_chunk(row); });
    FT_UNROLL for (int n = 0; n < kAbreast; ++n) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) sum[j][i + n] = of_keys[j][n];
    }
  }

  // A row is read where it lies, in whole chunks plus one that ends where the row ends; the elements that this
  // one repeats are masked to 0. A row shorter than a chunk is copied.
  int whole_chunks() const { return max(1, sizes_.head_dim / kChunkElements); }
  FT_FUNCTION const T* chunks_of(const T* row, int line) {
    if (sizes_.head_dim >= kChunkElements) return row;
    float* copy = short_keys_ + line * kLanes;
    std::memcpy(static_cast<void*>(copy), row, static_cast<std::size_t>(sizes_.head_dim) * sizeof(T));
    return reinterpret_cast<const T*>(copy);
  }
  FT_FUNCTION floats load_last_chunk(const T* row) const {
    return floats_of_bits(bits_of(load_chunk(row + sizes_.head_dim - kChunkElements)) &
                          bits_of(floats::load(last_chunk_)));
  }

  DecodeSizes<T, Rows> sizes_;
  float* queries_;     ///< (registers of rows, chunks of D, kLanes)
  float* short_keys_;  ///< (keys abreast, kLanes)
  float* last_chunk_;  ///< (kLanes) mask of the elements that the last chunk does not repeat
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
