// The log: off until it is asked for, one text a problem, and without effect on what is computed.
#include "flashtile/log.h"

#include <gtest/gtest.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "flashtile/gemm.h"

namespace flashtile::test {
namespace {

/// What is logged while one lives.
class Listener {
 public:
  Listener() {
    set_log([this](const std::string& text) {
      const std::lock_guard lock(mutex_);
      texts_.push_back(text);
    });
  }
  ~Listener() { set_log({}); }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

Tensor zeros(const Dims& shape) {
  Tensor t(DType::f32, shape);
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = 0;
  return t;
}

TEST(Log, HasEachProblemOnce) {
  const Tensor q = zeros({1, 2, 3, 16}), longer = zeros({1, 2, 4, 16});
  const Listener listener;
  for (int i = 0; i < 3; ++i) attention(q, q, q, {.softcap = 2.0f, .way = "simdgroup"});
  attention(q, longer, longer, {.way = "simdgroup"});
  ASSERT_EQ(listener.texts().size(), 2U);
  const std::string& text = listener.texts()[0];
  EXPECT_TRUE(
      text.starts_with("attention of f32 q (1, 2, 3, 16), k (1, 2, 3, 16), v (1, 2, 3, 16), with a softcap\n"
                       "attention by simdgroup on cpu\n  kernel: "))
      << text;
  EXPECT_NE(text.find("\n  not tensor_ops: can, but another way was asked for"), std::string::npos) << text;
  EXPECT_NE(text.back(), '\n');
}

TEST(Log, HasTheWaysThatCameBeforeOfProducts) {
  const Tensor a = zeros({3, 3}), c = zeros({3, 3});
  const Listener listener;
  gemm(c, a, a, {.way = "simdgroup"});
  ASSERT_EQ(listener.texts().size(), 1U);
  EXPECT_TRUE(
      listener.texts()[0].starts_with("gemm of f32 = f32 f32, M 3, N 3, K 3\ngemm by simdgroup on cpu\n"))
      << listener.texts()[0];
}

TEST(Log, HasWhatNoWayCan) {
  const Tensor q = zeros({1, 1, 1, 16});
  const Listener listener;
  EXPECT_THROW(attention(q, q, q, {.way = "vendor.cudnn"}), Error);
  ASSERT_EQ(listener.texts().size(), 1U);
  EXPECT_NE(listener.texts()[0].find("way vendor.cudnn cannot run this call: "), std::string::npos);
}

TEST(Log, IsOffAgain) {
  const Tensor q = zeros({1, 1, 1, 16});
  int texts = 0;
  set_log([&](const std::string&) { ++texts; });
  set_log({});
  attention(q, q, q);
  EXPECT_EQ(texts, 0);
  set_log([&](const std::string&) { ++texts; });
  attention(q, q, q);
  EXPECT_EQ(texts, 1);
  set_log([&](const std::string&) { ++texts; });  // a new one has heard of nothing
  attention(q, q, q);
  EXPECT_EQ(texts, 2);
  set_log({});
}

TEST(Log, WhatTheCallbackThrowsEndsNoCall) {
  const Tensor q = zeros({1, 1, 1, 16});
  set_log([](const std::string&) { throw std::runtime_error("no"); });
  EXPECT_NO_THROW(attention(q, q, q));
  set_log({});
}

/// A callback may call the library, whose log it then hears too; and threads may log and replace it at once.
TEST(Log, CallbacksMayCallAndThreadsMayMeet) {
  const Tensor a = zeros({3, 3});
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&, n] {
      const Tensor q = zeros({1, 1, 1 + n, 16}), c = zeros({3, 3});
      for (int i = 0; i < 20; ++i) {
        set_log([&, c](const std::string& text) {
          if (text.starts_with("attention")) gemm(c, a, a);
        });
        attention(q, q, q);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  set_log({});
}

}  // namespace
}  // namespace flashtile::test
