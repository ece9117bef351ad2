#include "cli/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace flashtile::cli {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// Seconds a call, over `calls` calls.
double sample(const std::function<void()>& function, int calls, const bench::Stopwatch& stopwatch) {
  return stopwatch([&] {
           for (int call = 0; call < calls; ++call) function();
         }) /
         calls;
}

}  // namespace

Timing summarize(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  return {quantile(samples, 0.5), samples.front(), quantile(samples, 0.2), quantile(samples, 0.8),
          static_cast<int>(samples.size())};
}

std::vector<Timing> measure(const std::vector<std::function<void()>>& functions, double seconds,
                            const bench::Stopwatch& stopwatch, double most_calls,
                            const std::function<void(const std::string&)>& progress) {
  constexpr double kSampleSeconds = 1e-3;
  constexpr std::size_t kLeast = 3, kMost = 100'000;
  constexpr double kLongSeconds = 2e-2;  // what the function before has left behind is lost in such a call
  std::vector<int> calls;
  std::vector<bool> untimed;
  for (const auto& function : functions) {
    sample(function, 1, stopwatch);  // warm-up
    const double seconds_a_call = sample(function, 1, stopwatch);
    const double wanted = std::ceil(kSampleSeconds / std::max(seconds_a_call, 1e-9));
    calls.push_back(static_cast<int>(std::clamp(wanted, 1.0, most_calls)));
    untimed.push_back(functions.size() > 1 && seconds_a_call < kLongSeconds);
  }
  std::vector<std::vector<double>> samples(functions.size());
  const double total = seconds * static_cast<double>(functions.size());
  const Clock::time_point start = Clock::now();
  for (std::size_t round = 0; !functions.empty() && round < kMost && (round < kLeast || since(start) < total);
       ++round) {
    for (std::size_t i = 0; i < functions.size(); ++i) {
      if (untimed[i]) functions[i]();
      samples[i].push_back(sample(functions[i], calls[i], stopwatch));
    }
    progress(fmt::format("measuring: round {}, {:.0f} of {:.0f} s", round + 1, since(start), total));
  }
  std::vector<Timing> timings;
  timings.reserve(samples.size());
  for (auto& own : samples) timings.push_back(summarize(std::move(own)));
  return timings;
}

}  // namespace flashtile::cli
