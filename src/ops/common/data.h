// What validation asks of a view's memory. Called by each op's problem.
#pragma once

namespace flashtile::ops {

/// A plan looks at no data, so it takes views that have none.
enum class Data { needed, ignored };

}  // namespace flashtile::ops
