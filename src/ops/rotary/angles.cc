#include "src/ops/rotary/angles.h"

#include <cmath>
#include <string>

#include "flashtile/error.h"

namespace flashtile::inline v0_2::ops {
namespace {

/// Radians as 2^-64 turns, without the whole ones.
std::uint64_t turns_of(double radians) {
  constexpr double kTurn = 6.283185307179586476925;
  const double turns = radians / kTurn, part = turns - std::floor(turns);
  return part < 1 ? static_cast<std::uint64_t>(std::ldexp(part, 64)) : 0;
}

}  // namespace

kernels::RotaryAngles angles_of(const char* op, const Rotary& embedding, std::int64_t columns) {
  const auto refuse = [&](const std::string& what, ErrorCode code = ErrorCode::invalid_argument) {
    throw Error(code, std::string(op) + ": rotary." + what);
  };
  const std::int64_t dim = embedding.dim == 0 ? columns : embedding.dim;
  if (dim < 0 || dim % 2 != 0 || dim > columns) {
    refuse("dim is " + std::to_string(embedding.dim) + " for rows of " + std::to_string(columns) +
           " elements; so many are turned, all for 0: expected an even number of at most so many");
  }
  if (dim / 2 > kernels::kMostRotaryPairs) {
    refuse("dim is " + std::to_string(dim) + "; this version turns at most " +
               std::to_string(2 * kernels::kMostRotaryPairs) + " elements",
           ErrorCode::unsupported);
  }
  if (embedding.pairs != RotaryPairs::halves && embedding.pairs != RotaryPairs::interleaved) {
    refuse("pairs is RotaryPairs(" + std::to_string(static_cast<int>(embedding.pairs)) +
           "); expected halves or interleaved");
  }
  const std::span<const double> given = embedding.frequencies;
  if (!given.empty() && static_cast<std::int64_t>(given.size()) != dim / 2) {
    refuse("frequencies has " + std::to_string(given.size()) + " elements; expected " +
           std::to_string(dim / 2) + ", one a pair");
  }
  if (!(embedding.base > 0) || !std::isfinite(embedding.base))
    refuse("base is " + std::to_string(embedding.base) + "; expected a positive finite number");

  kernels::RotaryAngles angles{};
  angles.pairs = static_cast<std::int32_t>(dim / 2);
  angles.interleaved = embedding.pairs == RotaryPairs::interleaved;
  for (std::int32_t i = 0; i < angles.pairs; ++i) {
    const double frequency = given.empty() ? std::pow(embedding.base, -2.0 * i / static_cast<double>(dim))
                                           : given[static_cast<std::size_t>(i)];
    if (!std::isfinite(frequency)) {
      refuse("frequencies[" + std::to_string(i) + "] is " + std::to_string(frequency) +
             "; expected a finite number");
    }
    const std::uint64_t turns = turns_of(frequency);
    angles.turns[i] = embedding.inverse ? 0 - turns : turns;
  }
  return angles;
}

kernels::RowPositions positions_of(const core::Argument& positions, const core::Argument& like) {
  const TensorView& view = positions.view;
  const Dims full{like.view.shape[0], like.view.shape[2]};
  bool fits = view.rank() <= 2;
  std::int64_t strides[2] = {0, 0};
  for (int i = 0; fits && i < view.rank(); ++i) {
    const int to = 2 - view.rank() + i;
    fits = view.shape[i] == 1 || view.shape[i] == full[to];
    if (view.shape[i] > 1 && i < view.strides.rank()) strides[to] = view.strides[i];
  }
  if (!fits) {
    positions.refuse("has shape " + to_string(view.shape) +
                     "; expected one that broadcasts to (B, L) = " + to_string(full));
  }
  if (view.dtype != DType::i32) positions.refuse("has dtype " + core::spelled(view.dtype) + "; expected i32");
  core::check_memory(positions, core::Data::needed);
  core::check_device(positions, like.view.device, like.name);
  return {static_cast<const std::int32_t*>(view.data), strides[0], strides[1]};
}

}  // namespace flashtile::inline v0_2::ops
