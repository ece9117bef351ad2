// Adds up what the parts of each row's keys came to, see key_parts.h. Where rows have few parts, every simdgroup has a row
// of its own; else the simdgroups of a threadgroup share the columns of one. Several chains of additions run side by side
// and are added as a tree, so that none is long.
//
// A row that is not finite, though its sum of weights is a number, is computed again by exact_rows.h. So whoever merges
// parts needs no other pass.
#pragma once

#include "src/ops/attention/kernel/exact_rows.h"
#include "src/ops/attention/kernel/key_parts.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

template <class T>
struct AttentionMergeParts {
  using Params = AttentionParams;
  using ExactRows = AttentionExactRows<T>;
  static constexpr FT_CONSTANT int kSimdgroups = 4;
  /// The rest waits for memory, and so wants many threads; of these registers only exact_rows spills some, which is too large
  /// for that where it reads codes.
  static constexpr FT_CONSTANT int kThreadgroupsPerUnit = kReadsCodes<T> ? 1 : 8;
  static constexpr FT_CONSTANT int kFew = 8;       // parts of a row that one simdgroup adds up alone
  static constexpr FT_CONSTANT int kColumns = 32;  // that a simdgroup adds up at a time
  static constexpr FT_CONSTANT int kFewChains = 4, kChains = 8;  // of additions, side by side

  struct Threadgroup {
    bool broken[kSimdgroups];  ///< has a simdgroup found an element that is not finite?
    typename ExactRows::Threadgroup exact;
  };

  /// Rows of one threadgroup, where a row has at most so many parts.
  FLASHTILE_HOST_DEVICE static constexpr int rows_at_once(int parts) { return parts > kFew ? 1 : kSimdgroups; }

  /// The grid is (rows_at_once() rows each of a tile's that there may be, tiles).
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const TilePlace place = tile_at(p, p.parts.first_tile + at.y);
    const int own = simdgroup_index_in_threadgroup(), rows = rows_at_once(p.parts.count);
    const int sharers = kSimdgroups / rows, first = static_cast<int>(at.x) * rows, group = p.parts.group;
    const auto query_of = [&](int r) { return (place.row + r) / group; };
    const auto head_of = [&](int r) {
      return Head<T>(p, place.batch, place.head * group + (place.row + r) % group);
    };
    const int r = first + own / sharers;
    simd_for_each_index(1, [&](int) { memory.broken[own] = false; });
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (r < p.parts.stored_rows && query_of(r) < head_of(r).entry().result_rows) {
      const TileParts parts = parts_of(p, at.y);
      if (sharers == 1)
        add_up<kFewChains>(p, memory, head_of(r), query_of(r), r, parts, 0, 1);
      else
        add_up<kChains>(p, memory, head_of(r), query_of(r), r, parts, own % sharers, sharers);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (own != 0) return;
    for (int i = 0; i < rows; ++i) {
      bool any = false;
      for (int s = 0; s < sharers; ++s) any = any || memory.broken[i * sharers + s];
      if (any) ExactRows::mend(p, memory.exact, head_of(first + i), query_of(first + i), 1);
    }
  }

 private:
  /// Ends row `r` of a tile, as far as simdgroup `sharer` of `sharers` does, and notes whether an element is not finite that
  /// could be: where the sum of weights is NaN, so is a score that the row attends to, and NaN is right.
  template <int kSideBySide>
  static FT_FUNCTION void add_up(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory, Head<T> head,
                                 int64_t query, int r, TileParts parts, int sharer, int sharers) {
    const float exponent = p.rule.exponent;
    const auto part = [&](int i) { return PartSums(p, parts.first + i); };
    SoftmaxState<float> state;
    for_each_part<kSideBySide>(parts.count,
                               [&](int i, int) { state.maximum = max(state.maximum, part(i).maximum(r)); });
    const auto sum_of = [&](auto of_part) {  // of the parts, brought to the same maximum
      float chains[kSideBySide] = {};
      for_each_part<kSideBySide>(parts.count, [&](int i, int chain) {
        const SoftmaxState<float> its{part(i).maximum(r), 0.0f};
        chains[chain] = fma(of_part(part(i)), its.correction(state.maximum, exponent), chains[chain]);
      });
      FT_UNROLL for (int width = kSideBySide / 2; width > 0; width /= 2) {
        FT_UNROLL for (int c = 0; c < width; ++c) chains[c] += chains[c + width];
      }
      return chains[0];
    };
    state.sum = sum_of([&](const PartSums& its) { return its.sum(r); });

    const KeyRange keys = head.keys_of(query, 1);
    const bool sees_keys = keys.begin < keys.end;
    const RowEnd<float> ending = row_end(p, head.batch, head.head, state);
    with_out_type<T>(p, [&](auto type) {
      using E = typename decltype(type)::type;
      auto out = head.template out<E>(query);
      for (int column = sharer * kColumns; column < p.value_dim; column += sharers * kColumns) {
        const int left = p.value_dim - column;
        simd_for_each_index(left < kColumns ? left : kColumns, [&](int c) {
          const float value = sum_of([&](const PartSums& its) { return its.values(r, 1)(column + c, 0); });
          const E mean = static_cast<E>(sees_keys ? value * ending.inverse : 0.0f);
          const float stored = static_cast<float>(mean);
          if (stored - stored != 0.0f && state.sum == state.sum)
            memory.broken[simdgroup_index_in_threadgroup()] = true;
          out(column + c, 0) = mean;
        });
      }
    });
    if (p.lse != nullptr && sharer == 0)
      simd_for_each_index(1, [&](int) {
        head.lse(query) = query < head.rows() ? ending.lse : kMinusInfinity;  // padding has no parts
      });
  }

  /// f(part, chain), as many parts at a time as there are chains, so that their loads overlap.
  template <int kSideBySide, class F>
  static FT_FUNCTION void for_each_part(int count, F f) {
    for (int first = 0; first < count; first += kSideBySide) {
      FT_UNROLL for (int chain = 0; chain < kSideBySide; ++chain) {
        if (first + chain < count) f(first + chain, chain);
      }
    }
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
