// Whether a check of arguments requires that a view has memory. Apart from arguments.h, for those who only name it.
#pragma once

namespace flashtile::inline v0_2::core {

/// A plan looks at no data, so it takes views that have none.
enum class Data { needed, ignored };

}  // namespace flashtile::inline v0_2::core
