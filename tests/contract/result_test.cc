// Result: what the try_ functions return, and a program that can use nothing else.
#include "flashtile/result.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

#include "src/core/attempt.h"
#include "tests/contract/child.h"
#include "tests/contract/no_exceptions.h"

namespace flashtile::test {
namespace {

TEST(Result, HoldsAValueOrAFailure) {
  Result<std::string> value = std::string("here");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, "here");
  EXPECT_EQ(value->size(), 4u);
  const Result<std::string> none = Failure{ErrorCode::unsupported, "why"};
  ASSERT_FALSE(none);
  EXPECT_EQ(none.failure().code, ErrorCode::unsupported);
  EXPECT_EQ(none.failure().message, "why");
  EXPECT_TRUE(Result<>());
  EXPECT_FALSE(Result<>(Failure{ErrorCode::internal, ""}));
}

TEST(Attempt, TurnsWhatIsThrownIntoAFailure) {
  const auto failure_of = [](auto thrown) {
    const Result<> result = core::attempt([&] { throw thrown; });
    return std::string(name(result.failure().code)) + ": " + result.failure().message;
  };
  EXPECT_EQ(failure_of(Error(ErrorCode::bad_file, "cut")), "bad_file: cut");
  EXPECT_EQ(failure_of(std::bad_alloc()), "out_of_memory: out of memory");
  EXPECT_EQ(failure_of(std::runtime_error("theirs")), "device_failure: theirs");
  EXPECT_EQ(failure_of(1), "device_failure: an executor threw something that is no std::exception");
  EXPECT_EQ(*core::attempt([] { return 5; }), 5);
  const Result<> refused =
      core::attempt([] { throw Error(ErrorCode::unsupported, "none", {{"one", "why"}, {"two", "why not"}}); });
  ASSERT_EQ(refused.failure().refused.size(), 2u);
  EXPECT_EQ(refused.failure().refused[1].way, "two");
  EXPECT_EQ(refused.failure().refused[1].reason, "why not");
}

TEST(Attempt, ServesAProgramWithoutExceptions) {
  EXPECT_EQ(
      in_child(program_without_exceptions),
      "attention: out overlaps q; a call writes out while it reads its inputs: give it memory of its own");
}

}  // namespace
}  // namespace flashtile::test
