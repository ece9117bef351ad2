// Kernels of one's own that flashtile_add_kernels could not keep apart, or not call.
#if !defined(CASE_first_parameter)
#define FLASHTILE_KERNEL_FILE
#endif
#include "flashtile/dispatch.h"
#include "flashtile/launch.h"

namespace right {
inline namespace FLASHTILE_BACKEND {
FLASHTILE_USE_PRIMITIVES
struct Kernel {
  struct Params {};
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params&, Threadgroup&, GridPosition) {}
};
void use(const flashtile::Queue& queue) { flashtile::launch<Kernel>(queue, {1, 1, 1}, {}); }
}  // namespace FLASHTILE_BACKEND
}  // namespace right

// CASE namespace: launch: a kernel of flashtile_add_kernels lives in `inline namespace FLASHTILE_BACKEND`
#if defined(CASE_namespace)
namespace wrong {
struct Kernel {
  struct Params {};
  struct Threadgroup {};
  static constexpr int kSimdgroups = 1;
  static FT_FUNCTION void run(const Params&, Threadgroup&, flashtile::GridPosition) {}
};
void use(const flashtile::Queue& queue) { flashtile::launch<Kernel>(queue, {1, 1, 1}, {}); }
}  // namespace wrong
#endif

// CASE first_parameter: FLASHTILE_KERNEL: the first parameter is const flashtile::Queue&
#if defined(CASE_first_parameter)
FLASHTILE_KERNEL(without_queue, void(int));
#endif
