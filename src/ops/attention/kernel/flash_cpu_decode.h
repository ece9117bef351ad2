// Attention for a handful of queries, where reading K and V is all the time there is: lanes run along the rows
// of K and V, each row is read once for all query heads of its group, and the next rows are fetched meanwhile.
//
//   for each block of a few KiB of K and of V:
//     S = sums over lanes of K row * Q row   (keys, Rows), float32
//     scale and mask S where needed;  P = exp2(S - maximum)
//     O = O + P V                            (Rows, output columns), float32
#pragma once

#include "src/ops/attention/kernel/flash_cpu_mask.h"
#include "src/ops/attention/kernel/flash_cpu_split.h"

namespace flashtile::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

inline constexpr int kDecodeRows = 8;  ///< more queries of a group than this are panels
/// Keys of a block: K and V of one and of the next, which is fetched meanwhile, leave room in a 48 KiB L1.
inline constexpr int kDecodeBytes = 8192, kMostDecodeKeys = 64;

/// Dot products of rows: kLanes steps of R times L, added to d.
template <class T>
struct RowDot {
  static constexpr int kElements = kLanes * Operand<T>::kPerStep;  ///< of T in a register of steps

  static FT_FUNCTION floats load(const T* from, int left) {
    if constexpr (Operand<T>::kPerStep == 1) {
      return load_some(from, left);
    } else {
      if (left >= kElements) {
        floats v;
        std::memcpy(&v, from, sizeof v);
        return v;
      }
      alignas(64) T rest[kElements] = {};
      std::memcpy(static_cast<void*>(rest), from, static_cast<std::size_t>(left) * sizeof(T));
      return floats::load(reinterpret_cast<const float*>(rest));
    }
  }
};

/// v[0] <- the sum over lanes of v[i] in lane i.
template <int Step = 1>
FT_FUNCTION void sum_lanes(floats (&v)[kLanes]) {
  FT_UNROLL for (int i = 0; i < kLanes; i += 2 * Step) {
    primitives::detail::exchange<Step>(v[i].v, v[i + Step].v, std::make_integer_sequence<int, kLanes>());
    v[i] = v[i] + v[i + Step];
  }
  if constexpr (2 * Step < kLanes) sum_lanes<2 * Step>(v);
}

template <class T>
class Decode {
 public:
  static bool suits(const AttentionParams& p) { return rows_of(p) <= kDecodeRows; }
  static KeySplits splits(const AttentionParams& p) { return {p, std::int64_t{p.batch} * p.kv_heads}; }
  static std::int64_t tasks(const AttentionParams& p) {
    return std::int64_t{p.batch} * p.kv_heads * splits(p).count;
  }
  static std::size_t scratch_bytes(const AttentionParams& p) { return Decode(p, nullptr, nullptr).used_; }
  static void run(const AttentionParams& p, void* workspace, std::int64_t task, void* scratch) {
    Decode decode(p, workspace, scratch);
    const int rows = rows_of(p);
    if (rows == 1)
      decode.attend<1>(task);
    else if (rows == 2)
      decode.attend<2>(task);
    else if (rows <= 4)
      decode.attend<4>(task);
    else
      decode.attend<8>(task);
  }

 private:
  using Dot = RowDot<T>;
  /// Rows that share the registers of one product; more are done in groups.
  template <int Rows>
  static constexpr int kTogether = Rows < kLanes ? Rows : kLanes;

  static std::int64_t rows_of(const AttentionParams& p) {
    return std::int64_t{p.query_length} * (p.query_heads / p.kv_heads);
  }

