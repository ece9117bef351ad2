// Attention for a handful of queries, which is bound by reading K and V: lanes run along the rows of K and V,
// each row is read once for all query heads of its group, and the next rows are prefetched meanwhile.
//
//   for each block of a few KiB of K and of V:
//     S = sums over lanes of K row * Q row   (keys, Rows), float32
//     mask S where needed;  P = exp2(scale S - maximum); a maximum that grew much rescales O and the sums
//     O = O + P V                            (Rows, output columns), float32
//
// Where one query and its output fit in registers, one loop reads K of a block and V of the block
// before. The hardware prefetcher follows these two steady streams better than prefetch
// instructions serve K and V by turns.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/split.h"
#include "src/ops/attention/kernel/flash_cpu/walk.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

inline constexpr int kDecodeRows = 8;  ///< groups with more queries than this take the prefill schedules
/// Most keys of a block. K and V of one and of the next, which is fetched meanwhile, leave room in a 48 KiB L1.
inline constexpr int kMostDecodeKeys = 64;
/// Keys that are added up before their sums join the totals.
inline constexpr int kLongestChain = 512;

/// Lane l of v[0] <- the sum of v[l % Count] over the aligned run of Count lanes that holds l.
template <int Count, int Step = 1>
FT_FUNCTION void sum_lanes(floats (&v)[Count]) {
  if constexpr (Step < Count) {
    FT_UNROLL for (int i = 0; i < Count; i += 2 * Step) {
      primitives::detail::exchange<Step>(v[i].v, v[i + Step].v, std::make_integer_sequence<int, kLanes>());
      v[i] = v[i] + v[i + Step];
    }
    sum_lanes<Count, 2 * Step>(v);
  }
}

/// In each lane, f folded over the aligned run of Count lanes that holds it.
template <int Count, int Step = 1, class F>
FT_FUNCTION floats over_lanes(floats v, F f) {
  if constexpr (Step < Count) {
    floats other = v;
    primitives::detail::exchange<Step>(v.v, other.v, std::make_integer_sequence<int, kLanes>());
    return over_lanes<Count, 2 * Step>(f(v, other), f);
  }
  return v;
}

/// What one task does: some keys of a KV head and up to Rows queries that read them.
template <class T, int Rows>
class DecodeTask {
 public:
  DecodeTask(const AttentionParams& p, void* workspace, void* scratch)
      : p_(p),
        workspace_(workspace),
        memory_(static_cast<char*>(scratch)),
        chunks_((p.head_dim + kChunkElements - 1) / kChunkElements),
        output_stride_(rounded_up(p.value_dim, kColumns)),
        together_(kTogether > 0 && p.head_dim == p.value_dim &&
                  (p.head_dim == kTogether * kLanes || p.head_dim == kTogether / 2 * kLanes)),
        block_(min(kMostDecodeKeys, rounded_up((together_ ? kTogetherBytes : kBlockBytes) /
                                                   static_cast<int>(sizeof(T)) / max(p.head_dim, p.value_dim),
                                               16))),
        ahead_(block_ + block_ / 4) {
    queries_ = take(kRegisters * chunks_ * kLanes);
    short_keys_ = take(kAbreast * kLanes);
    lanes_ = take(together_ ? kMostDecodeKeys * kLanes : 0);
    last_chunk_ = take(kLanes);
    scores_ = take(kMostDecodeKeys * Rows);
    output_ = take(Rows * output_stride_);
    total_output_ = take(Rows * output_stride_);
    maximum_ = take(kRegisters * kLanes);
    sum_ = take(kRegisters * kLanes);
    total_sum_ = take(kRegisters * kLanes);
  }
  std::size_t scratch_bytes() const { return used_; }

