// The words that options take, and what to say to a word that none of them is.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "flashtile/error.h"

namespace flashtile::cli {

template <class T>
using Words = std::map<std::string, T>;

inline const Words<Op> kOps{{"attention", Op::attention}, {"gemm", Op::gemm}};
inline const Words<DType> kFloatTypes{{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}};
inline const Words<DType> kDTypes{
    {"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}, {"i8", DType::i8}, {"u8", DType::u8}};
/// Only b of a product may be packed in pairs.
inline const Words<DType> kBDTypes{{"f32", DType::f32},    {"f16", DType::f16}, {"bf16", DType::bf16},
                                   {"i8", DType::i8},      {"u8", DType::u8},   {"int4", DType::int4},
                                   {"uint4", DType::uint4}};
inline const Words<Layout> kLayouts{{"bhsd", Layout::bhsd}, {"bshd", Layout::bshd}};
inline const Words<CausalCorner> kCorners{{"top_left", CausalCorner::top_left},
                                          {"bottom_right", CausalCorner::bottom_right}};
inline const Words<bench::Cache> kCaches{{"warm", bench::Cache::warm}, {"cold", bench::Cache::cold}};
inline const Words<ScoreStage> kScoreStages{{"raw", ScoreStage::raw},
                                            {"capped", ScoreStage::capped},
                                            {"biased", ScoreStage::biased},
                                            {"probabilities", ScoreStage::probabilities}};
inline const Words<Color> kColors{
    {"auto", Color::automatic}, {"always", Color::always}, {"never", Color::never}};

template <class T>
const std::string& spelling(const Words<T>& words, T value) {
  return std::find_if(words.begin(), words.end(), [&](const auto& entry) { return entry.second == value; })
      ->first;
}

/// "; did you mean 'check'?" when one of the words is near, or is what other programs call it; otherwise "".
std::string suggestion(const std::string& word, const std::vector<std::string>& words);

/// The value that a word stands for. Errors: invalid_argument naming the option.
template <class T>
T parse_word(const std::string& option, const std::string& word, const Words<T>& words) {
  const auto found = words.find(word);
  if (found != words.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [name, value] : words) known.push_back(name);
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: '{}' is none of {}{}", option, word,
                                                       fmt::join(known, ", "), suggestion(word, known)));
}

}  // namespace flashtile::cli
