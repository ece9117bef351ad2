// Whether validation requires that a view has memory. Called by each op's problem.
#pragma once

namespace flashtile::ops {

/// A plan looks at no data, so it takes views that have none.
enum class Data { needed, ignored };

}  // namespace flashtile::ops
