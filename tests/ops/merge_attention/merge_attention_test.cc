// What merging parts of an attention call means, by hand and by the oracle, on every device.
#include "flashtile/merge_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "reference/merge_attention.h"
#include "tests/ops/attention/cases.h"
#include "tests/ops/on_device.h"

namespace flashtile::test {
namespace {

/// How many parts the library merges at a time.
constexpr std::size_t kAtOnce = 32;

/// A stored (B, Hq, L, 1) as (B, Hq, L).
TensorView without_last(const TensorView& v) {
  return {v.data,
          v.dtype,
          {v.shape[0], v.shape[1], v.shape[2]},
          {v.strides[0], v.strides[1], v.strides[2]},
          v.device};
}

struct MergeCase {
  std::string name;
  std::size_t parts;
  std::int64_t value_dim;
  Dims rows{2, 3, 11};  ///< (B, Hq, L)
  bool sinks = false;
  double spread = 4;                     ///< of lse
  std::vector<DType> types{DType::f32};  ///< of the parts in turn
  std::vector<Layout> layouts{Layout::bhsd};
  DType out = DType::f32;
};
void PrintTo(const MergeCase& c, std::ostream* out) { *out << c.name; }

std::vector<MergeCase> merge_cases() {
  std::vector<MergeCase> all;
  for (const std::size_t parts : {1, 2, 3, 7, 31, 32, 33, 63, 64, 100})
    all.push_back({.name = "parts_" + std::to_string(parts), .parts = parts, .value_dim = 40});
  for (const std::int64_t size : {0, 1, 2, 31, 32, 33, 255, 256, 257, 513})
    all.push_back({.name = "columns_" + std::to_string(size), .parts = 3, .value_dim = size});
  for (const std::int64_t length : {0, 1, 7, 8, 9, 17})
    all.push_back(
        {.name = "rows_" + std::to_string(length), .parts = 3, .value_dim = 33, .rows = {1, 2, length}});
  const std::vector<DType> mixed{DType::bf16, DType::f32, DType::f16};
  for (const DType out : mixed)
    all.push_back({.name = std::string("mixed_into_") + name(out),
                   .parts = 5,
                   .value_dim = 65,
                   .types = mixed,
                   .out = out});
  all.push_back({.name = "sinks", .parts = 3, .value_dim = 48, .sinks = true});
  all.push_back({.name = "sinks_of_many_parts", .parts = 40, .value_dim = 48, .sinks = true});
  all.push_back({.name = "far_apart", .parts = 6, .value_dim = 48, .sinks = true, .spread = 300});
  all.push_back(
      {.name = "strided",
       .parts = 6,
       .value_dim = 37,
       .types = mixed,
       .layouts = {Layout::padded, Layout::bshd, Layout::repeated, Layout::one_row, Layout::reversed}});
  all.push_back(
      {.name = "strided_many_parts", .parts = 70, .value_dim = 37, .layouts = {Layout::padded, Layout::bshd}});
  return all;
}

/// The parts of a case: a third of the rows of each, and the first rows of all, have no keys.
struct Parts {
  std::vector<Stored> outs, lses;
  Stored sinks;

  explicit Parts(const MergeCase& c) {
    Random random(c.parts * 1000 + static_cast<std::uint64_t>(c.value_dim));
    const Dims shape{c.rows[0], c.rows[1], c.rows[2], c.value_dim}, row{c.rows[0], c.rows[1], c.rows[2], 1};
    for (std::size_t n = 0; n < c.parts; ++n) {
      const Layout layout = c.layouts[n % c.layouts.size()];
      outs.push_back(stored(c.types[n % c.types.size()], shape, layout, kNaN));
      lses.push_back(stored(DType::f32, row, layout, kNaN));
      for_each(lses[n].view, [&](auto offset, auto, auto, auto, auto i, auto) {
        const bool none = i == 0 || random.next() % 3 == 0;
        set(lses[n].view, offset, none ? -static_cast<double>(kInfinity) : c.spread * random.normal());
      });
      read_back(lses[n]);
      for_each(outs[n].view,
               [&](auto offset, auto, auto, auto, auto, auto) { set(outs[n].view, offset, random.normal()); });
      poison_rows_without_keys(n, layout);
      read_back(outs[n]);
    }
    sinks = stored(DType::f32, {1, c.rows[1], 1, 1}, Layout::padded, kNaN);
    for_each(sinks.view, [&](auto offset, auto, auto, auto, auto, auto) {
      set(sinks.view, offset, c.spread * random.normal());
    });
    read_back(sinks);
  }

