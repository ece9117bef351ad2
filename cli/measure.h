// Times several functions in turns, so that other load on the machine affects all of them alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/stopwatch.h"

namespace flashtile::cli {

/// Of one function: seconds a call.
struct Timing {
  double median = 0, minimum = 0;
  double low = 0, high = 0;  ///< the 20 % and 80 % quantiles
  int samples = 0;

  double spread() const { return median > 0 ? (high - low) / median : 0; }
};

/// Quantiles of samples, interpolated.
Timing summarize(std::vector<double> samples);

/// Measures each function for about `seconds`, at least three samples, one sample of each in turn. A sample is
/// one call, or as many as take a millisecond, but at most `most_calls`. Each function is called once before
/// the first sample, and, where another one had the caches and threads meanwhile, once before each sample
/// unless a call is so long that this does not matter. progress(text) is told how far it is.
std::vector<Timing> measure(const std::vector<std::function<void()>>& functions, double seconds,
                            const bench::Stopwatch& stopwatch, double most_calls,
                            const std::function<void(const std::string&)>& progress);

}  // namespace flashtile::cli
