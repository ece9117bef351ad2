// A call of the campaign as numbers, one for each field: how they are drawn, what a call is made of them, and how it is
// spelled, so that one line repeats it. Called by campaign.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flashtile/device.h"
#include "flashtile/dtype.h"
#include "tests/ops/attention/answer.h"
#include "tests/ops/attention/cases.h"

namespace flashtile::test {

/// What a campaign's call is.
struct Drawn {
  Case c;
  DType dtype = DType::f32;
  int threads = 1;
  Workspace workspace = Workspace::of_library;
  std::int64_t group = 1;     ///< query heads of a KV head
  std::int64_t position = 0;  ///< of the first query, where one is given
  bool causal_at_position = false;
  enum class Offset { none, position, entries } query_offset = Offset::none;
  bool query_lengths = false, kv_lengths = false, sinks = false;
  enum class Packed {
    none,
    queries,
    all
  } packed = Packed::none;  ///< sequences of these lengths one after another
};

/// A value of each field, in the fields' order.
using Numbers = std::vector<std::int64_t>;

/// The names of the fields, in their order.
std::vector<std::string> field_names();

/// Numbers at random. Calls have few features, some or many, and are small enough for the oracle.
Numbers draw(Random& random);

/// The call that numbers stand for.
Drawn drawn(const Numbers& numbers);

/// "dtype=bf16,kv_length=70": the type, and all that is not as plain as can be.
std::string spelled(const Numbers& numbers);

/// The numbers that spelled() has spelled. Errors: invalid_argument.
Numbers parse(const std::string& text);

}  // namespace flashtile::test