  Decode(const AttentionParams& p, void* workspace, void* scratch)
      : p_(p),
        workspace_(workspace),
        memory_(static_cast<char*>(scratch)),
        query_stride_(staged_key_stride<T>(p.head_dim)),
        output_stride_(rounded_up(p.value_dim, 8 * kLanes)),
        block_(smaller(
            kMostDecodeKeys,
            rounded_up(kDecodeBytes / static_cast<int>(sizeof(T)) / larger(p.head_dim, p.value_dim), kLanes))) {
    queries_ = take(kDecodeRows * query_stride_);
    output_ = take(kDecodeRows * output_stride_);
    scores_ = take(kMostDecodeKeys * kDecodeRows);
    maximum_ = take(larger(kLanes, kDecodeRows));
    sum_ = take(larger(kLanes, kDecodeRows));
  }
  float* take(int count) {
    float* here = reinterpret_cast<float*>(memory_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
    return here;
  }

  template <int Rows>
  void attend(std::int64_t task) {
    const KeySplits splits = Decode::splits(p_);
    const int split = static_cast<int>(task % splits.count);
    kv_head_ = task / splits.count % p_.kv_heads;
    batch_ = task / splits.count / p_.kv_heads;
    count_ = static_cast<int>(rows_of(p_));
    const int last = p_.query_length - 1;
    const KeyRange range = p_.band.keys(0, last, p_.kv_length);
    const int begin = split * splits.keys;
    end_ = smaller(range.end, begin + splits.keys);
    for (int c = begin; c < smaller(begin + block_, end_); ++c) {
      fetch(key(c), p_.head_dim);
      fetch(value(c), p_.value_dim);
    }
    start<Rows>();
    for (int column = begin; column < end_; column += block_) {
      const int keys = smaller(block_, end_ - column);
      multiply_scores<Rows>(column, keys);
      scale_and_mask<Rows>(column, keys, column + keys > range.whole_end);
      softmax<Rows>(keys);
      multiply_values<Rows>(column, keys);
    }
    finish<Rows>(splits.count, split);
  }

  std::int64_t head_of(int row) const {
    return kv_head_ * (p_.query_heads / p_.kv_heads) + row / p_.query_length;
  }
  int position_of(int row) const { return row % p_.query_length; }

  template <int Rows>
  void start() {
    for (int i = 0; i < Rows * query_stride_; ++i) queries_[i] = 0.0f;
    for (int i = 0; i < Rows * output_stride_; ++i) output_[i] = 0.0f;
    for (int i = 0; i < count_; ++i) {
      const T* from = static_cast<const T*>(p_.q) + batch_ * p_.q_strides.batch +
                      head_of(i) * p_.q_strides.head + position_of(i) * p_.q_strides.row;
      for (int d = 0; d < p_.head_dim; d += Dot::kElements) {
        Dot::load(from + d, p_.head_dim - d).store(queries_ + i * query_stride_ + d / Operand<T>::kPerStep);
      }
    }
    for (int i = 0; i < larger(kLanes, kDecodeRows); ++i) {
      maximum_[i] = -3.402823466e38f;
      sum_[i] = 0.0f;
    }
  }

  const T* key(int column) const {
    return static_cast<const T*>(p_.k) + batch_ * p_.k_strides.batch + kv_head_ * p_.k_strides.head +
           column * p_.k_strides.row;
  }
  const T* value(int column) const {
    return static_cast<const T*>(p_.v) + batch_ * p_.v_strides.batch + kv_head_ * p_.v_strides.head +
           column * p_.v_strides.row;
  }
  static void fetch(const T* row, int elements) {
    for (int i = 0; i < elements; i += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(row + i);
  }

  /// scores_[c * Rows + r] for the keys of a block; those of the next block are fetched meanwhile.
  template <int Rows>
  void multiply_scores(int column, int keys) {
    constexpr int kRows = kTogether<Rows>, kAtOnce = kLanes / kRows;
    constexpr int kAbreast =
        kRows > 1 && kAtOnce > 1 ? 2 : 1;  // keys read at a time: memory likes one after another
    for (int c = 0; c < keys; c += kAtOnce) {
      for (int group = 0; group < Rows; group += kRows) {
        floats sum[kLanes];
        const float* q = queries_ + group * query_stride_;
        FT_UNROLL for (int i = 0; i < kAtOnce; i += kAbreast) {
          const T* k[kAbreast];
          floats dot[kAbreast][kRows];
          FT_UNROLL for (int n = 0; n < kAbreast; ++n) {
            const int next = column + block_ + c + i + n;
            if (group == 0 && next < end_) fetch(key(next), p_.head_dim);
            k[n] = key(column + smaller(c + i + n, keys - 1));
            FT_UNROLL for (int r = 0; r < kRows; ++r) dot[n][r] = 0.0f;
          }
          const auto multiply = [&](int d, int left_over) {
            FT_UNROLL for (int n = 0; n < kAbreast; ++n) {
              const floats right = Dot::load(k[n] + d, left_over);
              FT_UNROLL for (int r = 0; r < kRows; ++r) {
                const floats left = floats::load(q + r * query_stride_ + d / Operand<T>::kPerStep);
                dot[n][r] = Operand<T>::Step::multiply_add(right, left, dot[n][r]);
              }
            }
          };
          int d = 0;
          for (; d + Dot::kElements <= p_.head_dim; d += Dot::kElements) multiply(d, Dot::kElements);
          if (d < p_.head_dim) multiply(d, p_.head_dim - d);
          FT_UNROLL for (int n = 0; n < kAbreast; ++n) {
            FT_UNROLL for (int r = 0; r < kRows; ++r) sum[(i + n) * kRows + r] = dot[n][r];
          }
        }
        sum_lanes(sum);
        if constexpr (kRows == Rows) {
          sum[0].store(scores_ + c * Rows);
        } else {
          sum[0].store(scores_ + c * Rows + group);
        }
      }
    }
  }

  /// Scales scores, adds the mask tensor and hides what the band hides; scores past the last key become -inf.
  template <int Rows>
  void scale_and_mask(int column, int keys, bool on_diagonal) {
    const int padded = rounded_up(keys * Rows, kLanes);
    for (int i = 0; i < padded; i += kLanes)
      (floats::load(scores_ + i) * floats(p_.scale_log2)).store(scores_ + i);
    for (int i = keys * Rows; i < padded; ++i) scores_[i] = kMinusInfinity;
    if (p_.mask.kind != MaskTensorKind::none) {
      for (int r = 0; r < count_; ++r) {
        for (int c = 0; c < keys; ++c)
          scores_[c * Rows + r] += mask_bias(p_.mask, batch_, head_of(r), position_of(r), column + c);
      }
    }
    if (!on_diagonal) return;
    for (int r = 0; r < count_; ++r) {
      for (int c = 0; c < keys; ++c) {
        if (!p_.band.visible(position_of(r), column + c)) scores_[c * Rows + r] = kMinusInfinity;
      }
    }
  }

  /// Register v of the scores holds rows (v * kLanes + lane) % Rows: maximum and sum repeat in the same way.
  template <int Rows>
  void softmax(int keys) {
    constexpr int kRegisters = Rows > kLanes ? Rows / kLanes : 1;  // that hold one score of each row
    const int padded = rounded_up(keys * Rows, kLanes);
    floats top[kRegisters], before[kRegisters], factor[kRegisters];
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) top[j] = before[j] = floats::load(maximum_ + j * kLanes);
    for (int i = 0; i < padded; i += kRegisters * kLanes) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) top[j] =
          max(floats::load(scores_ + i + j * kLanes), top[j]);
    }
    bool grew = false;
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      fold<Rows>(top[j], [](floats a, floats b) { return max(a, b); });
      grew |= any(top[j] > before[j]);
      factor[j] = exp2_weight(before[j] - top[j]);
      top[j].store(maximum_ + j * kLanes);
    }
    if (grew) {
      float by_row[kRegisters * kLanes];
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) factor[j].store(by_row + j * kLanes);
      for (int r = 0; r < Rows; ++r) {
        for (int d = 0; d < output_stride_; d += kLanes) {
          float* at = output_ + r * output_stride_ + d;
          (floats::load(at) * floats(by_row[r])).store(at);
        }
      }
    }
    floats sum[kRegisters];
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      const floats old = floats::load(sum_ + j * kLanes);
      sum[j] = grew ? old * factor[j] : old;
    }
    for (int i = 0; i < padded; i += kRegisters * kLanes) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        const floats weight = exp2_weight(floats::load(scores_ + i + j * kLanes) - top[j]);
        sum[j] = sum[j] + weight;
        weight.store(scores_ + i + j * kLanes);
      }
    }
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) sum[j].store(sum_ + j * kLanes);
  }

  /// Combines lanes that are Rows apart, so that each holds the result of its row.
  template <int Rows, class F>
  static void fold(floats& v, F f) {
    float lanes[kLanes];
    for (int step = Rows; step < kLanes; step *= 2) {
      v.store(lanes);
      float moved[kLanes];
      for (int i = 0; i < kLanes; ++i) moved[i] = lanes[i ^ step];
      v = f(v, floats::load(moved));
    }
  }

  /// output_ += P V; the values of the next block are fetched meanwhile.
  template <int Rows>
  void multiply_values(int column, int keys) {
    constexpr int kColumns = (Rows == 1 ? 8 : 16 / Rows) * kLanes /
                             (kLanes < 16 && Rows > 1 ? 2 : 1);  // sums fill half of the registers
    if constexpr (kPairs<Rows>) pair_weights<Rows>(keys);
    for (int d = 0; d < p_.value_dim; d += kColumns) {
      if constexpr (kPairs<Rows>) {
        add_value_pairs<Rows, kColumns / kLanes>(d, column, keys);
      } else if (d + kColumns <= p_.value_dim) {
        add_values<Rows, kColumns / kLanes>(d, column, keys);
      } else {
        for (int one = d; one < p_.value_dim; one += kLanes) add_values<Rows, 1>(one, column, keys);
      }
    }
  }
  /// Are weights and values multiplied in pairs of keys? One row alone waits for memory, and stays exact.
  template <int Rows>
  static constexpr bool kPairs = Operand<T>::kPerStep == 2 && Rows > 1;

  /// Lane p * Rows + r of the keys that are even (Odd = 0) or odd in a pair, from lanes 2 * p * Rows + r on.
  template <int Rows, int Odd, int... L>
  static floats of_pairs(floats a, floats b, std::integer_sequence<int, L...>) {
    return __builtin_shufflevector(a.v, b.v, ((2 * (L / Rows) + Odd) * Rows + L % Rows)...);
  }
  /// scores_[p * Rows + r] <- weights of keys 2 p and 2 p + 1 as bfloats.
  template <int Rows>
  void pair_weights(int keys) {
    constexpr auto kAll = std::make_integer_sequence<int, kLanes>();
    for (int i = 0; i < keys * Rows; i += 2 * kLanes) {
      const floats a = floats::load(scores_ + i), b = floats::load(scores_ + i + kLanes);
      bfloat_pairs(of_pairs<Rows, 0>(a, b, kAll), of_pairs<Rows, 1>(a, b, kAll)).store(scores_ + i / 2);
    }
  }

  template <int Rows, int Vectors>
  void add_value_pairs(int d, int column, int keys) {
    floats sum[Rows][Vectors];
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[r][j] =
          floats::load(output_ + r * output_stride_ + d + j * kLanes);
    }
    for (int c = 0; c < keys; c += 2) {
      const T* row = value(column + c) + d;
      for (int next = column + block_ + c; next < smaller(column + block_ + c + 2, end_); ++next)
        fetch(value(next) + d, smaller(Vectors * kLanes, p_.value_dim - d));
      floats right[Vectors];
      FT_UNROLL for (int j = 0; j < Vectors; j += 2)
          panel::load_across(right[j], right[j + 1], row + j * kLanes, p_.v_strides.row, smaller(2, keys - c),
                             p_.value_dim - d - j * kLanes);
      FT_UNROLL for (int r = 0; r < Rows; ++r) {
        const floats weights = scores_[c / 2 * Rows + r];
        FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[r][j] =
            Operand<T>::Step::multiply_add(weights, right[j], sum[r][j]);
      }
    }
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[r][j].store(output_ + r * output_stride_ + d +
                                                                  j * kLanes);
    }
  }

  template <int Rows, int Vectors>
  void add_values(int d, int column, int keys) {
    floats sum[Rows][Vectors];
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[r][j] =
          floats::load(output_ + r * output_stride_ + d + j * kLanes);
    }
    for (int c = 0; c < keys; ++c) {
      const T* row = value(column + c) + d;
      if (column + block_ + c < end_) {
        const T* next = value(column + block_ + c) + d;
        fetch(next, smaller(Vectors * kLanes, p_.value_dim - d));
      }
      floats right[Vectors];
      FT_UNROLL for (int j = 0; j < Vectors; ++j) {
        right[j] = Vectors > 1 ? primitives::detail::load_lanes<float>(row + j * kLanes)
                               : load_some(row, p_.value_dim - d);
      }
      FT_UNROLL for (int r = 0; r < Rows; ++r) {
        const floats weight = scores_[c * Rows + r];
        FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[r][j] = fma(weight, right[j], sum[r][j]);
      }
    }
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Vectors; ++j) sum[r][j].store(output_ + r * output_stride_ + d +
                                                                  j * kLanes);
    }
  }

  template <int Rows>
  void finish(int splits, int split) {
    constexpr int kRegisters = Rows > kLanes ? Rows / kLanes : 1;
    for (int j = 0; j < kRegisters; ++j) {
      floats sum = floats::load(sum_ + j * kLanes);
      fold<Rows>(sum, [](floats a, floats b) { return a + b; });
      sum.store(sum_ + j * kLanes);
    }
    const Partials partials(p_, workspace_, splits);
    for (int r = 0; r < count_; ++r) {
      const float* row = output_ + r * output_stride_;
      if (splits > 1) {
        const PartialRow part = partials.row(batch_, head_of(r), position_of(r), split);
        part.maximum() = maximum_[r];
        part.sum() = part.lse_sum() = sum_[r];
        for (int d = 0; d < p_.value_dim; d += kLanes) floats::load(row + d).store(part.output() + d);
      } else {
        T* out = out_row<T>(p_, batch_, head_of(r), position_of(r));
        const floats inverse = 1.0f / sum_[r];
        for (int d = 0; d < p_.value_dim; d += kLanes)
          store_some(out + d, floats::load(row + d) * inverse, p_.value_dim - d);
        store_lse(p_, batch_, head_of(r), position_of(r), maximum_[r], sum_[r]);
      }
    }
  }

  const AttentionParams& p_;
  void* workspace_;
  char* memory_;
  std::size_t used_ = 0;
  int query_stride_, output_stride_;  ///< floats
  int block_, end_ = 0;               ///< keys of a block; the key behind the last one of this task
  std::int64_t batch_ = 0, kv_head_ = 0;
  int count_ = 0;
  float* queries_;  ///< (rows, steps of D)
  float* output_;   ///< (rows, Dv)
  float* scores_;   ///< (block, rows)
  float *maximum_, *sum_;
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::kernels