  void attend(std::int64_t task, const KeySplits& splits) {
    const int split = static_cast<int>(task % splits.count);
    kv_head_ = task / splits.count % p_.kv_heads;
    batch_ = task / splits.count / p_.kv_heads;
    entry_ = entry_of(p_, batch_);
    const KeyRange range = entry_.keys(0, p_.query_length - 1);
    const int begin = max(splits.begin(split), range.begin);
    const int end = min(range.end, splits.begin(split + 1));
    const auto weigh = [&](int column, int keys) {
      apply_rule(range, column, keys);
      softmax(keys);
    };
    for (int c = begin; c < min(begin + ahead_, end) && !together_; ++c) {
      fetch({keys_from(c).first}, 0, p_.head_dim);
      fetch({values_from(c).first}, 0, p_.value_dim);
    }
    start();
    int chain = 0;   // keys since the last fold
    int before = 0;  // keys of the block whose values come together with the next block's keys
    for (int column = begin; column < end; column += block_) {
      const int keys = min(block_, end - column);
      if (together_) {
        multiply_both(column, keys, before);
        sum_scores(keys);
        weigh(column, keys);
        before = keys;
      } else {
        multiply_scores(column, keys);
        weigh(column, keys);
        multiply_values(column, keys);
      }
      chain += keys;
      if (chain >= kLongestChain) fold(), chain = 0;
    }
    if (before > 0) multiply_both(end, 0, before);
    fold();
    finish(splits.count, split);
  }

 private:
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

