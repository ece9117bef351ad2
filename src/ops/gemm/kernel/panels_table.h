// What the library sees of the panel products: one table of functions for each
// instruction set and element type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/ops/gemm/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

struct GemmPanelsCall {
  GemmParams params;
  bool transpose_a, transpose_b;
  int block_rows, block_panels;  ///< rows and panels of columns of one task; they change no bit of the result
};

/// A call is `tasks` calls of run, on any threads.
struct GemmPanelsKernels {
  int panel_columns;                                    ///< columns of a panel
  int most_rows, most_panels;                           ///< largest block of one task
  std::size_t (*scratch_bytes)(const GemmPanelsCall&);  ///< of a thread, 64-byte aligned
  std::int64_t (*tasks)(const GemmPanelsCall&);
  void (*run)(const GemmPanelsCall&, std::int64_t task, void* scratch);
};

}  // namespace flashtile::inline v0_2::kernels
