// The choice of a way, told to the log. Called by attention and gemm in place of choose().
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "src/core/log.h"
#include "src/ops/common/ways.h"

namespace flashtile::inline v0_2::ops {

/// choose(), whose plan or error the log hears of, once for each problem. `describe` says of a problem what was asked for.
template <class Problem, class Buffers>
const Way<Problem, Buffers>& choose_and_log(std::string_view op, std::span<const Way<Problem, Buffers>> ways,
                                            const Problem& problem, std::string_view forced,
                                            std::string (*describe)(const Problem&)) {
  if (!core::is_logged()) return choose(op, ways, problem, forced);
  const std::string asked = std::string(op) + " of " + describe(problem) + "\n";
  try {
    std::string plan = plan_of(op, ways, problem, forced).to_string();
    plan.pop_back();  // its last newline
    core::log_once(asked + plan);
  } catch (const Error& error) {
    core::log_once(asked + error.what());
    throw;
  }
  return choose(op, ways, problem, forced);
}

}  // namespace flashtile::inline v0_2::ops
