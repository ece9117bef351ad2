#include "tests/dispatch/which_kernel.h"

namespace flashtile::test {
inline namespace FLASHTILE_BACKEND {

Which which_else(const Queue& queue, const float* values) {
  Which found{};
  flashtile::launch<Say<2>>(queue, {1, 1, 1}, {values, &found});
  return found;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::test
