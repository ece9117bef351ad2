// What a call says of its batch entries: lengths, packed sequences, positions of queries, and numbers of heads.
#pragma once

#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {

/// The number of a batch entry, in memory of a CPU.
std::int64_t number_of(const TensorView& numbers, std::int64_t batch);

/// A tensor of packed rows (T, H, D), or (T, H) of lse, as one of batch entries, which all begin at its first row.
TensorView as_entries(const TensorView& view, std::int64_t batch);

/// Packed keys need packed queries, and what would say the same again, or has a batch of its own, is refused.
void check_packing(const AttentionOptions& options);

/// Batch entries of a call.
std::int64_t batch_of(const TensorView& q, const RowStarts& starts);

// These check one part of a call's options, and note it in the call. Errors: invalid_argument, naming the argument and what
// was found.
void set_row_starts(AttentionCall& call, const RowStarts& starts, Data data);
void set_lengths(AttentionCall& call, const Lengths& lengths, Data data);
/// After set_lengths, which corners follow from.
void set_positions(AttentionCall& call, const AttentionOptions& options, Data data);
void set_head_numbers(AttentionCall& call, const AttentionOptions& options, Data data);

}  // namespace flashtile::inline v0_2::ops
