#include "tests/dispatch/which_kernel.h"

namespace flashtile::test {
inline namespace FLASHTILE_BACKEND {

Which which(const Queue& queue, const float* values) {
  Which found{};
  flashtile::launch<Say<1>>(queue, {1, 1, 1}, {values, &found});
  return found;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::test
