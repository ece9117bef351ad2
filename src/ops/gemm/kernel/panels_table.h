// What the library sees of the panel products: a row for each pair of element types.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashtile/dtype.h"
#include "src/ops/gemm/kernel/params.h"

namespace flashtile::inline v0_2::kernels {

struct GemmPanelsCall {
  GemmParams params;
  bool transpose_a, transpose_b;
  int block_rows, block_panels;  ///< rows and panels of columns of one task; they change no bit of the result
};

/// The kernels of one pair of element types. A call is `tasks` calls of run, on any threads.
struct GemmPanelsKernels {
  DType a, b;
  int panel_columns;                                    ///< columns of a panel
  int most_rows, most_panels;                           ///< largest block of one task
  std::size_t (*scratch_bytes)(const GemmPanelsCall&);  ///< of a thread, 64-byte aligned
  std::int64_t (*tasks)(const GemmPanelsCall&);
  void (*run)(const GemmPanelsCall&, std::int64_t task, std::byte* scratch);
};

}  // namespace flashtile::inline v0_2::kernels
