// A plan as C holds it. Made by the plan functions of each op.
#pragma once

#include <string>

#include "flashtile/flashtile.h"
#include "flashtile/plan.h"

struct flashtile_plan {
  explicit flashtile_plan(flashtile::Plan made);

  const flashtile::Plan plan;
  const std::string text, json;
};
