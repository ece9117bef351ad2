// Which memory a view touches, for the checks of arguments: in ops/common/arguments.cc and tensor_memory.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "flashtile/tensor.h"

namespace flashtile::inline v0_2::core {

/// Does the view have no elements? Errors: none; a negative size counts as one.
bool has_no_elements(const TensorView& view) noexcept;

/// Offsets in bytes from a view's data: of its first byte, and of the one after its last.
struct Reach {
  std::int64_t begin = 0, end = 0;
};

/// What a view touches; empty for a view without elements, and nothing when an offset is farther than 2^57 bytes, as no
/// memory is.
/// A stride that nobody reads, in a dimension of size 0 or 1, may be anything.
std::optional<Reach> reach_of(const TensorView& view) noexcept;

/// Can two elements lie at one address? False only where the strides nest: ordered by stride, each dimension
/// steps over all that the smaller ones span. The view must have a reach.
bool may_overlap_itself(const TensorView& view) noexcept;

/// Can two views, whose reaches are given, touch the same byte? False where their ranges of addresses do not meet, where one has no
/// memory, and where both consist of rows of one length in which each has columns of its own, like q and k in
/// one packed projection.
bool may_overlap(const TensorView& a, Reach a_reach, const TensorView& b, Reach b_reach) noexcept;

}  // namespace flashtile::inline v0_2::core
