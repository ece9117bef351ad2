// How long work on a queue takes: by the clock on a CPU, by the GPU's own events there. Called by the command
// line and by peaks.cc.
#pragma once

#include <functional>

#include "flashtile/device.h"

namespace flashtile::bench {

/// Runs work() and returns the seconds that it took, with all that it has put on the queue.
using Stopwatch = std::function<double(const std::function<void()>& work)>;

/// What the caches hold when the stopwatch starts: whatever was there, or nothing that work() may need, because
/// memory past their size has just been written.
enum class Cache { warm, cold };

Stopwatch stopwatch_of(const Queue& queue, Cache cache = Cache::warm);

/// Bytes a second that a copy within a GPU moves, those read and those written.
double gpu_copy_bytes(const Queue& queue);

}  // namespace flashtile::bench
