// What a kernel for CPUs does about rows of the output that are not finite once it has stored them.
#pragma once

#include "src/ops/attention/kernel/rows.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// A row of the output becomes 0.
template <class T>
FT_FUNCTION void clear_out(const AttentionParams& p, int64_t batch, int64_t head, int64_t row) {
  with_out_type<T>(p, [&](auto type) {
    using E = typename decltype(type)::type;
    E* const out = out_rows<E>(p, batch, head, row).first;
    for (int d = 0; d < p.value_dim; ++d) out[d] = E(0.0f);
  });
}

/// Rows first ... first + count - 1 of a head, whose sums of weights are `sums`. One that sees no key by position
/// becomes 0, and any other that is not finite is noted for exact_rows, unless its sum is NaN: then so is a score that
/// the row attends to, and NaN is right. Not inline, so that no loop of its callers is compiled otherwise.
template <class T>
[[gnu::noinline]] void settle_rows(const Head<T>& head, int64_t first, int count, const float* sums) {
  constexpr int kAtOnce = 16;
  const AttentionParams& p = head.p;
  const int64_t end = min<int64_t>(first + count, head.entry().result_rows);
  for (int64_t row = first; row < end; row += kAtOnce) {
    const int left = static_cast<int>(end - row);
    const int rows = min(kAtOnce, left);
    const uint32_t broken = head.template broken_rows<kAtOnce>(row, rows);
    for (int i = 0; i < rows; ++i) {
      if ((broken >> i & 1) == 0) continue;
      const KeyRange keys = head.entry().keys(row + i, row + i);
      if (keys.begin == keys.end) {
        clear_out<T>(p, head.batch, head.head, row + i);
      } else if (p.broken != nullptr && sums[row + i - first] == sums[row + i - first]) {
        __atomic_store_n(p.broken, 1u, __ATOMIC_RELAXED);  // other threads may note the same
      }
    }
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
