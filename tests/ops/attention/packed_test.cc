// Packed sequences: each is what it would be alone, by every way on every device. Rows of no sequence hold NaN, and those of
// the results are not touched.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "tests/ops/attention/cases.h"
#include "tests/ops/on_metal_emulated.h"

namespace flashtile::test {
namespace {

struct Packing {
  std::string name;
  std::vector<std::int64_t> q_starts, kv_starts;  ///< no kv_starts: k and v are padded
  std::vector<std::int64_t> kv_lengths{};         ///< of these
  std::int64_t query_heads = 2, kv_heads = 1, head_dim = 40, value_dim = 24;
  std::optional<CausalCorner> causal{};
  std::optional<Window> window{};
  DType numbers = DType::i32;
  bool sinks = false;
  std::int64_t page_size =
      0;  ///< k and v are in pages of so many rows, which divide those of padded ones; 0: not

  std::int64_t batch() const { return static_cast<std::int64_t>(q_starts.size()) - 1; }
  std::int64_t q_rows() const { return q_starts.back() + 3; }
  bool kv_packed() const { return !kv_starts.empty(); }
  std::int64_t kv_rows() const { return kv_packed() ? kv_starts.back() + 2 : 150; }
};
void PrintTo(const Packing& p, std::ostream* out) { *out << p.name; }

Tensor tensor_of(const std::vector<std::int64_t>& values, DType dtype) {
  const Tensor t(dtype, {static_cast<std::int64_t>(values.size())});
  for (std::int64_t i = 0; i < t.size(); ++i)
    set(t, i, static_cast<double>(values[static_cast<std::size_t>(i)]));
  return t;
}

/// The tensors of a call, and what the oracle says of each sequence.
class PackedCall {
 public:
  PackedCall(const Packing& packing, DType dtype)
      : p(packing),
        q(dtype, {p.q_rows(), p.query_heads, p.head_dim}),
        k(dtype, kv_shape(p.head_dim)),
        v(dtype, kv_shape(p.value_dim)),
        sinks(DType::f32, {p.query_heads}) {
    Random random(7);
    for (const Tensor* t : {&q, &k, &v}) {
      for (std::int64_t i = 0; i < t->size(); ++i)
        set(*t, i, static_cast<double>(random.next() % 2001) / 1000.0 - 1.0);
    }
    for (std::int64_t h = 0; h < p.query_heads; ++h) sinks.as<float>()[h] = static_cast<float>(h) - 0.5f;
    poison(q, 0, 1, [&](auto, auto row) { return row < p.q_starts.front() || row >= p.q_starts.back(); });
    for (const Tensor* t : {&k, &v}) {
      if (p.kv_packed())
        poison(*t, 0, 1,
               [&](auto, auto row) { return row < p.kv_starts.front() || row >= p.kv_starts.back(); });
      else
        poison(*t, 2, p.kv_heads,
               [&](auto b, auto row) { return row >= p.kv_lengths[static_cast<std::size_t>(b)]; });
    }
  }

  AttentionOptions options() const {
    AttentionOptions o;
    o.mask.causal = p.causal;
    o.mask.window = p.window;
    return o;
  }

