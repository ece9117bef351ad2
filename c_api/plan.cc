#include "c_api/plan.h"

#include <cstddef>
#include <utility>

flashtile_plan::flashtile_plan(flashtile::Plan made)
    : plan(std::move(made)), text(plan.to_string()), json(plan.to_json()) {}

namespace {

/// NULL past either end.
const flashtile::RefusedWay* refused(const flashtile_plan* plan, int32_t index) {
  if (index < 0 || index >= flashtile_plan_refused_count(plan)) return nullptr;
  return &plan->plan.refused[static_cast<std::size_t>(index)];
}

}  // namespace

extern "C" {

const char* flashtile_plan_op(const flashtile_plan* plan) {
  return plan != nullptr ? plan->plan.op.c_str() : "";
}

const char* flashtile_plan_way(const flashtile_plan* plan) {
  return plan != nullptr ? plan->plan.way.c_str() : "";
}

const char* flashtile_plan_kernel(const flashtile_plan* plan) {
  return plan != nullptr ? plan->plan.kernel.c_str() : "";
}

uint64_t flashtile_plan_workspace_bytes(const flashtile_plan* plan) {
  return plan != nullptr ? plan->plan.workspace_bytes : 0;
}

int32_t flashtile_plan_stores_scores(const flashtile_plan* plan) {
  return plan != nullptr && plan->plan.stores_scores ? 1 : 0;
}

int32_t flashtile_plan_refused_count(const flashtile_plan* plan) {
  return plan != nullptr ? static_cast<int32_t>(plan->plan.refused.size()) : 0;
}

const char* flashtile_plan_refused_way(const flashtile_plan* plan, int32_t index) {
  const auto* way = refused(plan, index);
  return way != nullptr ? way->way.c_str() : "";
}

const char* flashtile_plan_refused_reason(const flashtile_plan* plan, int32_t index) {
  const auto* way = refused(plan, index);
  return way != nullptr ? way->reason.c_str() : "";
}

const char* flashtile_plan_text(const flashtile_plan* plan) {
  return plan != nullptr ? plan->text.c_str() : "";
}

const char* flashtile_plan_json(const flashtile_plan* plan) {
  return plan != nullptr ? plan->json.c_str() : "";
}

void flashtile_plan_free(flashtile_plan* plan) { delete plan; }

}  // extern "C"
