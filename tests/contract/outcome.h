// What a call ends with, as a line of text, and what a misuse must end with.
#pragma once

#include <gtest/gtest.h>

#include <concepts>
#include <regex>
#include <string>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/result.h"
#include "tests/contract/child.h"

namespace flashtile::test {

/// "ok", or the code and message of the Error.
template <std::invocable Call>
std::string outcome_of(Call&& call) {
  try {
    call();
    return "ok";
  } catch (const Error& e) {
    return std::string(name(e.code())) + ": " + e.what();
  }
}

/// The same of a try_ function.
template <class T>
std::string outcome_of(const Result<T>& result) {
  return result ? "ok" : std::string(name(result.failure().code)) + ": " + result.failure().message;
}

/// One way to call an op.
template <class Call>
struct Entry {
  const char* name;
  bool plans;  ///< looks at no data
  std::string (*outcome)(Call&);
};

/// Runs one misuse through entries of an op in a child, and expects each to end with `pattern`.
template <class Call, class Change>
void expect_refused(const std::vector<Entry<Call>>& entries, const Change& change, const std::string& pattern) {
  const std::string found = in_child([&] {
    std::string lines;
    for (const Entry<Call>& entry : entries) {
      Call call;
      change(call);
      lines += std::string(entry.name) + ": " + entry.outcome(call).substr(0, 300) + "\n";
    }
    return lines;
  });
  std::string expected;
  for (const Entry<Call>& entry : entries) expected += std::string(entry.name) + ": " + pattern + "[^\n]*\n";
  EXPECT_TRUE(std::regex_match(found, std::regex(expected))) << found << "expected " << pattern;
}

}  // namespace flashtile::test