  float* take(int count) {
    float* here = reinterpret_cast<float*>(memory_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
    return here;
  }

  int count() const { return p_.query_length * (p_.query_heads / p_.kv_heads); }
  std::int64_t head_of(int row) const {
    return kv_head_ * (p_.query_heads / p_.kv_heads) + row / p_.query_length;
  }
  int position_of(int row) const { return row % p_.query_length; }
  bool is_padding(int row) const { return position_of(row) >= entry_.query_length; }

  RowRun<const T> keys_from(int column) const { return key_rows<T>(p_, batch_, kv_head_, column); }
  RowRun<const T> values_from(int column) const { return value_rows<T>(p_, batch_, kv_head_, column); }
  /// Prefetches `elements` elements of each row, from `ahead` elements after its start on. Past the last key
  /// lie those of the next task, or memory that a prefetch does not harm.
  template <int Count>
  static FT_FUNCTION void fetch(const T* const (&row)[Count], std::int64_t ahead, int elements) {
    FT_UNROLL for (int n = 0; n < Count; ++n) {
      for (int i = 0; i < elements; i += 64 / static_cast<int>(sizeof(T)))
        __builtin_prefetch(row[n] + (ahead + i));
    }
  }

  void start() {
    for (int i = 0; i < kAbreast * kLanes; ++i) short_keys_[i] = 0.0f;
    const int repeated = (chunks_ * kChunkElements - p_.head_dim) * (4 / Element::kPerStep);  // bytes
    for (int i = 0; i < 4 * kLanes; ++i)
      reinterpret_cast<unsigned char*>(last_chunk_)[i] = i % (4 * kChunk) < repeated ? 0x00 : 0xff;
    for (int i = 0; i < kRegisters * chunks_ * kLanes; ++i) queries_[i] = 0.0f;
    for (int r = 0; r < count(); ++r) {
      if (is_padding(r)) continue;
      const T* row = chunks_of(query_rows<T>(p_, batch_, head_of(r), position_of(r)).first, 0);
      float* to = queries_ + r / kShared * chunks_ * kLanes + r % kShared * kChunk;
      for (int s = 0; s < chunks_; ++s, to += kLanes) {
        const floats chunk = s < whole_chunks() ? load_chunk(row + s * kChunkElements) : load_last_chunk(row);
        std::memcpy(to, &chunk, kChunk * sizeof(float));
      }
    }
    for (int i = 0; i < Rows * output_stride_; ++i) output_[i] = total_output_[i] = 0.0f;
    for (int i = 0; i < kRegisters * kLanes; ++i) {
      maximum_[i] = kLowest;
      sum_[i] = total_sum_[i] = 0.0f;
    }
  }

  // A row is read where it lies, in whole chunks plus one that ends where the row ends; the elements that this
  // one repeats are masked to 0. A row shorter than a chunk is copied.
  int whole_chunks() const { return max(1, p_.head_dim / kChunkElements); }
  FT_FUNCTION const T* chunks_of(const T* row, int line) {
    if (p_.head_dim >= kChunkElements) return row;
    float* copy = short_keys_ + line * kLanes;
    std::memcpy(static_cast<void*>(copy), row, static_cast<std::size_t>(p_.head_dim) * sizeof(T));
    return reinterpret_cast<const T*>(copy);
  }
  /// One chunk of a key, repeated for each query row that shares a register.
  static FT_FUNCTION floats load_chunk(const T* from) {
    if constexpr (!Element::kConverted) {
      return panel::load_repeated<floats::native, kChunkBytes>(from);
    } else {
      using Bits = primitives::detail::vector<std::uint16_t>;
      return panel::floats_of<T>(panel::load_repeated<Bits, kChunkBytes>(from));
    }
  }
  FT_FUNCTION floats load_last_chunk(const T* row) const {
    return floats_of_bits(bits_of(load_chunk(row + p_.head_dim - kChunkElements)) &
                          bits_of(floats::load(last_chunk_)));
  }

  /// lanes_ <- products K Q of `keys` keys from `column` on, not yet summed over lanes; output_ += P V of the
  /// `before` keys in front of them.
  void multiply_both(int column, int keys, int before) {
    if constexpr (kTogether > 0) {
      if (p_.head_dim == kTogether * kLanes)
        multiply_both<kTogether>(column, keys, before);
      else
        multiply_both<kTogether / 2>(column, keys, before);
    }
  }
  template <int Registers>
  void multiply_both(int column, int keys, int before) {
    const int both = min(keys, before);
    multiply_rows<Registers, Registers>(column, before, 0, both);
    multiply_rows<Registers, 0>(column, before, both, keys);
    multiply_rows<0, Registers>(column, before, both, before);
  }
  /// Rows begin ... end - 1 of both blocks. Keys, Values: registers of a row of K and of V, 0 to leave it out.
  template <int Keys, int Values>
  FT_FUNCTION void multiply_rows(int column, int before, int begin, int end) {
    if (begin >= end) return;
    auto [k, k_stride] = keys_from(column + begin);
    auto [v, v_stride] = values_from(column - before + begin);
    const float* const weights = scores_;
    float *const lanes = lanes_, *const out = output_;
    floats query[Keys + 1], sum[Values + 1];
    FT_UNROLL for (int n = 0; n < Keys; ++n) query[n] = floats::load(queries_ + n * kLanes);
    FT_UNROLL for (int n = 0; n < Values; ++n) sum[n] = floats::load(out + n * kLanes);
    for (int c = begin; c < end; ++c, k += k_stride, v += v_stride) {
      if constexpr (Keys > 0) {
        floats even = 0.0f, odd = 0.0f;
        FT_UNROLL for (int n = 0; n < Keys; n += 2) {
          even = fma(load_chunk(k + n * kLanes), query[n], even);
          odd = fma(load_chunk(k + (n + 1) * kLanes), query[n + 1], odd);
        }
        (even + odd).store(lanes + c * kLanes);
      }
      if constexpr (Values > 0) {
        const floats weight = weights[c];
        FT_UNROLL for (int n = 0; n < Values; ++n) sum[n] = fma(weight, load_chunk(v + n * kLanes), sum[n]);
      }
    }
    FT_UNROLL for (int n = 0; n < Values; ++n) sum[n].store(out + n * kLanes);
  }
  /// scores_ <- sums of lanes_ over the lanes, not yet scaled.
  void sum_scores(int keys) {
    for (int c = 0; c < keys; c += kLanes) {
      floats lanes[kLanes];
      FT_UNROLL for (int n = 0; n < kLanes; ++n) lanes[n] = floats::load(lanes_ + (c + n) * kLanes);
      sum_lanes(lanes);
      lanes[0].store(scores_ + c);
    }
  }

  /// scores_ <- K Q of a block, not yet scaled; keys of the next block are prefetched meanwhile.
  void multiply_scores(int column, int keys) {
    const auto [first, stride] = keys_from(column);
    for (int c = 0; c < keys; c += kKeys) {
      floats sum[kRegisters][kKeys];
      FT_UNROLL for (int i = 0; i < kKeys; i += kAbreast) {
        const T* row[kAbreast];
        FT_UNROLL for (int n = 0; n < kAbreast; ++n) row[n] = first + min(c + i + n, keys - 1) * stride;
        fetch(row, ahead_ * stride, p_.head_dim);
        const T* k[kAbreast];
        FT_UNROLL for (int n = 0; n < kAbreast; ++n) k[n] = chunks_of(row[n], n);
        multiply_keys(k, sum, i);
      }
      FT_UNROLL for (int i = 0; i < kKeys; i += kChunk) {
        FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
          floats of_chunk[kChunk];
          FT_UNROLL for (int n = 0; n < kChunk; ++n) of_chunk[n] = sum[j][i + n];
          sum_lanes(of_chunk);
          of_chunk[0].store(scores_ + place(c + i, j * kShared));
        }
      }
    }
  }

