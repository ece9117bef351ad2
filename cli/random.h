// Random numbers that depend on nothing but a seed and a position: the same on every machine, in any order.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace flashtile::cli {

/// 64 bits for position `index` of stream `seed`. Source: splitmix64 (Steele, Lea and Flood 2014).
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index) {
  const auto mix = [](std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  };
  return mix(mix(seed + 0x9e3779b97f4a7c15u) + (index + 1) * 0x9e3779b97f4a7c15u);
}

/// In (0, 1].
inline float random_uniform(std::uint64_t seed, std::uint64_t index) {
  return static_cast<float>((random_bits(seed, index) >> 40) + 1) * 0x1p-24f;
}

/// Mean 0, variance 1 (Box and Muller 1958).
inline float random_normal(std::uint64_t seed, std::uint64_t index) {
  const float radius = std::sqrt(-2 * std::log(random_uniform(seed, 2 * index)));
  return radius * std::cos(2 * std::numbers::pi_v<float> * random_uniform(seed, 2 * index + 1));
}

}  // namespace flashtile::cli
