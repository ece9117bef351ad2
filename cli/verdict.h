// A result compared with the oracle.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace flashtile::cli {

struct Verdict {
  double max_error = 0;         ///< largest |result - oracle|
  double error_bound = 0;       ///< the bound of that element
  double bound_used = 0;        ///< largest error / bound of any element
  std::string worst;            ///< that element: "out[0,3,17,5]"
  std::int64_t elements = 0;    ///< compared
  std::int64_t rows = 0;        ///< compared
  std::int64_t total_rows = 0;  ///< there are

  bool right() const { return bound_used <= 1; }

  /// Takes in one element. NaN must meet NaN, and an infinity the same infinity; see reference::bound_used().
  void compare(double result, double oracle, double bound, const std::function<std::string()>& where);
  /// Takes in what another verdict has seen.
  void join(const Verdict& other);
};

/// Up to `rows` different numbers in [0, total), ascending, one from each of as many equal parts; all when rows
/// < 0.
std::vector<std::int64_t> choose_rows(std::int64_t total, std::int64_t rows, std::uint64_t seed);

/// Joins the verdicts that judge(row, verdict) makes of rows, on every hardware thread. Errors: those of judge.
Verdict judge_rows(const std::vector<std::int64_t>& rows, std::int64_t total,
                   const std::function<void(std::int64_t row, Verdict& verdict)>& judge);

}  // namespace flashtile::cli