  /// sum[][i ...] <- the scores of kAbreast keys, not yet summed over lanes.
  FT_FUNCTION void multiply_keys(const T* const (&k)[kAbreast], floats (&sum)[kRegisters][kKeys], int i) {
    const float* const queries = queries_;
    const int chunks = chunks_, whole = whole_chunks();
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

  /// Applies the rule to the scores of a block; those past its last key become -inf.
  void apply_rule(const KeyRange& range, int column, int keys) {
    if (keys % kChunk == 0 && p_.rule.work(range, column, keys) == ScoreWork::factor) return;
    with_bias_type(p_.rule.mask, [&](auto type) { apply_rule<typename decltype(type)::type>(column, keys); });
  }
  /// The same where the bias of the mask tensors has type E.
  template <class E>
  void apply_rule(int column, int keys) {
    const ScoreRule rule = p_.rule;
    const TileBand band = entry_.band.tile(0, column, column + keys);
    const float start = static_cast<float>(entry_.offset - column);
    const ints first_keys = lane_indices() & ints(kChunk - 1);
    for (int j = 0; j < kRegisters; ++j) {
      std::int32_t positions[kLanes];
      for (int i = 0; i < kLanes; ++i) positions[i] = position_of(min(j * kShared + i / kChunk, count() - 1));
      const ints rows = ints::load(positions);
      float slope[kLanes] = {};
      for (int i = 0; rule.slopes.given() && i < kLanes; ++i)
        slope[i] = rule.slopes.of(batch_, head_of(min(j * kShared + i / kChunk, count() - 1)));
      for (int c = 0; c < keys; c += kChunk) {
        float* const at = scores_ + place(c, j * kShared);
        const ints chunk = first_keys + ints(c);
        const Slopes slopes{floats::load(slope), start, rows - chunk};
        kernels::apply_rule(rule, floats::load(at), slopes, entries_of<E>(j, column, c, keys - c),
                            band.visible(rows, chunk))
            .store(at);
      }
    }
  }
  /// The mask tensors' entries of the rows that share register j, for keys c ... of the block, of which `left`
  /// are there.
  template <class E>
  floats entries_of(int j, int column, int c, int left) const {
    float entries[kLanes + kChunk] = {};  // of one row after the other
    if (!p_.rule.mask.given()) return 0.0f;
    for (int r = j * kShared; r < min(count(), (j + 1) * kShared); ++r) {
      const MaskRow<E> row(p_.rule.mask, batch_, head_of(r), position_of(r), column);
      row(c, min(kChunk, left)).store(entries + r % kShared * kChunk);
    }
    return floats::load(entries);
  }

  /// One step of the online softmax with a lazy maximum: scores <- weights, as floats or as bfloats.
  void softmax(int keys) {
    const float exponent = p_.rule.exponent;
    const int size = place(rounded_up(keys, kChunk), 0);
    floats top[kRegisters];
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) top[j] = kMinusInfinity;
    for (int i = 0; i < size; i += kRegisters * kLanes) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        top[j] = max(floats::load(scores_ + i + j * kLanes), top[j]);
      }
    }
    bool grew = false;
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      grew |= outgrows(top[j], floats::load(maximum_ + j * kLanes), exponent);
    }
    if (grew) rescale(top);
    bool subtract = !p_.rule.is_factor;
    floats minus_top[kRegisters], sum[kRegisters];
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
      minus_top[j] = -(floats::load(maximum_ + j * kLanes) * floats(exponent));
      sum[j] = floats::load(sum_ + j * kLanes);
      subtract |= any(is_far(minus_top[j]));
    }
    if (subtract) {
      for (int i = 0; i < size; i += kLanes) {
        float* const at = scores_ + i;
        (floats::load(at) - floats::load(maximum_ + i % (kRegisters * kLanes))).store(at);
      }
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) minus_top[j] = 0.0f;
    }
    for (int i = 0; i < size; i += kRegisters * kLanes) {
      FT_UNROLL for (int j = 0; j < kRegisters; ++j) {
        const int at = i + j * kLanes;
        const floats z = fma_exact(floats::load(scores_ + at), exponent, minus_top[j]);
        const floats weight = kPairs ? exp2_weight(z) : weight_of(z);
        sum[j] = sum[j] + weight;
        if constexpr (kPairs)
          primitives::detail::store_lanes<float>(reinterpret_cast<bfloat*>(scores_) + at, weight);
        else
          weight.store(scores_ + at);
      }
    }
    FT_UNROLL for (int j = 0; j < kRegisters; ++j) sum[j].store(sum_ + j * kLanes);
  }

  /// Raises each row's maximum to that of the block, and rescales sums and output to the new one.
  void rescale(const floats (&top)[kRegisters]) {
    float factors[kRegisters * kLanes];
    for (int j = 0; j < kRegisters; ++j) {
      const floats before = floats::load(maximum_ + j * kLanes);
      const floats now = max(over_lanes<kChunk>(top[j], [](floats a, floats b) { return max(a, b); }), before);
      const floats factor = exp2_weight((before - now) * floats(p_.rule.exponent));
      now.store(maximum_ + j * kLanes);
      for (float* sums : {sum_ + j * kLanes, total_sum_ + j * kLanes})
        (floats::load(sums) * factor).store(sums);
      factor.store(factors + j * kLanes);
    }
    for (int r = 0; r < Rows; ++r) {
      for (int d = 0; d < p_.value_dim; d += kLanes) {
        const floats factor = factors[place(0, r)];
        for (float* at : {output_ + r * output_stride_ + d, total_output_ + r * output_stride_ + d})
          (floats::load(at) * factor).store(at);
      }
    }
  }

  /// output_ += P V; values of the next block are prefetched meanwhile.
  void multiply_values(int column, int keys) { add_columns<kSums>(0, column, keys); }

  /// Columns from d on, Sums registers of them at a time, and then half as many for what is left.
  template <int Sums>
  void add_columns(int d, int column, int keys) {
    for (; d + Sums * kLanes <= p_.value_dim; d += Sums * kLanes)
      add_values<Sums, true>(d, column, keys, Sums * kLanes);
    if (d == p_.value_dim) return;
    if constexpr (Sums > kFewestSums)
      add_columns<Sums / 2>(d, column, keys);
    else
      add_values<Sums, false>(d, column, keys, p_.value_dim - d);
  }

  /// Whole: all of the registers' columns are there. A function of its own: inlined into attend(), the loop of
  /// four rows of half took 1.1 times as long, and 1.2 times where K and V come from memory.
  template <int Sums, bool Whole>
  [[gnu::noinline]] void add_values(int d, int column, int keys, int columns) {
    if (Whole) columns = Sums * kLanes;
    const auto [first, stride] = values_from(column);
    const T* row = first + d;
    const std::int64_t ahead = ahead_ * stride;
    const float* const weights = scores_;
    float* const out = output_ + d;
    const int out_stride = output_stride_;
    floats sum[Rows][Sums];
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Sums; ++j) sum[r][j] = floats::load(out + r * out_stride + j * kLanes);
    }
    for (int c = 0; c < keys; c += kValuesPerStep) {
      floats right[Sums];
      if constexpr (kPairs) {
        fetch({row, row + stride}, ahead, columns);
        FT_UNROLL for (int j = 0; j < Sums; j += 2) {
          panel::load_across(right[j], right[j + 1], row + j * kLanes, stride, min(2, keys - c),
                             columns - j * kLanes);
        }
      } else {
        fetch({row}, ahead, columns);
        FT_UNROLL for (int j = 0; j < Sums; ++j) right[j] = load_some(row + j * kLanes, columns - j * kLanes);
      }
      const float* const weight = weights + place(c, 0) / kValuesPerStep;
      FT_UNROLL for (int r = 0; r < Rows; ++r) {
        const floats left = weight[place(0, r) / kValuesPerStep];
        FT_UNROLL for (int j = 0; j < Sums; ++j) {
          if constexpr (kPairs)
            sum[r][j] = Step::multiply_add(left, right[j], sum[r][j]);
          else
            sum[r][j] = fma(left, right[j], sum[r][j]);
        }
      }
      row += kValuesPerStep * stride;
    }
    FT_UNROLL for (int r = 0; r < Rows; ++r) {
      FT_UNROLL for (int j = 0; j < Sums; ++j) sum[r][j].store(out + r * out_stride + j * kLanes);
    }
  }

  /// Adds sums and output to the totals, so that neither is one long chain of additions.
  void fold() {
    const auto add = [](float* total, float* part, int count) {
      for (int i = 0; i < count; i += kLanes) {
        (floats::load(total + i) + floats::load(part + i)).store(total + i);
        floats(0.0f).store(part + i);
      }
    };
    add(total_output_, output_, Rows * output_stride_);
    add(total_sum_, sum_, kRegisters * kLanes);
  }

  void finish(int splits, int split) {
    for (int j = 0; j < kRegisters; ++j) {
      over_lanes<kChunk>(floats::load(total_sum_ + j * kLanes), [](floats a, floats b) {
        return a + b;
      }).store(total_sum_ + j * kLanes);
    }
    const Partials partials(p_, workspace_, splits);
    for (int r = 0; r < count(); ++r) {
      const float* row = total_output_ + r * output_stride_;
      const float maximum = maximum_[place(0, r)], sum = total_sum_[place(0, r)];
      if (is_padding(r)) {
        if (split == 0 && position_of(r) < entry_.result_rows)
          clear_row<T>(p_, batch_, head_of(r), position_of(r));
      } else if (splits > 1) {
        const PartialRow part = partials.row(batch_, head_of(r), position_of(r), split);
        part.maximum() = maximum;
        part.sum() = part.lse_sum() = sum;
        for (int d = 0; d < p_.value_dim; d += kLanes) floats::load(row + d).store(part.output() + d);
      } else {
        const floats inverse = row_end(p_, batch_, head_of(r), SoftmaxState<float>{maximum, sum}).inverse;
        store_row<T>(p_, batch_, head_of(r), position_of(r),
                     [&](int d) { return floats::load(row + d) * inverse; });
        store_lse(p_, batch_, head_of(r), position_of(r), maximum, sum);
        settle_rows(Head<T>(p_, batch_, head_of(r)), position_of(r), 1, &sum);
      }
    }
  }

  const AttentionParams& p_;
  void* workspace_;
  char* memory_;
  std::size_t used_ = 0;
  int chunks_, output_stride_;  ///< chunks of a key; floats from one row of output_ to the next
  bool together_;               ///< does one loop read K and V?
  int block_;                   ///< keys
  int ahead_;                   ///< prefetch distance in keys; exactly one block was up to 6 % slower
  std::int64_t batch_ = 0, kv_head_ = 0;
  Entry entry_{};
  float* queries_;                 ///< (registers of rows, chunks of D, kLanes)
  float* short_keys_;              ///< (keys abreast, kLanes)
  float* lanes_;                   ///< (block, kLanes) a row's scores before they are summed over lanes
  float* last_chunk_;              ///< (kLanes) mask of the elements that the last chunk does not repeat
  float* scores_;                  ///< (block, Rows), see place
  float *output_, *total_output_;  ///< (Rows, Dv) of the keys since the last fold, and of those before
  float *maximum_, *sum_, *total_sum_;
};

