// The judge is judged: answers to slightly other questions, rounded as a way would round them, are called wrong
// whatever the mask and the type, and the right answer is called right.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "tests/reference/problem.h"

namespace flashtile::reference {
namespace {

struct Answer {
  std::vector<std::vector<double>> out;  ///< (rows) x (Dv)
  std::vector<double> lse;               ///< (rows)
};

/// The oracle's answer, rounded to the types of out and lse.
Answer answer_to(const Problem& p) {
  Answer answer;
  for (std::int64_t n = 0; n < p.rows(); ++n) {
    AttentionRow row = p.row(n);
    for (double& x : row.out) x = p.type.round(x);
    answer.out.push_back(row.out);
    answer.lse.push_back(kFloat32.round(row.lse));
  }
  return answer;
}

bool is_right(const Problem& p, const Answer& answer) {
  for (std::int64_t n = 0; n < p.rows(); ++n) {
    const AttentionRow row = p.row(n);
    const AttentionBounds bounds = attention_bounds(p.of(), row, p.type);
    const auto at = static_cast<std::size_t>(n);
    for (std::size_t d = 0; d < row.out.size(); ++d) {
      if (!agrees(answer.out[at][d], row.out[d], bounds.out[d])) return false;
    }
    if (!agrees(answer.lse[at], row.lse, bounds.lse)) return false;
  }
  return true;
}

class Judge : public ::testing::TestWithParam<std::tuple<Masks, Format>> {
 protected:
  static constexpr std::int64_t kQueries = 6, kKeys = 9, kDim = 16;

  /// The first query looks at key 2 so sharply, where it may, that the others weigh nothing.
  Judge() {
    for (std::size_t d = 0; d < kDim; ++d) p.q[d] = p.type.round(60 * p.k[2 * kDim + d]);
  }
  Answer wrong(const std::function<void(Problem&)>& change) const {
    Problem other = p;
    change(other);
    return answer_to(other);
  }
  /// Hides `key` from all queries.
  static void hide(Problem& other, std::int64_t key) {
    if (other.attend.empty()) other.attend.assign(static_cast<std::size_t>(kQueries * kKeys), 1.0);
    for (std::int64_t i = 0; i < kQueries; ++i) other.attend[static_cast<std::size_t>(i * kKeys + key)] = 0;
  }

  /// Keys that some query gives a weight.
  std::vector<std::int64_t> seen_keys() const {
    std::vector<std::int64_t> seen;
    for (std::int64_t key = 0; key < kKeys; ++key) {
      bool is_seen = false;
      for (std::int64_t n = 0; n < p.rows(); ++n) {
        for (const AttendedKey& attended : p.row(n).keys)
          is_seen |= attended.index == key && attended.weight > 0.01;
      }
      if (is_seen) seen.push_back(key);
    }
    EXPECT_GE(seen.size(), 6u);
    return seen;
  }

  Problem p{kQueries, kKeys, kDim, std::get<Format>(GetParam()), std::get<Masks>(GetParam())};
};

TEST_P(Judge, TheRightAnswerIsRight) { EXPECT_TRUE(is_right(p, answer_to(p))); }

TEST_P(Judge, AKeyDropped) {
  for (const std::int64_t key : seen_keys()) {
    EXPECT_FALSE(is_right(p, wrong([&](Problem& other) { hide(other, key); }))) << "key " << key;
  }
}

TEST_P(Judge, TheValueOfTheNextKey) {
  for (const std::int64_t key : seen_keys()) {
    if (key + 1 == kKeys) continue;
    EXPECT_FALSE(is_right(p, wrong([&](Problem& other) {
                            std::copy_n(p.v.begin() + (key + 1) * kDim, kDim, other.v.begin() + key * kDim);
                          })))
        << "key " << key;
  }
}

TEST_P(Judge, TwoRowsSwapped) {
  for (std::size_t n = 0; n + 1 < static_cast<std::size_t>(p.rows()); ++n) {
    Answer answer = answer_to(p);
    std::swap(answer.out[n], answer.out[n + 1]);
    std::swap(answer.lse[n], answer.lse[n + 1]);
    EXPECT_FALSE(is_right(p, answer)) << "rows " << n << " and " << n + 1;
  }
}

/// Of a problem without a causal mask: one that nobody asked for.
TEST_P(Judge, TheOtherCorner) {
  EXPECT_FALSE(is_right(p, wrong([&](Problem& other) {
                          other.causal = true;
                          other.diagonal = p.causal ? kKeys - kQueries - p.diagonal : kKeys - kQueries;
                        })));
}

TEST_P(Judge, ABiasOffByAThousandth) {
  for (const std::int64_t key : seen_keys()) {
    EXPECT_FALSE(is_right(p, wrong([&](Problem& other) {
                            if (other.bias.empty())
                              other.bias.assign(static_cast<std::size_t>(kQueries * kKeys), 0.0);
                            for (std::int64_t i = 0; i < kQueries; ++i)
                              other.bias[static_cast<std::size_t>(i * kKeys + key)] += 1e-3;
                          })))
        << "key " << key;
  }
}

TEST_P(Judge, FourUnitsInTheLastPlace) {
  for (const double sign : {-1.0, 1.0}) {
    Answer answer = answer_to(p);
    for (auto& row : answer.out) {
      for (double& x : row) x += sign * 4 * p.type.spacing(x);
    }
    EXPECT_FALSE(is_right(p, answer));
  }
}

/// A NaN or an infinity never passes for a number.
TEST_P(Judge, NotANumber) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL}) {
    Answer answer = answer_to(p);
    answer.out.back().back() = bad;
    EXPECT_FALSE(is_right(p, answer));
    answer = answer_to(p);
    answer.lse.back() = bad;
    EXPECT_FALSE(is_right(p, answer));
  }
}

std::string test_name(const ::testing::TestParamInfo<Judge::ParamType>& info) {
  const auto& [masks, type] = info.param;
  const char* const type_name = type.digits == kFloat32.digits   ? "_f32"
                                : type.digits == kFloat16.digits ? "_f16"
                                                                 : "_bf16";
  return name(masks) + type_name;
}

INSTANTIATE_TEST_SUITE_P(Attention, Judge,
                         ::testing::Combine(::testing::Values(Masks::none, Masks::top_left, Masks::bottom_right,
                                                              Masks::boolean, Masks::bias,
                                                              Masks::boolean_and_bias),
                                            ::testing::Values(kFloat32, kFloat16, kBfloat16)),
                         test_name);

}  // namespace
}  // namespace flashtile::reference
