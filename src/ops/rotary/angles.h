// What rotary and append_kv ask of an embedding and of positions, and how kernels see them.
#pragma once

#include <cstdint>

#include "flashtile/rotary.h"
#include "src/core/arguments.h"
#include "src/ops/rotary/kernel/params.h"

namespace flashtile::inline v0_2::ops {

/// Errors: invalid_argument for an embedding that cannot be for rows of `columns` elements, in the words of `op`;
/// unsupported for too many pairs.
kernels::RotaryAngles angles_of(const char* op, const Rotary& embedding, std::int64_t columns);

/// Errors: invalid_argument for positions that are no i32 or do not broadcast to (B, L) beside `like`.
kernels::RowPositions positions_of(const core::Argument& positions, const core::Argument& like);

}  // namespace flashtile::inline v0_2::ops