/// The schedule: each task is a DecodeTask of the smallest Rows that holds the queries of a group.
template <class T>
class Decode {
 public:
  static bool suits(const AttentionParams& p) { return rows_of(p) <= kDecodeRows; }
  static constexpr int kLongestSum = 1 << 16;  ///< keys
  static KeySplits splits(const AttentionParams& p) {
    return {p, std::int64_t{p.batch} * p.kv_heads, kLongestSum};
  }
  static std::int64_t tasks(const AttentionParams& p) {
    return std::int64_t{p.batch} * p.kv_heads * splits(p).count;
  }
  static std::size_t scratch_bytes(const AttentionParams& p) {
    return with_task(p, nullptr, nullptr, [](const auto& task) { return task.scratch_bytes(); });
  }
  static void run(const AttentionParams& p, void* workspace, std::int64_t task, void* scratch) {
    with_task(p, workspace, scratch, [&](auto task_of_rows) {
      task_of_rows.attend(task, splits(p));
      return 0;
    });
  }

 private:
  static std::int64_t rows_of(const AttentionParams& p) {
    return std::int64_t{p.query_length} * (p.query_heads / p.kv_heads);
  }
  template <class F>
  static auto with_task(const AttentionParams& p, void* workspace, void* scratch, F f) {
    const std::int64_t rows = rows_of(p);
    return rows == 1   ? f(DecodeTask<T, 1>(p, workspace, scratch))
           : rows == 2 ? f(DecodeTask<T, 2>(p, workspace, scratch))
           : rows <= 4 ? f(DecodeTask<T, 4>(p, workspace, scratch))
                       : f(DecodeTask<T, kDecodeRows>(p, workspace, scratch));
  }
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
