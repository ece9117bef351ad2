#include "cli/verdict.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "cli/random.h"
#include "reference/bounds.h"

namespace flashtile::cli {

void Verdict::compare(double result, double oracle, double bound, const std::function<std::string()>& where) {
  const double error = reference::distance(result, oracle), used = reference::bound_used(result, oracle, bound);
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
  std::vector<Verdict> parts(std::max(1u, std::thread::hardware_concurrency()));
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto work = [&](Verdict& part) {
    try {
      for (std::size_t i; (i = next++) < rows.size();) judge(rows[i], part);
    } catch (...) {
      const std::lock_guard lock(failing);
      failure = std::current_exception();
      next = rows.size();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(parts.size());
  try {
    for (std::size_t i = 1; i < parts.size(); ++i)
      threads.emplace_back([&work, &part = parts[i]] { work(part); });
  } catch (const std::system_error&) {  // the system gives no more threads: those that there are do all
  }
  work(parts[0]);
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  Verdict all;
  for (const Verdict& part : parts) all.join(part);
  all.rows = static_cast<std::int64_t>(rows.size());
  all.total_rows = total;
  return all;
}

}  // namespace flashtile::cli
