// What a rotary embedding means, by hand and by the oracle, on every device; and what it is refused for.
#include "flashtile/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "reference/rotary.h"
#include "tests/ops/attention/cases.h"
#include "tests/ops/on_device.h"

namespace flashtile::test {
namespace {

constexpr double kQuarter = 1.5707963267948966;  // of a turn

Tensor positions_tensor(const std::vector<std::int32_t>& values, const Dims& shape) {
  Tensor t(DType::i32, shape);
  std::copy(values.begin(), values.end(), t.as<std::int32_t>());
  return t;
}

struct RotaryTest {
  std::string name;
  Dims shape{2, 3, 5, 64};  ///< (B, H, L, D)
  reference::RotaryCase embedding{64};
  DType dtype = DType::f32;
  Layout layout = Layout::bhsd;
  std::int32_t farthest = 5000;
  bool in_place = false;
  bool one_batch = false;  ///< positions are (L)
};
void PrintTo(const RotaryTest& c, std::ostream* out) { *out << c.name; }

std::vector<RotaryTest> rotary_tests() {
  std::vector<RotaryTest> all;
  for (const std::size_t dim : {2, 4, 30, 32, 34, 62, 64, 66, 128, 574, 576}) {
    for (const bool interleaved : {false, true}) {
      const auto size = static_cast<std::int64_t>(dim);
      const std::string pairs = interleaved ? "interleaved_" : "halves_";
      all.push_back({pairs + std::to_string(dim), {2, 3, 5, size}, {dim, interleaved}});
      all.push_back({pairs + "part_" + std::to_string(dim), {1, 2, 4, size + 7}, {dim, interleaved}});
    }
  }
  for (const std::int64_t heads : {0, 1, 15, 16, 17, 33})
    all.push_back({"heads_" + std::to_string(heads), {2, heads, 3, 64}});
  for (const std::int64_t length : {0, 1, 2, 65})
    all.push_back({"rows_" + std::to_string(length), {1, 2, length, 64}});
  for (const DType dtype : {DType::f16, DType::bf16}) {
    all.push_back({std::string("type_") + name(dtype), {2, 3, 5, 64}, {64}, dtype});
    all.push_back(
        {std::string("in_place_") + name(dtype), {2, 3, 5, 80}, {64, true}, dtype, Layout::padded, 5000, true});
  }
  for (const Layout layout : {Layout::bshd, Layout::padded, Layout::reversed, Layout::one_row})
    all.push_back(
        {"layout_" + std::to_string(static_cast<int>(layout)), {2, 3, 5, 70}, {64}, DType::f32, layout});
  all.push_back({"inverse", {2, 3, 5, 64}, {64, false, true}});
  all.push_back({"base", {2, 3, 5, 64}, {64, false, false, 500000.0}});
  all.push_back({"frequencies", {2, 3, 5, 8}, {8, false, false, 1, {1.0, 0.25, -3.5, 100.0}}});
  all.push_back(
      {"far", {2, 3, 9, 64}, {64}, DType::f32, Layout::bhsd, std::numeric_limits<std::int32_t>::max()});
  all.push_back({"one_batch", {3, 2, 6, 64}, {64}, DType::f32, Layout::bhsd, 5000, false, true});
  return all;
}

class RotaryParity : public ::testing::TestWithParam<std::tuple<RotaryTest, Device>> {};

TEST_P(RotaryParity, AgreesWithTheOracle) {
  const auto& [c, device] = GetParam();
  Random random(static_cast<std::uint64_t>(c.shape[3]) * 7 + c.embedding.dim);
  Stored x = stored(c.dtype, c.shape, c.layout, kNaN);
  for_each(x.view, [&](auto offset, auto, auto, auto, auto, auto) { set(x.view, offset, random.normal()); });
  read_back(x);
  std::vector<std::int32_t> at(static_cast<std::size_t>(c.shape[2] * (c.one_batch ? 1 : c.shape[0])));
  for (std::int32_t& p : at) p = static_cast<std::int32_t>((2 * random.uniform() - 1) * c.farthest);
  if (!at.empty()) at.back() = c.farthest;
  const Tensor positions =
      copy_to(positions_tensor(at, c.one_batch ? Dims{c.shape[2]} : Dims{c.shape[0], c.shape[2]}), device);
  const Rotary embedding{c.embedding.interleaved ? RotaryPairs::interleaved : RotaryPairs::halves,
                         static_cast<std::int64_t>(c.embedding.dim), c.embedding.base, c.embedding.frequencies,
                         c.embedding.inverse};
  Stored out = stored(c.dtype, c.shape, c.layout == Layout::one_row ? Layout::bhsd : c.layout, kNaN);
  const Moved moved_x(x, device), moved_out(out, device);
  rotary_into(c.in_place ? moved_x.view() : moved_out.view(), moved_x, positions, embedding);
  (c.in_place ? moved_x : moved_out).bring_back();
  const std::vector<double> rows = x.exact;
  Stored& found = c.in_place ? x : out;
  read_back(found);
  const auto columns = static_cast<std::size_t>(c.shape[3]);
  for (std::size_t r = 0; columns > 0 && r < rows.size() / columns; ++r) {
    const auto length = static_cast<std::size_t>(c.shape[2]),
               batch = r / length / static_cast<std::size_t>(c.shape[1]);
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(r * columns);
    const std::int32_t position = at[r % length + (c.one_batch ? 0 : batch * length)];
    const reference::RotaryRow right = reference::rotary_row(
        c.embedding, {first, first + static_cast<std::ptrdiff_t>(columns)}, position, format_of(c.dtype));
    for (std::size_t d = 0; d < columns; ++d)
      ASSERT_TRUE(within(found.exact[r * columns + d], right.exact[d], right.bound[d])) << r << ", " << d;
  }
}

INSTANTIATE_TEST_SUITE_P(Rotary, RotaryParity,
                         ::testing::Combine(::testing::ValuesIn(rotary_tests()),
                                            ::testing::ValuesIn(devices_with_small_kernels())),
                         [](const auto& tested) {
                           return std::get<0>(tested.param).name + "_" + word(std::get<1>(tested.param));
                         });

std::vector<float> turned(const std::vector<float>& row, std::int32_t position, const Rotary& embedding) {
  const Tensor at = positions_tensor({position}, {1});
  const Tensor out = rotary(
      packed_view(row.data(), DType::f32, {1, 1, 1, static_cast<std::int64_t>(row.size())}), at, embedding);
  return {out.as<float>(), out.as<float>() + row.size()};
}

TEST(Rotary, TurnsPairsByAQuarter) {
  const std::vector<double> quarters{kQuarter, 2 * kQuarter};
  const auto expect = [](const std::vector<float>& found, const std::vector<float>& right) {
    for (std::size_t d = 0; d < right.size(); ++d) EXPECT_NEAR(found[d], right[d], 1e-5) << d;
  };
  // Elements 0 and 2 turn by one quarter: (1, 3) -> (-3, 1); elements 1 and 3 by two: (2, 4) -> (-2, -4).
  expect(turned({1, 2, 3, 4, 9}, 1, {.dim = 4, .frequencies = quarters}), {-3, -2, 1, -4, 9});
  expect(turned({1, 2, 3, 4, 9}, 1, {RotaryPairs::interleaved, 4, 1, quarters}), {-2, 1, -3, -4, 9});
  expect(turned({1, 2, 3, 4, 9}, 1, {.dim = 4, .frequencies = quarters, .inverse = true}), {3, -2, -1, -4, 9});
  expect(turned({1, 2, 3, 4, 9}, -1, {.dim = 4, .frequencies = quarters}), {3, -2, -1, -4, 9});
  EXPECT_EQ(turned({1, 2, 3, 4}, 0, {}), (std::vector<float>{1, 2, 3, 4}));
}

TEST(Rotary, ProductsDependOnDistancesOnly) {
  Random random(3);
  std::vector<float> q(64), k(64);
  for (std::size_t d = 0; d < 64; ++d)
    q[d] = static_cast<float>(random.normal()), k[d] = static_cast<float>(random.normal());
  const auto product = [&](std::int32_t i, std::int32_t j, const Rotary& embedding) {
    const std::vector<float> a = turned(q, i, embedding), b = turned(k, j, embedding);
    double sum = 0;
    for (std::size_t d = 0; d < 64; ++d) sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
    return sum;
  };
  for (const RotaryPairs pairs : {RotaryPairs::halves, RotaryPairs::interleaved}) {
    for (const std::int64_t dim : {0, 32}) {
      const Rotary embedding{.pairs = pairs, .dim = dim};
      for (const std::int32_t far : {1, 1000, 1 << 20, 2147483600})
        EXPECT_NEAR(product(far + 17, far, embedding), product(17, 0, embedding), 3e-4) << far;
    }
  }
}

TEST(Rotary, TheInverseTurnsBack) {
  Random random(4);
  std::vector<float> row(96);
  for (float& x : row) x = static_cast<float>(random.normal());
  for (const std::int32_t p : {1, 77, 100000, -5}) {
    const std::vector<float> back = turned(turned(row, p, {.dim = 64}), p, {.dim = 64, .inverse = true});
    for (std::size_t d = 0; d < row.size(); ++d) EXPECT_NEAR(back[d], row[d], 4e-6);
  }
}

TEST(Rotary, ThreadsChangeNoBit) {
  const Tensor x(DType::f32, {2, 40, 9, 64}), at = positions_tensor({0, 1, 2, 3, 4, 5, 6, 7, 8}, {1, 9});
  Random random(5);
  for (std::int64_t n = 0; n < x.size(); ++n) x.as<float>()[n] = static_cast<float>(random.normal());
  const Tensor one = rotary(x, at, {}, {Queue::cpu({.threads = 1})});
  for (const int threads : {2, 3, 7}) {
    const Tensor more = rotary(x, at, {}, {Queue::cpu({.threads = threads})});
    EXPECT_EQ(std::memcmp(one.data(), more.data(), one.size_bytes()), 0);
  }
}

struct ValidRotary {
  Tensor x_memory{DType::f32, {2, 3, 4, 6}}, out_memory{DType::f32, {2, 3, 4, 6}};
  Tensor positions_memory = positions_tensor(std::vector<std::int32_t>(8), {2, 4});
  TensorView x = x_memory, out = out_memory, positions = positions_memory;
  Rotary embedding;
};

std::string message_of(const std::function<void(ValidRotary&)>& change,
                       ErrorCode code = ErrorCode::invalid_argument) {
  ValidRotary call;
  std::fill_n(call.x_memory.as<float>(), call.x_memory.size(), 0.0f);
  change(call);
  const Result<> done = try_rotary_into(call.out, call.x, call.positions, call.embedding);
  if (done) return "no error";
  EXPECT_EQ(done.failure().code, code) << done.failure().message;
  return done.failure().message;
}

TEST(RotaryArguments, AreRefusedByName) {
  EXPECT_EQ(message_of([](ValidRotary&) {}), "no error");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.out = c.x; }), "no error");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.x.shape = {2, 3, 4}; }),
            "rotary: x has shape (2, 3, 4); expected 4 dimensions (B, H, L, D)");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.x.dtype = DType::i32; }),
            "rotary: x has dtype i32; expected f32, f16 or bf16");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.out.dtype = DType::f16; }),
            "rotary: out has dtype f16, x has f32; they must match");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.out.shape[2] = 3; }),
            "rotary: out has shape (2, 3, 3, 6), x has (2, 3, 4, 6); they must match");
  EXPECT_EQ(message_of([](ValidRotary& c) {
              c.out = c.x, c.out.shape[2] = c.x.shape[2] = 3, c.out.data = c.x_memory.as<float>() + 6,
              c.positions = c.positions.sliced(1, 0, 3);
            }),
            "rotary: out overlaps x; a call writes out while it reads its inputs: give it memory of its own");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.positions.shape = {2, 3}; }),
            "rotary: positions has shape (2, 3); expected one that broadcasts to (B, L) = (2, 4)");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.positions.dtype = DType::f32; }),
            "rotary: positions has dtype f32; expected i32");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.positions.data = nullptr; }),
            "rotary: positions has no data, but shape (2, 4)");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.positions.device = Device::cuda(); }),
            "rotary: positions is on cuda:0, x is on cpu; they must match");
  for (const std::int64_t dim : {-2, 3, 8}) {
    EXPECT_EQ(message_of([&](ValidRotary& c) { c.embedding.dim = dim; }),
              "rotary: rotary.dim is " + std::to_string(dim) +
                  " for rows of 6 elements; so many are turned, all for 0: expected an even number of at most "
                  "so many");
  }
  EXPECT_EQ(message_of([](ValidRotary& c) { c.embedding.base = 0; }),
            "rotary: rotary.base is 0.000000; expected a positive finite number");
  const std::vector<double> two(2, 1.0), wrong{1.0, kNaN, 1.0};
  EXPECT_EQ(message_of([&](ValidRotary& c) { c.embedding.frequencies = two; }),
            "rotary: rotary.frequencies has 2 elements; expected 3, one a pair");
  EXPECT_EQ(message_of([&](ValidRotary& c) { c.embedding.frequencies = wrong; }),
            "rotary: rotary.frequencies[1] is nan; expected a finite number");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.embedding.pairs = static_cast<RotaryPairs>(2); }),
            "rotary: rotary.pairs is RotaryPairs(2); expected halves or interleaved");
  EXPECT_EQ(message_of([](ValidRotary& c) { c.x.device = {DeviceType::metal, 0}; }, ErrorCode::unsupported),
            "rotary: x is on metal:0; it runs on CPUs and NVIDIA GPUs");
  const Tensor wide(DType::f32, {1, 1, 1, 578}), at = positions_tensor({1}, {1});
  EXPECT_EQ(try_rotary(wide, at).failure().message,
            "rotary: rotary.dim is 578; this version turns at most 576 elements");
}

}  // namespace
}  // namespace flashtile::test
