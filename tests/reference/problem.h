// A small attention problem with numbers of its own, the same on every machine: what the tests of the oracle and
// of the bounds work on.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "reference/attention.h"
#include "reference/bounds.h"
#include "reference/format.h"

namespace flashtile::reference {

/// Normal numbers (Steele, Lea & Flood 2014, splitmix64).
class Normal {
 public:
  explicit Normal(std::uint64_t seed) : state_(seed) {}
  double operator()() {
    return std::sqrt(-2.0 * std::log(1.0 - uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  double uniform() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
  std::uint64_t state_;
};

enum class Masks { none, top_left, bottom_right, boolean, bias, boolean_and_bias };

inline std::string name(Masks masks) {
  constexpr const char* kNames[] = {"none", "top_left", "bottom_right", "boolean", "bias", "boolean_and_bias"};
  return kNames[static_cast<int>(masks)];
}

/// Two query heads on one KV head; q, k and v are numbers of `type`.
struct Problem {
  std::int64_t queries, key_count, dim;
  Format type;
  std::vector<double> q, k, v;       ///< (2, queries, dim), (keys, dim), (keys, dim)
  std::vector<double> attend, bias;  ///< (queries, keys), or nothing
  bool causal = false;
  std::int64_t diagonal = 0;

  Problem(std::int64_t queries_, std::int64_t keys, std::int64_t dim_, const Format& type_,
          Masks masks = Masks::none, std::uint64_t seed = 1)
      : queries(queries_), key_count(keys), dim(dim_), type(type_) {
    Normal normal(seed);
    const auto numbers = [&](std::int64_t count) {
      std::vector<double> all(static_cast<std::size_t>(count));
      for (double& x : all) x = type.round(normal());
      return all;
    };
    q = numbers(2 * queries * dim);
    k = numbers(keys * dim);
    v = numbers(keys * dim);
    if (masks == Masks::boolean || masks == Masks::boolean_and_bias) {
      attend.assign(static_cast<std::size_t>(queries * keys), 1.0);
      for (std::size_t n = 0; n < attend.size(); n += 3) attend[n] = 0;
    }
    if (masks == Masks::bias || masks == Masks::boolean_and_bias) {
      bias = numbers(queries * keys);
      for (std::size_t n = 1; n < bias.size(); n += 4) bias[n] = n % 8 == 1 ? -1e9 : -HUGE_VAL;
    }
    causal = masks == Masks::top_left || masks == Masks::bottom_right;
    diagonal = masks == Masks::bottom_right ? keys - queries : 0;
  }

  AttentionCase of() const {
    AttentionCase a;
    a.query_heads = 2;
    a.query_length = queries;
    a.kv_length = key_count;
    a.head_dim = a.value_dim = dim;
    a.scale = 1 / std::sqrt(static_cast<double>(dim));
    a.q = {q.data(), {0, queries * dim, dim, 1}};
    a.k = {k.data(), {0, 0, dim, 1}};
    a.v = {v.data(), {0, 0, dim, 1}};
    a.causal = causal;
    a.diagonal = diagonal;
    if (!attend.empty()) a.attend = {attend.data(), {0, 0, key_count, 1}};
    if (!bias.empty()) a.bias = {bias.data(), {0, 0, key_count, 1}};
    return a;
  }
  std::int64_t rows() const { return 2 * queries; }
  AttentionRow row(std::int64_t n) const { return attention_row(of(), 0, n / queries, n % queries); }
  AttentionBounds bounds(std::int64_t n) const { return attention_bounds(of(), row(n), type); }
};

}  // namespace flashtile::reference
