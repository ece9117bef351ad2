// A run of marks: what it compares takes turns, and each comparison is a line with its verdict. Called by
// forward_marks.cc.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flashtile/device.h"

namespace flashtile::bench {

enum class Bound { at_most, at_least };

class Marks {
 public:
  /// quick: small sizes and one round, to see that it runs; nothing is judged.
  explicit Marks(bool quick) : quick_(quick) {}
  bool quick() const { return quick_; }

  /// Prints a cell and whether `ratio` is within its mark: at most, or at least, `mark`.
  void judge(const std::string& cell, const std::string& times, double ratio, Bound bound, double mark);
  void print_sum() const;

  /// The median of what each sample returns; they take turns, after one round that is not counted. As many rounds as fit into
  /// `most_seconds`, at least 3 and at most 11.
  std::vector<double> in_turns(double most_seconds, const std::vector<std::function<double()>>& samples) const;

 private:
  bool quick_;
  int cells_ = 0, held_ = 0;
};

double seconds_of(const std::function<void()>& work);
/// A sample of how long `work` takes.
std::function<double()> timed(std::function<void()> work);

std::string milliseconds(double seconds);
std::string threads_of(const Queue& queue);

}  // namespace flashtile::bench
