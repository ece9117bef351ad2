// Keys and values of other types than the queries: which there are, and the scales that quantised ones have.
#pragma once

#include "src/ops/attention/problem.h"

namespace flashtile::inline v0_2::ops {

/// Refuses k or v of a type that cannot be read, or on another device than q.
void check_stored(const TensorView& view, const TensorView& q, const char* what);

/// What kernels multiply.
DType product_type(const TensorView& q, const TensorView& k, const TensorView& v);

/// Checks the scales of a call, and notes them and the feature in it. After set_row_starts. Errors: invalid_argument, naming
/// the argument and what was found.
void set_scales(AttentionCall& call, const AttentionOptions& options, Data data);

}  // namespace flashtile::inline v0_2::ops