  double sink(const MergeCase& c, std::int64_t head) const {
    return c.sinks ? sinks.exact[static_cast<std::size_t>(head)] : -static_cast<double>(kInfinity);
  }

 private:
  /// Rows that share memory with others are left as they are.
  void poison_rows_without_keys(std::size_t n, Layout layout) {
    if (layout == Layout::repeated || layout == Layout::one_row) return;
    for_each(outs[n].view, [&](auto offset, auto index, auto, auto, auto, auto) {
      const auto row = static_cast<std::size_t>(index / outs[n].view.shape[3]);
      if (std::isinf(lses[n].exact[row])) set(outs[n].view, offset, kNaN);
    });
  }
};

class MergeParity : public ::testing::TestWithParam<std::tuple<MergeCase, Device>> {};

TEST_P(MergeParity, AgreesWithTheOracle) {
  const auto& [c, device] = GetParam();
  Parts parts(c);
  const Layout layout = c.layouts.size() > 1 ? Layout::padded : Layout::bhsd;
  Stored out = stored(c.out, {c.rows[0], c.rows[1], c.rows[2], c.value_dim}, layout, kNaN);
  Stored lse = stored(DType::f32, {c.rows[0], c.rows[1], c.rows[2], 1}, layout, kNaN);
  std::vector<TensorView> outs, lses;
  std::vector<Moved> kept;
  for (std::size_t n = 0; n < c.parts; ++n) {
    outs.push_back(kept.emplace_back(parts.outs[n], device));
    lses.push_back(without_last(kept.emplace_back(parts.lses[n], device)));
  }
  const Moved moved_out(out, device), moved_lse(lse, device), moved_sinks(parts.sinks, device);
  MergeAttentionOptions options;
  const TensorView& s = moved_sinks.view();
  if (c.sinks) options.sinks = TensorView{s.data, s.dtype, {s.shape[1]}, {s.strides[1]}, s.device};
  merge_attention_into({moved_out, without_last(moved_lse)}, outs, lses, options);
  moved_out.bring_back();
  moved_lse.bring_back();
  read_back(out);
  read_back(lse);

  const auto columns = static_cast<std::size_t>(c.value_dim);
  for (std::size_t r = 0; r < lse.exact.size(); ++r) {
    std::vector<reference::MergeRow> rows;
    for (std::size_t n = 0; n < c.parts; ++n) {
      const auto first = parts.outs[n].exact.begin() + static_cast<std::ptrdiff_t>(r * columns);
      rows.push_back({{first, first + static_cast<std::ptrdiff_t>(columns)}, parts.lses[n].exact[r]});
    }
    const auto head = static_cast<std::int64_t>(r) / c.rows[2] % c.rows[1];
    const reference::MergedRow right =
        reference::merged_row(rows, parts.sink(c, head), columns, format_of(c.out), kAtOnce);
    ASSERT_TRUE(within(lse.exact[r], right.exact.lse, right.bound.lse)) << "lse of row " << r;
    for (std::size_t d = 0; d < columns; ++d)
      ASSERT_TRUE(within(out.exact[r * columns + d], right.exact.out[d], right.bound.out[d])) << r << ", " << d;
  }
}

std::string test_name(const ::testing::TestParamInfo<MergeParity::ParamType>& info) {
  return std::get<0>(info.param).name + "_" + word(std::get<1>(info.param));
}
INSTANTIATE_TEST_SUITE_P(MergeAttention, MergeParity,
                         ::testing::Combine(::testing::ValuesIn(merge_cases()),
                                            ::testing::ValuesIn(devices_with_small_kernels())),
                         test_name);

/// One row a part, of one head: what it means.
class MergeMeaning : public ::testing::TestWithParam<Device> {
 protected:
  /// The merged row, its lse last.
  std::vector<float> merge(const std::vector<std::vector<float>>& values, const std::vector<float>& lses_of,
                           std::optional<float> sink = std::nullopt) {
    const std::int64_t columns = values.empty() ? 2 : static_cast<std::int64_t>(values[0].size());
    std::vector<Tensor> kept;
    std::vector<TensorView> outs, lses;
    const auto tensor = [&](const std::vector<float>& elements, const Dims& shape) -> const TensorView& {
      return kept.emplace_back(copy_to(packed_view(elements.data(), DType::f32, shape), GetParam())).view();
    };
    for (std::size_t i = 0; i < values.size(); ++i) {
      outs.push_back(tensor(values[i], {1, 1, 1, columns}));
      lses.push_back(tensor({lses_of[i]}, {1, 1, 1}));
    }
    MergeAttentionOptions options;
    if (sink) options.sinks = tensor({*sink}, {1});
    const Tensor out(DType::f32, {1, 1, 1, columns}, GetParam()), lse(DType::f32, {1, 1, 1}, GetParam());
    merge_attention_into({out, lse}, outs, lses, options);
    const Tensor found = copy_to(out, Device::cpu()), found_lse = copy_to(lse, Device::cpu());
    std::vector<float> row(found.as<float>(), found.as<float>() + columns);
    row.push_back(found_lse.as<float>()[0]);
    return row;
  }
};

TEST_P(MergeMeaning, PartsCountByTheSumsOfTheirWeights) {
  // Sums of weights 1 and 3: a quarter of the first part and three of the second.
  const auto row = merge({{8, -4}, {0, 4}}, {0.0f, std::log(3.0f)});
  EXPECT_NEAR(row[0], 2.0, 1e-6);
  EXPECT_NEAR(row[1], 2.0, 1e-6);
  EXPECT_NEAR(row[2], std::log(4.0), 1e-6);
}

TEST_P(MergeMeaning, ASinkTakesItsShareAndAddsNothing) {
  // Weights 1 and 3 and a sink of 4: half of the result without it.
  const auto row = merge({{8, -4}, {0, 4}}, {0.0f, std::log(3.0f)}, std::log(4.0f));
  EXPECT_NEAR(row[0], 1.0, 1e-6);
  EXPECT_NEAR(row[1], 1.0, 1e-6);
  EXPECT_NEAR(row[2], std::log(8.0), 1e-6);
  EXPECT_EQ(merge({{8, -4}}, {1.5f}, -kInfinity), (std::vector<float>{8, -4, 1.5f}));
}

TEST_P(MergeMeaning, PartsWithoutKeysAreNotRead) {
  EXPECT_EQ(merge({{kNaN, kInfinity}, {3, 5}, {kNaN, kNaN}}, {-kInfinity, 2.5f, -kInfinity}),
            (std::vector<float>{3, 5, 2.5f}));
}

TEST_P(MergeMeaning, ARowWithoutKeysIsZero) {
  const std::vector<float> none{0, 0, -kInfinity};
  EXPECT_EQ(merge({{kNaN, 7}, {1, 1}}, {-kInfinity, -kInfinity}), none);
  EXPECT_EQ(merge({}, {}), none);
  EXPECT_EQ(merge({{kNaN, 7}}, {-kInfinity}, 1.25f), (std::vector<float>{0, 0, 1.25f}));
  EXPECT_EQ(merge({}, {}, -3.0f), (std::vector<float>{0, 0, -3}));
}

TEST_P(MergeMeaning, OnePartIsItself) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const float lse : {-1e30f, -200.0f, 0.0f, 88.7f, 1e30f}) {
    EXPECT_EQ(merge({{kLargest, -kLargest, 0x1p-140f, 1.0f / 3}}, {lse}),
              (std::vector<float>{kLargest, -kLargest, 0x1p-140f, 1.0f / 3, lse}));
  }
}

