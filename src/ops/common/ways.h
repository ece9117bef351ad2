// The rows of an op's table of ways, and how one way is chosen. Called by each op's plan
// function and by the op itself.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/plan.h"
#include "src/ops/common/workspace.h"

namespace flashtile::inline v0_2::ops {

/// What calls of an op may ask for of which not every way knows all: the type of its problems' `needed`, if they have one.
template <class Problem>
struct FeaturesOf {
  struct type {};
};
template <class Problem>
  requires requires(Problem problem) { problem.needed; }
struct FeaturesOf<Problem> {
  using type = decltype(Problem::needed);
};

/// One way to compute an op. Why it cannot is told by refusal(), from what is first false here; nothing throws.
template <class Problem, class Buffers>
struct Way {  // NOLINT(clang-analyzer-optin.performance.Padding): in the order in which a way is read
  std::string_view name;
  std::string_view about;                 ///< one line
  std::string_view missing = {};          ///< "this build of flashtile has no cuDNN"; empty: it is built
  std::optional<DeviceType> device = {};  ///< that it is for; unset: all
  /// What it knows on a device, of what calls may ask for.
  typename FeaturesOf<Problem>::type (*knows)(DeviceType) = nullptr;
  bool stores_scores = false;
  /// run notes where rows are not finite that see a key, and sets all others, on a CPU.
  bool notes_rows = false;
  /// Does run itself set rows without a key and those whose hidden values are not finite? nullptr: never.
  bool (*finishes_rows)(const Problem&) = nullptr;

  /// Limits of shape, type and version: empty, or the reason why it cannot. Asked where nothing above refuses.
  std::string_view (*declines)(const Problem&) = nullptr;
  /// Should it, as measured? false leaves the problem to a later way that can; nullptr: always.
  bool (*preferred)(const Problem&) = nullptr;
  /// What run() takes at most.
  std::size_t (*workspace_bytes)(const Problem&) = nullptr;
  /// The kernel that runs, for people: "tensor_ops f32 avx512 64x64x64".
  std::string (*kernel)(const Problem&) = nullptr;
  void (*run)(const Problem&, const Buffers&, Workspace&, const Queue&) = nullptr;
};

/// "it is for CPUs".
constexpr std::string_view is_for(DeviceType device) {
  switch (device) {
    case DeviceType::cpu: return "it is for CPUs";
    case DeviceType::cuda: return "it is for NVIDIA GPUs";
    default: return "it is for Apple GPUs";
  }
}

/// Why a way cannot run a problem; empty where it can.
template <class Problem, class Buffers>
std::string_view refusal(const Way<Problem, Buffers>& way, const Problem& problem) {
  if (!way.missing.empty()) return way.missing;
  if (way.device && *way.device != problem.device.type) return is_for(*way.device);
  if constexpr (requires { problem.needed; }) {
    const std::string_view reason = unknown(problem.needed, way.knows(problem.device.type));
    if (!reason.empty()) return reason;
  }
  return way.declines(problem);
}

/// For ways that need no workspace.
template <class Problem>
std::size_t no_workspace(const Problem&) {
  return 0;
}

template <class Problem, class Buffers>
const Way<Problem, Buffers>* find_way(std::span<const Way<Problem, Buffers>> ways, std::string_view name) {
  for (const auto& way : ways) {
    if (way.name == name) return &way;
  }
  return nullptr;
}

template <class Problem, class Buffers>
std::vector<WayInfo> infos(std::span<const Way<Problem, Buffers>> ways) {
  std::vector<WayInfo> result;
  for (const auto& way : ways)
    result.push_back({std::string(way.name), way.missing.empty(), std::string(way.about)});
  return result;
}

/// The ways that were not chosen and why: those before the chosen one, or all the others when one was forced.
template <class Problem, class Buffers>
std::vector<RefusedWay> refusals(std::span<const Way<Problem, Buffers>> ways, const Problem& problem,
                                 const Way<Problem, Buffers>* chosen, std::string_view forced) {
  std::vector<RefusedWay> result;
  for (const auto& way : ways) {
    if (&way == chosen && forced.empty()) break;
    if (&way == chosen) continue;
    std::string_view reason = refusal(way, problem);
    if (reason.empty())
      reason = forced.empty() ? "can, but another way is faster here" : "can, but another way was asked for";
    result.push_back({std::string(way.name), std::string(reason)});
  }
  return result;
}

/// The forced way, or else the first one that can and should, or else the first one that can. Allocates nothing.
/// Errors: unsupported with every reason; invalid_argument for a name that no way has.
template <class Problem, class Buffers>
const Way<Problem, Buffers>& choose(std::string_view op, std::span<const Way<Problem, Buffers>> ways,
                                    const Problem& problem, std::string_view forced) {
  if (!forced.empty()) {
    const auto* way = find_way(ways, forced);
    if (way == nullptr) {
      std::string known;
      for (const auto& w : ways) known += (known.empty() ? "" : ", ") + std::string(w.name);
      throw Error(ErrorCode::invalid_argument,
                  std::string(op) + ": way is \"" + std::string(forced) + "\"; expected one of " + known);
    }
    if (const std::string_view reason = refusal(*way, problem); !reason.empty()) {
      throw Error(
          ErrorCode::unsupported,
          std::string(op) + ": way " + std::string(forced) + " cannot run this call: " + std::string(reason),
          {{std::string(forced), std::string(reason)}});
    }
    return *way;
  }
  const Way<Problem, Buffers>* able = nullptr;
  for (const auto& way : ways) {
    if (!refusal(way, problem).empty()) continue;
    if (way.preferred == nullptr || way.preferred(problem)) return way;
    if (able == nullptr) able = &way;
  }
  if (able != nullptr) return *able;
  std::string reasons;
  std::vector<RefusedWay> refused = refusals<Problem, Buffers>(ways, problem, nullptr, forced);
  for (const auto& [way, reason] : refused) reasons.append("\n  ").append(way).append(": ").append(reason);
  throw Error(ErrorCode::unsupported,
              std::string(op) + ": no way can run this call on " + name(problem.device) + ":" + reasons,
              std::move(refused));
}

/// The chosen way as a Plan.
template <class Problem, class Buffers>
Plan plan_of(std::string_view op, std::span<const Way<Problem, Buffers>> ways, const Problem& problem,
             std::string_view forced) {
  const auto& way = choose(op, ways, problem, forced);
  Plan plan;
  plan.op = op;
  plan.way = way.name;
  plan.device = problem.device;
  plan.kernel = problem.empty() ? "none: the result has no elements" : way.kernel(problem);
  plan.workspace_bytes = problem.empty() ? 0 : way.workspace_bytes(problem);
  plan.stores_scores = way.stores_scores;
  plan.refused = refusals(ways, problem, &way, forced);
  return plan;
}

}  // namespace flashtile::inline v0_2::ops
