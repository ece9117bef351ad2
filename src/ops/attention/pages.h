// Keys and values in pages: what a call says of its pools and of the table of their pages.
#pragma once

#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {

/// What else says where keys lie is refused, and so is a table without lengths.
void check_paging(const AttentionOptions& options);

/// Pools of pages (pages, page size, H, D) as (pages, H, page size, D).
TensorView pages_as_entries(const TensorView& view);

/// The most rows that an entry may have: those of all pages that its row of the table has numbers of. Errors:
/// invalid_argument for a table that is none of `batch` entries.
std::int64_t rows_of_table(const TensorView& block_table, std::int64_t batch, std::int64_t page_size,
                           Device of_q, Data data);

/// After set_lengths. On a CPU the numbers of pages that are read are checked.
void set_pages(AttentionCall& call, const AttentionOptions& options, Data data);

}  // namespace flashtile::inline v0_2::ops
