// The sums of a panel over very many keys, as sums of sums, so that no chain of additions is long.
#pragma once

#include "src/ops/attention/kernel/flash_cpu/softmax.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
namespace flash_cpu {

/// Does a chain of keys end between the blocks of keys that start at `column` and at `next`?
FT_FUNCTION bool ends_chain(int column, int next) { return column / kKeysOfChain != next / kKeysOfChain; }

/// to <- to + from, and from <- 0, under from's maximum, which is not lower: the output, in whose rows the sum of
/// weights may be, and lse_sum.
template <int Width>
FT_FUNCTION void add_sums(const Panel& to, const Panel& from, float exponent) {
  for (int j = 0; j < from.vectors * kLanes; j += kLanes) {
    const floats now = floats::load(from.maximum + j);
    const floats factor = exp2_weight((floats::load(to.maximum + j) - now) * exponent);
    now.store(to.maximum + j);
    const auto add = [&](float* total, float* part) {
      fma(floats::load(total + j), factor, floats::load(part + j)).store(total + j);
      floats(0.0f).store(part + j);
    };
    for (int d = 0; d < from.output_rows; ++d) add(to.output + d * Width, from.output + d * Width);
    add(to.lse_sum, from.lse_sum);
  }
}

/// What the keys of a panel have added up to before its present chain: the sums of chains since kKeysOfChain of them
/// were complete, and all before. Each has a maximum of its own. The memory is there where keys make a chain.
template <int Width>
struct PanelTotals {
  Panel chains, all;
  int count = 0;  ///< chains so far

  /// Adds the panel's own sums, which become 0.
  void add(const Panel& panel, float exponent) {
    if (count == 0) start(panel);
    add_sums<Width>(chains, panel, exponent);
    if (++count % kKeysOfChain == 0) add_chains(exponent);
  }
  /// The panel's sums <- those of all its keys.
  void finish(const Panel& panel, float exponent) {
    if (count == 0) return;
    add(panel, exponent);
    add_chains(exponent);
    add_sums<Width>(panel, all, exponent);
    count = 0;
  }

 private:
  void start(const Panel& panel) {
    for (Panel* sums : {&chains, &all}) {
      sums->vectors = panel.vectors;
      sums->output_rows = panel.output_rows;
      std::memset(sums->output, 0, static_cast<std::size_t>(panel.output_rows) * Width * sizeof(float));
      for (int j = 0; j < panel.vectors * kLanes; ++j) sums->maximum[j] = kLowest, sums->lse_sum[j] = 0.0f;
    }
  }
  void add_chains(float exponent) { add_sums<Width>(all, chains, exponent); }
};

}  // namespace flash_cpu
}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
