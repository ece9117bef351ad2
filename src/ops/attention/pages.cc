#include "src/ops/attention/pages.h"

#include <limits>
#include <string>

#include "src/ops/attention/checks.h"
#include "src/ops/attention/entries.h"

namespace flashtile::inline v0_2::ops {

void check_paging(const AttentionOptions& options) {
  if (!options.block_table) return;
  if (options.row_starts.kv) refuse("block_table and row_starts.kv are given; k and v are paged, or packed");
  if (!options.lengths.kv)
    refuse("block_table is given, and lengths.kv is not, which says how many rows of the pages are there");
}

TensorView pages_as_entries(const TensorView& view) { return view.permuted({0, 2, 1, 3}); }

std::int64_t rows_of_table(const TensorView& block_table, std::int64_t batch, std::int64_t page_size,
                           Device of_q, Data data) {
  if (block_table.dtype != DType::i32)
    refuse("block_table has dtype " + core::spelled(block_table.dtype) + "; expected i32");
  expect_device_of_q(block_table, of_q, "block_table");
  check_memory(block_table, "block_table", data);
  if (block_table.rank() != 2 || block_table.shape[0] != batch) {
    refuse("block_table has shape " + to_string(block_table.shape) + "; expected (B, most) = (" + text(batch) +
           ", any)");
  }
  std::int64_t rows = 0;
  if (__builtin_mul_overflow(block_table.shape[1], page_size, &rows))
    rows = std::numeric_limits<std::int64_t>::max();
  return rows;
}

void set_pages(AttentionCall& call, const AttentionOptions& options, Data data) {
  if (!options.block_table) return;
  AttentionProblem& problem = call.problem;
  const TensorView table = core::with_harmless_strides(*options.block_table);
  problem.block_table = layout_of(table);
  call.arguments.block_table = table.data;
  if (data != Data::needed || problem.device.type != DeviceType::cpu || problem.empty()) return;
  const TensorView lengths = view_of(problem, *problem.kv_lengths, call.arguments.kv_lengths);
  const std::int64_t pages = problem.k.shape[0], size = problem.page_size();
  for (std::int64_t b = 0; b < problem.batch; ++b) {
    for (std::int64_t i = 0; i * size < number_of(lengths, b); ++i) {
      const std::int32_t page =
          static_cast<const std::int32_t*>(table.data)[b * table.strides[0] + i * table.strides[1]];
      if (page >= 0 && page < pages) continue;
      refuse("block_table[" + text(b) + ", " + text(i) + "] is " + text(page) +
             (pages == 0 ? "; there are no pages" : "; expected 0 ... " + text(pages - 1)));
    }
  }
}

}  // namespace flashtile::inline v0_2::ops
