// Where a thread stands in its structured control flow, so that threads that diverged meet again as lock-step hardware has
// them meet. The translator puts markers around every statement that contains a collective.
#pragma once

#include <array>
#include <cstdint>

namespace flashtile::metal_emulator {

/// One counter a nesting level: how many times its loop went round, above, and how many marked statements of it were entered
/// and left, below.
class Position {
 public:
  static constexpr std::uint32_t kDeepest = 62;

  void reset() { depth_ = 0, counters_[0] = 0; }
  bool full() const { return depth_ == kDeepest; }
  void enter(bool counted) {
    counters_[depth_] += counted ? 1 : 0;
    counters_[++depth_] = 0;
  }
  void leave(bool counted) { counters_[--depth_] += counted ? 1 : 0; }
  void next_iteration() { counters_[depth_] = (counters_[depth_] | kStatements) + 1; }

  /// The same statement, in the same iteration of every loop around it.
  friend bool same_place(const Position& a, const Position& b) {
    if (a.depth_ != b.depth_) return false;
    for (std::uint32_t i = 0; i < a.depth_; ++i)
      if (a.counters_[i] != b.counters_[i]) return false;
    return a.counters_[a.depth_] / (kStatements + 1) == b.counters_[b.depth_] / (kStatements + 1);
  }

  /// Negative when a has further to go than b: it is in an earlier statement or iteration, or deeper, inside a call or branch
  /// that b has skipped. 0 when the text alone tells.
  friend int progress(const Position& a, const Position& b) {
    const std::uint32_t common = a.depth_ < b.depth_ ? a.depth_ : b.depth_;
    for (std::uint32_t i = 0; i <= common; ++i)
      if (a.counters_[i] != b.counters_[i]) return a.counters_[i] < b.counters_[i] ? -1 : 1;
    return a.depth_ == b.depth_ ? 0 : a.depth_ > b.depth_ ? -1 : 1;
  }

 private:
  static constexpr std::uint64_t kStatements = 0xfffff;

  std::uint32_t depth_ = 0;
  std::array<std::uint64_t, kDeepest + 2> counters_{};
};

}  // namespace flashtile::metal_emulator
