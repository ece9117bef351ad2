#include "cli/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "cli/memory_for.h"
#include "cli/oracle_arrays.h"

namespace flashtile::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Verdict of(double result, double oracle, double bound) {
  Verdict verdict;
  verdict.compare(result, oracle, bound, [] { return "x"; });
  return verdict;
}

TEST(Verdict, EachElementHasItsOwnBound) {
  Verdict verdict;
  verdict.compare(1.5, 1.0, 1.0, [] { return "a"; });   // half of its bound
  verdict.compare(1.1, 1.0, 0.01, [] { return "b"; });  // ten times its bound
  verdict.compare(1.0, 1.0, 0.01, [] { return "c"; });
  EXPECT_FALSE(verdict.right());
  EXPECT_EQ(verdict.worst, "b");
  EXPECT_NEAR(verdict.bound_used, 10, 1e-9);
  EXPECT_EQ(verdict.max_error, 0.5);
  EXPECT_EQ(verdict.error_bound, 1.0);
  EXPECT_EQ(verdict.elements, 3);
}

TEST(Verdict, SpecialValuesMustMeetTheirLike) {
  EXPECT_TRUE(of(kNaN, kNaN, kNaN).right());
  EXPECT_TRUE(of(-kInfinity, -kInfinity, kNaN).right());
  EXPECT_FALSE(of(kNaN, 1, 1).right());
  EXPECT_FALSE(of(1, kNaN, kNaN).right());
  EXPECT_FALSE(of(kInfinity, -kInfinity, 1).right());
  EXPECT_FALSE(of(1, kInfinity, kInfinity).right());
  EXPECT_EQ(of(kNaN, 1, 1).max_error, kInfinity);
}

TEST(Verdict, ABoundOfZeroAllowsNothing) {
  EXPECT_TRUE(of(3, 3, 0).right());
  EXPECT_FALSE(of(3, 4, 0).right());
  EXPECT_FALSE(of(3, 4, kNaN).right());
}

TEST(Verdict, JoinsWhatOthersSaw) {
  Verdict all;
  all.join(of(1, 1, 0.5));
  EXPECT_EQ(all.worst, "x");
  all.join(of(2, 1, 0.5));
  all.join(Verdict());
  EXPECT_EQ(all.elements, 2);
  EXPECT_EQ(all.max_error, 1);
  EXPECT_EQ(all.bound_used, 2);
  EXPECT_EQ(all.error_bound, 0.5);
}

TEST(Rows, OneFromEachPart) {
  const std::vector<std::int64_t> rows = choose_rows(1000, 10, 3);
  ASSERT_EQ(rows.size(), 10u);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i] / 100, static_cast<std::int64_t>(i));
  EXPECT_NE(rows, choose_rows(1000, 10, 4));
  EXPECT_EQ(rows, choose_rows(1000, 10, 3));
}

TEST(Rows, AllWhenThereAreNoMore) {
  const std::vector<std::int64_t> all{0, 1, 2, 3};
  EXPECT_EQ(choose_rows(4, 4, 0), all);
  EXPECT_EQ(choose_rows(4, 100, 0), all);
  EXPECT_EQ(choose_rows(4, -1, 0), all);
  EXPECT_TRUE(choose_rows(0, 5, 0).empty());
}

TEST(Rows, AreJudgedOnce) {
  const std::vector<std::int64_t> rows = choose_rows(1000, 100, 0);
  const Verdict verdict = judge_rows(rows, 1000, [](std::int64_t row, Verdict& own) {
    own.compare(static_cast<double>(row), 0, 2000, [row] { return std::to_string(row); });
  });
  EXPECT_EQ(verdict.elements, 100);
  EXPECT_EQ(verdict.rows, 100);
  EXPECT_EQ(verdict.total_rows, 1000);
  EXPECT_EQ(verdict.max_error, static_cast<double>(rows.back()));
  EXPECT_EQ(verdict.worst, std::to_string(rows.back()));
}

TEST(Rows, AFailureOfAnyThreadIsTheCallers) {
  EXPECT_THROW(judge_rows(choose_rows(1000, 100, 0), 1000,
                          [](std::int64_t row, Verdict&) {
                            if (row >= 500) throw std::bad_alloc();
                          }),
               std::bad_alloc);
}

TEST(MemoryFor, SaysWhatItWasFor) {
  const auto message_of = [](auto&& body) -> std::string {
    try {
      memory_for("the mask", body);
    } catch (const Error& error) {
      return std::string(name(error.code())) + ": " + error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_EQ(message_of([] { throw Error(ErrorCode::out_of_memory, "cpu: no 8 bytes of memory"); }),
            "out_of_memory: out of memory for the mask: cpu: no 8 bytes of memory");
  EXPECT_EQ(message_of([] { throw std::bad_alloc(); }),
            "out_of_memory: out of memory for the mask: the machine gives no more");
  EXPECT_EQ(message_of([] { throw Error(ErrorCode::bad_file, "m.npy: cut short"); }),
            "bad_file: m.npy: cut short");
  EXPECT_EQ(memory_for("the mask", [] { return 3; }), 3);
}

TEST(OracleArrays, ReadTensorsWhereTheyLie) {
  const Tensor numbers(DType::f32, {2, 1, 3});
  for (int n = 0; n < 6; ++n) numbers.as<float>()[n] = static_cast<float>(n);
  const auto array = oracle_array<4>(numbers);  // (1, 2, 1, 3), the dimensions of size 1 repeated
  EXPECT_EQ(array.data, numbers.data());
  EXPECT_EQ(array(7, 1, 9, 2), 5);
  const auto turned = oracle_array<3>(numbers.view().permuted({2, 1, 0}));
  EXPECT_EQ(turned(2, 0, 1), 5);
  const Tensor halves = convert(numbers, DType::f16);
  EXPECT_EQ(oracle_array<3>(halves)(1, 0, 1), 4);
}

}  // namespace
}  // namespace flashtile::cli
