// Rotary position embeddings: pairs of a row's elements turned by angles that grow with the row's position.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "flashtile/detail/config.h"
#include "flashtile/device.h"
#include "flashtile/result.h"
#include "flashtile/tensor.h"

namespace flashtile::inline v0_2 {
FLASHTILE_EXPORTS_BEGIN

/// Which elements are turned together, of the R that are.
enum class RotaryPairs : std::uint8_t {
  halves,       ///< i and i + R/2, as Llama and GPT-NeoX do
  interleaved,  ///< 2i and 2i + 1, as GPT-J does
};

/// An embedding: pair i of a row at position p becomes (a cos t - b sin t, b cos t + a sin t) with t = p * frequency_i.
struct Rotary {
  RotaryPairs pairs = RotaryPairs::halves;
  /// R: so many elements of each row are turned, the first ones; even, at most 576. 0 = all of them.
  std::int64_t dim = 0;
  /// frequency_i = base^(-2i/R), in radians a position. Positive and finite.
  double base = 10000.0;
  /// (R/2) on the host, used instead of base: for embeddings that are stretched. Read by the call before it returns.
  std::span<const double> frequencies{};
  bool inverse = false;  ///< turns back
};

struct RotaryOptions {
  /// Where to run; unset = Queue::default_for(x.device).
  std::optional<Queue> queue{};
};

/// Turns the rows of x by their positions.
///
/// Shapes    x (B, H, L, D) -> the same. positions i32, broadcast to (B, L): any, also negative.
/// Strides   Any, also 0; the last one of x is 1.
/// Types     f32, f16 or bf16; the result has x's type.
/// Numerics  Angles are reduced to one turn in integers, so that sine and cosine are right to 1e-6 at any position; products
///           and sums are float32, rounded once at the end. Elements that are not turned are copied.
/// Errors    invalid_argument names the argument and what was found; unsupported on devices that are not CPUs or NVIDIA
///           GPUs, and for more than 576 turned elements.
/// Threads   Safe from any thread.
/// Source    Su et al. 2021 (RoFormer).
Tensor rotary(const TensorView& x, const TensorView& positions, const Rotary& embedding = {},
              const RotaryOptions& options = {});

/// rotary() into the caller's memory. out shares no memory with the inputs, but may be x itself: the same data, shape and
/// strides. Allocates nothing. Asynchronous on a GPU queue. Same errors.
void rotary_into(const TensorView& out, const TensorView& x, const TensorView& positions,
                 const Rotary& embedding = {}, const RotaryOptions& options = {});

/// The same for a program without exceptions.
Result<Tensor> try_rotary(const TensorView& x, const TensorView& positions, const Rotary& embedding = {},
                          const RotaryOptions& options = {}) noexcept;
Result<> try_rotary_into(const TensorView& out, const TensorView& x, const TensorView& positions,
                         const Rotary& embedding = {}, const RotaryOptions& options = {}) noexcept;

FLASHTILE_EXPORTS_END
}  // namespace flashtile::inline v0_2
