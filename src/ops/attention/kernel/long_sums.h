// Sums over very many keys, as sums of sums, so that no chain of additions is long and an error hardly grows with
// the number of keys.
#pragma once

#include "src/ops/attention/kernel/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {

/// What keys before the present ones have added up to, under a maximum of its own.
template <class Output, class Rows>
struct RowTotals {
  Output output;
  Rows maximum, sum;

  FT_FUNCTION void start() FT_THREAD {
    zero(output);
    map_elements(maximum, [](auto) { return kLowest; });
    zero(sum);
  }

  /// Adds a part, which becomes 0. The part's maximum, which is not lower, takes this one's place.
  FT_FUNCTION void add(FT_THREAD Output& part, FT_THREAD Rows& part_maximum, FT_THREAD Rows& part_sum,
                       float exponent) FT_THREAD {
    map_elements(maximum, part_maximum, [=](auto old, auto now) { return exp2((old - now) * exponent); });
    scale_rows(output, maximum);
    map_elements(sum, maximum, [](auto total, auto factor) { return total * factor; });
    map_elements(output, part, [](auto total, auto found) { return total + found; });
    map_elements(sum, part_sum, [](auto total, auto found) { return total + found; });
    map_elements(maximum, part_maximum, [](auto, auto now) { return now; });
    zero(part);
    zero(part_sum);
  }
};

/// Calls attend(begin, end) for all keys of a tile of queries in turn, which adds to `output` and `softmax`. More
/// than Chain keys are added up in chains of so many, and so are their sums; Chain 0: all in one.
template <int Chain, class Output, class Rows, class F>
FT_FUNCTION void attend_in_chains(FT_THREAD const KeyRange& keys, FT_THREAD Output& output,
                                  FT_THREAD OnlineSoftmax<Rows>& softmax, float exponent, F attend) {
  if constexpr (Chain == 0) {
    attend(keys.begin, keys.end);
  } else {
    if (keys.end - keys.begin <= Chain) return attend(keys.begin, keys.end);
    RowTotals<Output, Rows> chains, all;
    chains.start();
    all.start();
    int count = 0;
    for (int64_t begin = keys.begin; begin < keys.end; begin += Chain) {
      const bool last = keys.end - begin <= Chain;
      attend(static_cast<int>(begin), last ? keys.end : static_cast<int>(begin) + Chain);
      chains.add(output, softmax.maximum, softmax.sum, exponent);
      ++count;
      if (last || count % Chain == 0) all.add(chains.output, chains.maximum, chains.sum, exponent);
    }
    map_elements(output, all.output, [](auto, auto total) { return total; });
    map_elements(softmax.sum, all.sum, [](auto, auto total) { return total; });
  }
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
