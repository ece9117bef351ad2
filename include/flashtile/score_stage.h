// How far the scores of attention have come. Kernel text includes this, so it needs nothing.
#pragma once

namespace flashtile::inline v0_2 {

/// Stages of a score, in the order in which it passes them.
enum class ScoreStage : int {
  raw = 0,           ///< scale * q·k of every pair, hidden or not
  capped = 1,        ///< the same after the softcap
  biased = 2,        ///< with slope and bias, and -inf where the pair is hidden: what the softmax takes
  probabilities = 3  ///< what the softmax gives, 0 where the pair is hidden
};

}  // namespace flashtile::inline v0_2
