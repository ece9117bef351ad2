#include "cli/verdict.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "cli/random.h"

namespace flashtile::cli {

void Verdict::compare(double result, double oracle, double bound, const std::function<std::string()>& where) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool same = result == oracle || (std::isnan(result) && std::isnan(oracle));
  const bool finite = std::isfinite(result) && std::isfinite(oracle);
  const double error = same ? 0 : finite ? std::fabs(result - oracle) : kInfinity;
  // A bound that is itself no number allows nothing.
  const double used = error == 0 ? 0 : bound > 0 && std::isfinite(bound) ? error / bound : kInfinity;
  if (elements == 0 || error > max_error) {
    max_error = error;
    error_bound = bound;
  }
  if (elements == 0 || used > bound_used) {
    bound_used = used;
    worst = where();
  }
  ++elements;
}

void Verdict::join(const Verdict& other) {
  if (other.elements == 0) return;
  if (elements == 0 || other.max_error > max_error) {
    max_error = other.max_error;
    error_bound = other.error_bound;
  }
  if (elements == 0 || other.bound_used > bound_used) {
    bound_used = other.bound_used;
    worst = other.worst;
  }
  elements += other.elements;
}

std::vector<std::int64_t> choose_rows(std::int64_t total, std::int64_t rows, std::uint64_t seed) {
  std::vector<std::int64_t> chosen;
  const std::int64_t parts = rows < 0 ? total : std::min(rows, total);
  for (std::int64_t part = 0; part < parts; ++part) {
    const auto begin = static_cast<std::int64_t>(static_cast<__int128>(total) * part / parts);
    const auto end = static_cast<std::int64_t>(static_cast<__int128>(total) * (part + 1) / parts);
    const std::uint64_t random = random_bits(seed, static_cast<std::uint64_t>(part));
    chosen.push_back(begin + static_cast<std::int64_t>(random % static_cast<std::uint64_t>(end - begin)));
  }
  return chosen;
}

Verdict judge_rows(const std::vector<std::int64_t>& rows, std::int64_t total,
                   const std::function<void(std::int64_t row, Verdict& verdict)>& judge) {
  const unsigned workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Verdict> parts(workers);
  std::atomic<std::size_t> next{0};
  {
    std::vector<std::jthread> threads;
    threads.reserve(workers);
    for (Verdict& part : parts) {
      threads.emplace_back([&] {
        for (std::size_t i; (i = next++) < rows.size();) judge(rows[i], part);
      });
    }
  }
  Verdict all;
  for (const Verdict& part : parts) all.join(part);
  all.rows = static_cast<std::int64_t>(rows.size());
  all.total_rows = total;
  return all;
}

}  // namespace flashtile::cli
