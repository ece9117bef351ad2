// Adds up what the parts of each row's keys came to, see key_parts.h. One threadgroup a row: its simdgroups add up every
// kSimdgroups-th part each, and their sums are added as a tree, so that no chain of additions is long.
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
  static constexpr FT_CONSTANT int kMaxColumns = ExactRows::kMaxColumns;
  using Scope = execution_simdgroups<kSimdgroups>;

  struct Threadgroup {
    float values[kSimdgroups][kMaxColumns];
    float sums[kSimdgroups];
    bool broken[kSimdgroups];  ///< has a simdgroup found an element that is not finite?
    typename ExactRows::Threadgroup exact;
  };

  /// The grid is (rows of a tile that there may be, tiles).
  static FT_FUNCTION void run(FT_CONSTANT const Params& p, FT_THREADGROUP Threadgroup& memory,
                              GridPosition at) {
    const TilePlace place = tile_at(p, p.parts.first_tile + at.y);
    const int group = p.parts.group, r = static_cast<int>(at.x);
    const int64_t row = place.row + r;
    const int64_t query = row / group;
    const Head<T> head(p, place.batch, place.head * group + row % group);
    if (query >= head.entry().result_rows) return;
    const KeyRange keys = head.keys_of(query, 1);
    const float exponent = p.rule.exponent;
    const int count = p.parts.count, own = simdgroup_index_in_threadgroup();
    const auto part = [&](int i) { return PartSums(p, at.y * count + i); };

    SoftmaxState<float> state;
    for (int i = 0; i < count; ++i) state.maximum = max(state.maximum, part(i).maximum(r));
    const auto factor = [&](int i) {
      return SoftmaxState<float>{part(i).maximum(r), 0.0f}.correction(state.maximum, exponent);
    };
    float sum = 0.0f;
    for (int i = own; i < count; i += kSimdgroups) sum = fma(part(i).sum(r), factor(i), sum);
    simd_for_each_index(1, [&](int) {
      memory.sums[own] = sum;
      memory.broken[own] = false;
    });
    simd_for_each_index(p.value_dim, [&](int d) {
      float value = 0.0f;
      for (int i = own; i < count; i += kSimdgroups) value = fma(part(i).values(r, 1)(d, 0), factor(i), value);
      memory.values[own][d] = value;
    });
    threadgroup_barrier(mem_flags::mem_threadgroup);

    state.sum = (memory.sums[0] + memory.sums[1]) + (memory.sums[2] + memory.sums[3]);
    const bool sees_keys = keys.begin < keys.end;
    const RowEnd<float> ending = row_end(p, head.batch, head.head, state);
    const float inverse = ending.inverse;
    with_out_type<T>(p, [&](auto type) {
      using E = typename decltype(type)::type;
      auto out = head.template out<E>(query);
      for_each_index(Scope(), p.value_dim, [&](int d) {
        const float value =
            (memory.values[0][d] + memory.values[1][d]) + (memory.values[2][d] + memory.values[3][d]);
        const E mean = static_cast<E>(sees_keys ? value * inverse : 0.0f);
        const float stored = static_cast<float>(mean);
        if (stored - stored != 0.0f) memory.broken[own] = true;
        out(d, 0) = mean;
      });
    });
    if (p.lse != nullptr)
      for_each_index(Scope(), 1, [&](int) {
        head.lse(query) = query < head.rows() ? ending.lse : kMinusInfinity;  // padding has no parts
      });
    threadgroup_barrier(mem_flags::mem_threadgroup);
    // Where the sum of weights is NaN, so is a score that the row attends to, and NaN is right.
    const bool broken = memory.broken[0] || memory.broken[1] || memory.broken[2] || memory.broken[3];
    if (broken && state.sum == state.sum && own == 0) ExactRows::mend(p, memory.exact, head, query, 1);
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
