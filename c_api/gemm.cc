// flashtile_gemm: structs of C become arguments of gemm.
#include "flashtile/gemm.h"

#include <cstddef>

#include "c_api/call.h"
#include "c_api/plan.h"
#include "c_api/queue.h"

namespace flashtile::c_api {
namespace {

constexpr std::size_t kLeastOptions = offsetof(flashtile_gemm_options, queue) + sizeof(void*);

GemmOptions options_of(const flashtile_gemm_options* given) {
  const flashtile_gemm_options o = read(given, "gemm: options", kLeastOptions);
  GemmOptions options;
  if (o.alpha != nullptr) options.alpha = *o.alpha;
  options.beta = o.beta;
  if (o.way != nullptr) options.way = o.way;
  options.queue = queue_of(o.queue);
  return options;
}

}  // namespace
}  // namespace flashtile::c_api

using namespace flashtile::c_api;

extern "C" {

flashtile_status flashtile_gemm(const flashtile_tensor* c, const flashtile_tensor* a, const flashtile_tensor* b,
                                const flashtile_gemm_options* options) {
  return guarded([&] {
    flashtile::gemm(view_of(c, "gemm: c"), view_of(a, "gemm: a"), view_of(b, "gemm: b"), options_of(options));
  });
}

flashtile_status flashtile_plan_gemm(flashtile_plan** plan, const flashtile_tensor* c,
                                     const flashtile_tensor* a, const flashtile_tensor* b,
                                     const flashtile_gemm_options* options) {
  return guarded([&] {
    expect_given(plan, "gemm: plan");
    *plan = new flashtile_plan(flashtile::plan_gemm(view_of(c, "gemm: c"), view_of(a, "gemm: a"),
                                                    view_of(b, "gemm: b"), options_of(options)));
  });
}

}  // extern "C"