  /// The oracle's case of sequence b.
  reference::AttentionCase oracle_of(std::int64_t b) {
    const auto at = [&](const std::vector<std::int64_t>& numbers, std::int64_t i) {
      return numbers[static_cast<std::size_t>(i)];
    };
    for (auto [tensor, numbers] :
         {std::pair{&q, &exact_q_}, std::pair{&k, &exact_k_}, std::pair{&v, &exact_v_}}) {
      if (!numbers->empty()) continue;
      for (std::int64_t i = 0; i < tensor->size(); ++i) numbers->push_back(get(*tensor, i));
    }
    reference::AttentionCase a;
    a.query_heads = p.query_heads;
    a.kv_heads = p.kv_heads;
    a.query_length = at(p.q_starts, b + 1) - at(p.q_starts, b);
    a.kv_length = p.kv_packed() ? at(p.kv_starts, b + 1) - at(p.kv_starts, b) : at(p.kv_lengths, b);
    a.head_dim = p.head_dim;
    a.value_dim = p.value_dim;
    a.scale = static_cast<double>(static_cast<float>(1.0 / std::sqrt(static_cast<double>(p.head_dim))));
    const auto rows = [&](const std::vector<double>& exact, std::int64_t first, std::int64_t heads,
                          std::int64_t size) {
      return reference::Array4{
          exact.data(), {0, size, heads * size, 1}, reference::Element::f64, first * heads * size};
    };
    a.q = rows(exact_q_, at(p.q_starts, b), p.query_heads, p.head_dim);
    if (p.kv_packed()) {
      a.k = rows(exact_k_, at(p.kv_starts, b), p.kv_heads, p.head_dim);
      a.v = rows(exact_v_, at(p.kv_starts, b), p.kv_heads, p.value_dim);
    } else {
      const std::int64_t all = p.kv_heads * p.kv_rows();
      a.k = {exact_k_.data(),
             {0, p.kv_rows() * p.head_dim, p.head_dim, 1},
             reference::Element::f64,
             b * all * p.head_dim};
      a.v = {exact_v_.data(),
             {0, p.kv_rows() * p.value_dim, p.value_dim, 1},
             reference::Element::f64,
             b * all * p.value_dim};
    }
    a.causal = p.causal.has_value();
    a.diagonal = a.position = p.causal == CausalCorner::bottom_right ? a.kv_length - a.query_length : 0;
    if (p.window) a.left = p.window->left, a.right = p.window->right;
    if (p.sinks) a.sinks = {sinks.data(), {1}, reference::Element::f32};
    return a;
  }

  /// The rows of k or v that are there in pages of a pool, the first ones last; NaN elsewhere.
  Tensor pool_of(const Tensor& rows) const {
    const std::int64_t size = rows.shape()[3], pages = p.batch() * most_pages() + 1;
    const Tensor pool(rows.dtype(), {pages, p.page_size, p.kv_heads, size});
    for (std::int64_t n = 0; n < pool.size(); ++n) set(pool, n, static_cast<double>(kNaN));
    for_each(rows, [&](auto offset, auto, auto b, auto h, auto j, auto d) {
      const std::int64_t page = pages - 1 - (b * most_pages() + j / p.page_size);
      set(pool, ((page * p.page_size + j % p.page_size) * p.kv_heads + h) * size + d, get(rows, offset));
    });
    return pool;
  }
  /// Numbers of pages behind an entry's rows are none.
  Tensor block_table() const {
    const Tensor table(DType::i32, {p.batch(), most_pages()});
    for (std::int64_t n = 0; n < table.size(); ++n) {
      const std::int64_t length = p.kv_lengths[static_cast<std::size_t>(n / most_pages())];
      const bool is_there = n % most_pages() * p.page_size < length;
      table.as<std::int32_t>()[n] = is_there ? static_cast<std::int32_t>(table.size() - n) : -1'000'000;
    }
    return table;
  }

  const Packing p;
  const Tensor q, k, v, sinks;

 private:
  std::int64_t most_pages() const { return p.kv_rows() / p.page_size; }
  Dims kv_shape(std::int64_t size) const {
    return p.kv_packed() ? Dims{p.kv_rows(), p.kv_heads, size} : Dims{p.batch(), p.kv_heads, p.kv_rows(), size};
  }
  /// Rows of which nobody_reads(entry, row) become NaN. `rows_at`: the dimension of rows; `heads`: in an entry.
  template <class F>
  static void poison(const Tensor& t, int rows_at, std::int64_t heads, F nobody_reads) {
    const std::int64_t rows = t.shape()[rows_at], per_row = rows_at == 0 ? t.size() / rows : t.shape()[3];
    for (std::int64_t i = 0; i < t.size(); ++i) {
      const std::int64_t row = i / per_row;
      if (nobody_reads(row / rows / heads, row % rows)) set(t, i, static_cast<double>(kNaN));
    }
  }

