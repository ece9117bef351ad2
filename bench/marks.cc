#include "bench/marks.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

namespace flashtile::bench {

void Marks::judge(const std::string& cell, const std::string& times, double ratio, Bound bound, double mark) {
  const bool holds = bound == Bound::at_most ? ratio <= mark : ratio >= mark;
  ++cells_, held_ += holds ? 1 : 0;
  std::printf("%-52s %-58s %6.3f  %s %-5.4g %s\n", cell.c_str(), times.c_str(), ratio,
              bound == Bound::at_most ? "<=" : ">=", mark,
              quick_  ? "not judged"
              : holds ? "holds"
                      : "MISSES");
  std::fflush(stdout);
}

void Marks::print_sum() const {
  if (!quick_) std::printf("%d of %d marks held\n", held_, cells_);
}

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f ms", seconds * 1e3);
  return text;
}
std::string threads_of(const Queue& queue) {
  return std::to_string(queue.threads()) + (queue.threads() == 1 ? " thread" : " threads");
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<double> Marks::in_turns(double most_seconds,
                                    const std::vector<std::function<double()>>& samples) const {
  const double first = seconds_of([&] {
    for (const auto& sample : samples) sample();
  });
  const int rounds = quick_ ? 1 : static_cast<int>(std::clamp(most_seconds / first, 3.0, 11.0));
  std::vector<std::vector<double>> taken(samples.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < samples.size(); ++i) taken[i].push_back(samples[i]());
  }
  std::vector<double> medians;
  for (std::vector<double>& all : taken) {
    std::nth_element(all.begin(), all.begin() + rounds / 2, all.end());
    medians.push_back(all[static_cast<std::size_t>(rounds / 2)]);
  }
  return medians;
}
std::function<double()> timed(std::function<void()> work) {
  return [work = std::move(work)] { return seconds_of(work); };
}

}  // namespace flashtile::bench