TEST_P(MergeMeaning, SumsOfTheLargestNumbersDoNotOverflow) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const std::vector<float> all(3, kLargest);
  for (const std::size_t parts : {2, 3, 7, 32, 33, 50}) {
    std::vector<float> lses(parts);
    for (std::size_t i = 0; i < parts; ++i) lses[i] = 0.01f * static_cast<float>(i * i % 7);
    const auto row = merge(std::vector<std::vector<float>>(parts, all), lses);
    EXPECT_EQ(std::vector<float>(row.begin(), row.end() - 1), all) << parts << " parts";
  }
}

TEST_P(MergeMeaning, InfinitiesStayHoweverSmallTheirShare) {
  const auto row = merge({{1, 1, 1}, {kInfinity, -kInfinity, 2}}, {0.0f, -500.0f});
  EXPECT_EQ(row, (std::vector<float>{kInfinity, -kInfinity, 1, 0}));
  const auto both = merge({{kInfinity, kNaN, 1}, {-kInfinity, 2, 1}}, {0.0f, 0.0f});
  EXPECT_TRUE(std::isnan(both[0]) && std::isnan(both[1])) << both[0] << ", " << both[1];
  EXPECT_EQ(both[2], 1.0f);
}

TEST_P(MergeMeaning, AnLseThatIsNoNumberMakesItsRowNaN) {
  for (const float lse : {kNaN, kInfinity}) {
    for (const bool first : {true, false}) {
      const auto row =
          first ? merge({{1, 2}, {3, kInfinity}}, {lse, 90.0f}) : merge({{1, 2}, {3, kInfinity}}, {90.0f, lse});
      EXPECT_TRUE(std::isnan(row[0]) && std::isnan(row[1]) && std::isnan(row[2])) << lse;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(MergeAttention, MergeMeaning, ::testing::ValuesIn(devices_with_small_kernels()),
                         [](const auto& tested) { return word(tested.param); });

/// The keys of a causal call are cut at some places: each part is a call of its own, and their merge is the whole.
TEST(MergeAttention, AnySplitOfTheKeysMergedEqualsTheWhole) {
  Random random(11);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (int trial = 0; trial < 12; ++trial) {
      Case c{.name = "",
             .batch = 2,
             .query_heads = 4,
             .kv_heads = 2,
             .query_length = 23,
             .kv_length = 75,
             .head_dim = 24};
      c.causal = CausalCorner::top_left;
      c.layout = trial % 2 == 0 ? Layout::bhsd : Layout::bshd;
      Call call(c, dtype);
      std::vector<std::int64_t> cuts{0, c.kv_length};
      for (int i = 0; i < trial; ++i) cuts.push_back(static_cast<std::int64_t>(random.next() % 76));
      std::sort(cuts.begin(), cuts.end());
      std::vector<Tensor> kept;
      std::vector<TensorView> outs, lses;
      for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        AttentionOptions options = call.options();
        options.mask.causal = -cuts[i];  // the first key of the part is at that position
        const Tensor out(dtype, {c.batch, c.query_heads, c.query_length, c.values()}),
            lse(DType::f32, {c.batch, c.query_heads, c.query_length});
        attention_into({.out = out, .lse = lse}, call.q.view, call.k.view.sliced(2, cuts[i], cuts[i + 1]),
                       call.v.view.sliced(2, cuts[i], cuts[i + 1]), options);
        outs.push_back(kept.emplace_back(out));
        lses.push_back(kept.emplace_back(lse));
      }
      const Tensor out(DType::f32, {c.batch, c.query_heads, c.query_length, c.values()}),
          lse(DType::f32, {c.batch, c.query_heads, c.query_length});
      merge_attention_into({out, lse}, outs, lses);
      // Each part may be as wrong as the whole, by its scores' errors and by its rounding to dtype.
      for (std::int64_t r = 0; r < call.rows(); ++r) {
        ASSERT_TRUE(within(lse.as<float>()[r], call.expected(r).lse, 4 * call.bounds(r).lse));
        for (std::int64_t d = 0; d < c.values(); ++d) {
          const auto column = static_cast<std::size_t>(d);
          const double rounded = format_of(dtype).unit() * 4;
          ASSERT_NEAR(out.as<float>()[r * c.values() + d], call.expected(r).out[column],
                      4 * call.bounds(r).out[column] + rounded)
              << "row " << r << ", cuts " << cuts.size();
        }
      }
    }
  }
}

TEST(MergeAttention, ThreadsChangeNoBit) {
  const MergeCase c{
      .name = "", .parts = 40, .value_dim = 70, .rows = {2, 5, 37}, .types = {DType::bf16, DType::f32}};
  Parts parts(c);
  std::vector<TensorView> outs, lses;
  for (std::size_t n = 0; n < c.parts; ++n) {
    outs.push_back(parts.outs[n].view);
    lses.push_back(without_last(parts.lses[n].view));
  }
  std::vector<Tensor> results;
  for (const int threads : {1, 2, 3, 7})
    results.push_back(merge_attention(outs, lses, {.queue = Queue::cpu({.threads = threads})}));
  EXPECT_EQ(results[0].dtype(), DType::bf16);  // that of the first part
  for (const Tensor& result : results)
    EXPECT_EQ(std::memcmp(result.data(), results[0].data(), result.size_bytes()), 0);
}

}  // namespace
}  // namespace flashtile::test