  std::vector<double> exact_q_, exact_k_, exact_v_;
};

class Packed : public ::testing::TestWithParam<std::tuple<Packing, DType, std::string, Device>> {};

TEST_P(Packed, SequencesAreWhatTheyAreAlone) {
  const auto& [packing, dtype, way, device] = GetParam();
  PackedCall call(packing, dtype);
  constexpr double kCanary = 77.0;
  const Tensor out(dtype, {packing.q_rows(), packing.query_heads, packing.value_dim}),
      lse(DType::f32, {packing.q_rows(), packing.query_heads});
  for (const Tensor* t : {&out, &lse})
    for (std::int64_t i = 0; i < t->size(); ++i) set(*t, i, kCanary);
  const bool paged = packing.page_size > 0;
  const Tensor q = copy_to(call.q, device), k = copy_to(paged ? call.pool_of(call.k) : call.k, device),
               v = copy_to(paged ? call.pool_of(call.v) : call.v, device),
               table = paged ? copy_to(call.block_table(), device) : Tensor(),
               sinks = copy_to(call.sinks, device), device_out = copy_to(out, device),
               device_lse = copy_to(lse, device),
               q_starts = copy_to(tensor_of(packing.q_starts, packing.numbers), device),
               kv_numbers = copy_to(
                   tensor_of(packing.kv_packed() ? packing.kv_starts : packing.kv_lengths, packing.numbers),
                   device);
  AttentionOptions options = call.options();
  options.way = way;
  options.row_starts.q = q_starts;
  (packing.kv_packed() ? options.row_starts.kv : options.lengths.kv) = kv_numbers;
  if (packing.sinks) options.sinks = sinks;
  if (paged) options.block_table = table;
  try {
    attention_into({.out = device_out.view(), .lse = device_lse.view()}, q, k, v, options);
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    ASSERT_TRUE(way == "unfused" || way == "flash.sm90" || way.starts_with("vendor.") ||
                (way == "flash.cpu" && device.type != DeviceType::cpu) ||
                (paged && (way == "simdgroup" || device.type == DeviceType::metal_emulated)))
        << "unexpected refusal: " << e.what();
    GTEST_SKIP() << e.what();
  }
  Queue::default_for(device).synchronize();
  const Tensor found = copy_to(device_out, Device::cpu()), found_lse = copy_to(device_lse, Device::cpu());
  const auto row_of = [&](std::int64_t row, std::int64_t h) { return row * packing.query_heads + h; };
  for (std::int64_t row = 0; row < packing.q_rows(); ++row) {
    if (row >= packing.q_starts.front() && row < packing.q_starts.back()) continue;
    for (std::int64_t h = 0; h < packing.query_heads; ++h) {
      EXPECT_EQ(get(found_lse, row_of(row, h)), kCanary) << row;
      for (std::int64_t d = 0; d < packing.value_dim; ++d)
        ASSERT_EQ(get(found, row_of(row, h) * packing.value_dim + d), kCanary) << row;
    }
  }
  for (std::int64_t b = 0; b < packing.batch(); ++b) {
    const reference::AttentionCase oracle = call.oracle_of(b);
    const std::int64_t first = packing.q_starts[static_cast<std::size_t>(b)];
    for (std::int64_t h = 0; h < packing.query_heads; ++h) {
      for (std::int64_t i = 0; i < oracle.query_length; ++i) {
        const reference::AttentionRow row = reference::attention_row(oracle, 0, h, i);
        const reference::AttentionBounds bounds = reference::attention_bounds(oracle, row, format_of(dtype));
        for (std::int64_t d = 0; d < packing.value_dim; ++d) {
          const auto column = static_cast<std::size_t>(d);
          ASSERT_TRUE(within(get(found, row_of(first + i, h) * packing.value_dim + d), row.out[column],
                             bounds.out[column]))
              << "sequence " << b << ", head " << h << ", query " << i << ", column " << d;
        }
        ASSERT_TRUE(within(get(found_lse, row_of(first + i, h)), row.lse, bounds.lse))
            << "lse of sequence " << b << ", head " << h << ", query " << i;
      }
    }
  }
}

/// Sequences of none, one and around tiles of 64; fewer queries than keys, and more.
std::vector<Packing> packings() {
  const std::vector<std::int64_t> starts{2, 2, 3, 66, 131, 261};
  std::vector<Packing> all{
      {.name = "Plain", .q_starts = starts, .kv_starts = starts},
      {.name = "Wide", .q_starts = starts, .kv_starts = {0, 70, 70, 71, 200, 230}, .numbers = DType::i64},
      {.name = "TopLeft", .q_starts = starts, .kv_starts = starts, .causal = CausalCorner::top_left},
      {.name = "BottomRight",
       .q_starts = starts,
       .kv_starts = {0, 70, 170, 171, 300, 330},
       .query_heads = 4,
       .kv_heads = 2,
       .causal = CausalCorner::bottom_right,
       .sinks = true},
      {.name = "Window",
       .q_starts = starts,
       .kv_starts = starts,
       .head_dim = 64,
       .value_dim = 64,
       .window = Window{.left = 20, .right = 3}},
      {.name = "PaddedKeys",
       .q_starts = starts,
       .kv_starts = {},
       .kv_lengths = {5, 150, 64, 0, 63},
       .query_heads = 4,
       .kv_heads = 2,
       .causal = CausalCorner::bottom_right},
      {.name = "Long",
       .q_starts = {0, 700, 1000},
       .kv_starts = {0, 700, 1000},
       .query_heads = 1,
       .head_dim = 64,
       .value_dim = 64,
       .causal = CausalCorner::top_left},
      {.name = "OneOfAll", .q_starts = {0, 70}, .kv_starts = {0, 1500}, .query_heads = 1},
      {.name = "Few", .q_starts = {0, 1, 3}, .kv_starts = {0, 1300, 1310}, .query_heads = 2, .kv_heads = 2},
      {.name = "FewOfEach",
       .q_starts = {0, 1, 1, 3, 4},
       .kv_starts = {0, 700, 700, 1300, 1301},
       .query_heads = 4,
       .kv_heads = 2,
       .causal = CausalCorner::bottom_right,
       .sinks = true},
      {.name = "FewTogether",
       .q_starts = {1, 2, 3, 4},
       .kv_starts = {0, 600, 1200, 1203},
       .query_heads = 1,
       .head_dim = 128,
       .value_dim = 128},
      {.name = "Paged",
       .q_starts = starts,
       .kv_starts = {},
       .kv_lengths = {5, 150, 64, 0, 63},
       .query_heads = 4,
       .kv_heads = 2,
       .causal = CausalCorner::bottom_right,
       .page_size = 25},
      {.name = "FewPaged",
       .q_starts = {0, 1, 2, 4, 4, 5},
       .kv_starts = {},
       .kv_lengths = {5, 150, 64, 0, 63},
       .query_heads = 4,
       .kv_heads = 2,
       .causal = CausalCorner::bottom_right,
       .page_size = 10},
      {.name = "NoKeys", .q_starts = {0, 3, 5}, .kv_starts = {0, 0, 0}},
      {.name = "None", .q_starts = {4}, .kv_starts = {5}},
  };
  return all;
}

bool is_small(const Packing& p) { return p.q_rows() * p.kv_rows() < 20000; }

std::string test_name(const ::testing::TestParamInfo<Packed::ParamType>& info) {
  const auto& [p, dtype, way, device] = info.param;
  return as_test_name(p.name + "_" + name(dtype) + "_" + way + "_" + name(device));
}

INSTANTIATE_TEST_SUITE_P(Attention, Packed,
                         ::testing::Combine(::testing::ValuesIn(cases_under_test(packings(), 1, is_small)),
                                            ::testing::Values(DType::f32, DType::f16, DType::bf16),
                                            ::testing::ValuesIn(built(attention_ways())),
                                            ::testing::ValuesIn(devices_under_test())),
                         test_name);

}  // namespace
}  // namespace flashtile::test
