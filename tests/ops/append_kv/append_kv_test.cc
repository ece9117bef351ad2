// Where append_kv stores rows, and as what, on every device; and what it is refused for.
#include "flashtile/append_kv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "reference/rotary.h"
#include "tests/ops/attention/cases.h"
#include "tests/ops/on_device.h"

namespace flashtile::test {
namespace {

Tensor integers(const std::vector<std::int32_t>& values, const Dims& shape) {
  Tensor t(DType::i32, shape);
  std::copy(values.begin(), values.end(), t.as<std::int32_t>());
  return t;
}

struct AppendCase {
  std::string name;
  std::int64_t batch = 2, heads = 3, length = 4, key_dim = 32, value_dim = 24, capacity = 12;
  std::int64_t page = 0;  ///< rows of a page; 0: not paged
  DType k = DType::f32, v = DType::f32, cache_k = DType::f32, cache_v = DType::f32;
  Layout layout = Layout::bhsd;
  bool turned = false, interleaved = false, rotary_part = false;
};
void PrintTo(const AppendCase& c, std::ostream* out) { *out << c.name; }

std::vector<AppendCase> append_cases() {
  std::vector<AppendCase> all;
  for (const std::int64_t heads : {0, 1, 15, 16, 17, 33})
    all.push_back({.name = "heads_" + std::to_string(heads), .heads = heads, .turned = true});
  for (const std::int64_t length : {0, 1, 2, 11, 12})
    all.push_back({.name = "rows_" + std::to_string(length), .length = length});
  for (const std::int64_t page : {1, 3, 4, 5, 12, 16})
    all.push_back({.name = "pages_of_" + std::to_string(page), .page = page, .turned = page % 2 == 0});
  for (const DType from : {DType::f32, DType::f16, DType::bf16}) {
    for (const DType to : {DType::f32, DType::f16, DType::bf16}) {
      const std::string types = std::string(name(from)) + "_to_" + name(to);
      all.push_back({.name = types, .k = from, .v = to, .cache_k = to, .cache_v = from});
      all.push_back({.name = types + "_turned",
                     .page = 4,
                     .k = from,
                     .v = to,
                     .cache_k = to,
                     .cache_v = from,
                     .turned = true});
    }
  }
  for (const Layout layout : {Layout::bshd, Layout::padded, Layout::reversed}) {
    const std::string number = std::to_string(static_cast<int>(layout));
    all.push_back({.name = "layout_" + number, .layout = layout, .turned = true, .interleaved = true});
    all.push_back(
        {.name = "paged_layout_" + number, .page = 4, .layout = layout, .turned = true, .rotary_part = true});
  }
  return all;
}

/// A call's tensors: a third of the new rows is not stored, the others in turn at places of their own.
struct Append {
  Stored k, v, cache_k, cache_v;
  std::vector<std::int32_t> positions, table;
  std::int64_t most = 0;  ///< pages of an entry

  explicit Append(const AppendCase& c) {
    Random random(static_cast<std::uint64_t>(c.heads * 100 + c.length));
    k = filled(c.k, {c.batch, c.heads, c.length, c.key_dim}, c.layout, random);
    v = filled(c.v, {c.batch, c.heads, c.length, c.value_dim}, c.layout, random);
    most = c.page == 0 ? 0 : (c.capacity + c.page - 1) / c.page;
    const std::int64_t pages = c.batch * most + 2;
    const auto cache = [&](std::int64_t columns) {
      return c.page == 0 ? Dims{c.batch, c.heads, c.capacity, columns} : Dims{pages, c.page, c.heads, columns};
    };
    cache_k = filled(c.cache_k, cache(c.key_dim), c.layout, random);
    cache_v = filled(c.cache_v, cache(c.value_dim), c.layout, random);
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t l = 0; l < c.length; ++l) {
        const std::int64_t place = (7 * l + 5 * b + 3) % c.capacity;  // 7 and 12 share no factor
        positions.push_back((b + l) % 3 == 2 ? -1 : static_cast<std::int32_t>(place));
      }
      for (std::int64_t n = 0; n < most; ++n)  // from the last page on, entries of a batch mixed
        table.push_back(static_cast<std::int32_t>(pages - 1 - (n * c.batch + b)));
    }
  }

  static Stored filled(DType dtype, const Dims& shape, Layout layout, Random& random) {
    Stored s = stored(dtype, shape, layout, kNaN);
    for_each(s.view, [&](auto offset, auto, auto, auto, auto, auto) { set(s.view, offset, random.normal()); });
    read_back(s);
    return s;
  }
};

/// What a cache should hold: its old elements, and the new rows where they belong; and how far they may be off.
struct Expected {
  std::vector<double> exact, bound;

  Expected(const AppendCase& c, const Append& call, const Stored& rows, const Stored& cache, bool turned)
      : exact(cache.exact), bound(cache.exact.size(), 0.0) {
    const std::int64_t columns = rows.view.shape[3];
    const Dims& shape = cache.view.shape;
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t h = 0; h < c.heads; ++h) {
        for (std::int64_t l = 0; l < c.length; ++l) {
          const std::int64_t p = call.positions[static_cast<std::size_t>(b * c.length + l)];
          if (p < 0) continue;
          const auto first = rows.exact.begin() + ((b * c.heads + h) * c.length + l) * columns;
          reference::RotaryCase how{turned ? dim(c) : 0, c.interleaved};
          reference::RotaryRow row =
              reference::rotary_row(how, {first, first + columns}, p, format_of(cache.view.dtype));
          std::int64_t at = ((b * c.heads + h) * c.capacity + p) * columns;
          if (c.page > 0) {
            const std::int64_t page = call.table[static_cast<std::size_t>(b * call.most + p / c.page)];
            at = ((page * shape[1] + p % c.page) * c.heads + h) * columns;
          }
          for (std::size_t d = 0; d < row.exact.size(); ++d) {
            const bool is_turned = d < how.dim;
            exact[static_cast<std::size_t>(at) + d] =
                is_turned ? row.exact[d] : format_of(cache.view.dtype).round(row.exact[d]);
            bound[static_cast<std::size_t>(at) + d] = row.bound[d];
          }
        }
      }
    }
  }
  static std::size_t dim(const AppendCase& c) {
    return static_cast<std::size_t>(c.rotary_part ? 20 : c.key_dim);
  }
};

class AppendParity : public ::testing::TestWithParam<std::tuple<AppendCase, Device>> {};

TEST_P(AppendParity, StoresEachRowAtItsPlaceAndNothingElse) {
  const auto& [c, device] = GetParam();
  Append call(c);
  const Expected keys(c, call, call.k, call.cache_k, c.turned), values(c, call, call.v, call.cache_v, false);
  AppendKvOptions options;
  if (c.turned) {
    options.rotary = Rotary{.pairs = c.interleaved ? RotaryPairs::interleaved : RotaryPairs::halves,
                            .dim = static_cast<std::int64_t>(Expected::dim(c))};
  }
  const Tensor positions = copy_to(integers(call.positions, {c.batch, c.length}), device);
  const Tensor table = c.page > 0 ? copy_to(integers(call.table, {c.batch, call.most}), device) : Tensor();
  if (c.page > 0) options.block_table = table.view();
  const Moved k(call.k, device), v(call.v, device), cache_k(call.cache_k, device),
      cache_v(call.cache_v, device);
  append_kv(cache_k, cache_v, k, v, positions, options);
  for (const auto& [moved, cache, expected] :
       {std::tuple(&cache_k, &call.cache_k, &keys), std::tuple(&cache_v, &call.cache_v, &values)}) {
    moved->bring_back();
    read_back(*cache);
    for (std::size_t n = 0; n < cache->exact.size(); ++n)
      ASSERT_TRUE(within(cache->exact[n], expected->exact[n], expected->bound[n])) << "element " << n;
    // What lies between the elements stays.
    std::vector<bool> is_element(static_cast<std::size_t>(cache->memory.size()));
    const std::int64_t first =
        (static_cast<std::byte*>(cache->view.data) - static_cast<std::byte*>(cache->memory.data())) * 8 /
        bits(cache->view.dtype);
    for_each(cache->view, [&](auto offset, auto, auto, auto, auto, auto) {
      is_element[static_cast<std::size_t>(first + offset)] = true;
    });
    for (std::int64_t n = 0; n < cache->memory.size(); ++n) {
      if (is_element[static_cast<std::size_t>(n)]) continue;
      ASSERT_TRUE(std::isnan(get(cache->memory, n))) << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AppendKv, AppendParity,
                         ::testing::Combine(::testing::ValuesIn(append_cases()),
                                            ::testing::ValuesIn(devices_with_small_kernels())),
                         [](const auto& tested) {
                           return std::get<0>(tested.param).name + "_" + word(std::get<1>(tested.param));
                         });

/// On GPUs nobody reads indices before the kernel does.
class AppendOnDevice : public ::testing::TestWithParam<Device> {};

TEST_P(AppendOnDevice, RowsWithoutAPlaceLeaveNoTrace) {
  if (GetParam() == Device::cpu()) return;  // refused there, see below
  AppendCase c{.name = "", .page = 4};
  Append call(c);
  const std::vector<double> before = call.cache_k.exact;
  for (std::int32_t& p : call.positions)
    p = p % 2 == 0 ? 12 : -2000000000;  // past the end, and far before the beginning
  call.positions[0] = 5;
  call.table[1] = 2147483647;  // the page of position 5
  const Tensor positions = copy_to(integers(call.positions, {c.batch, c.length}), GetParam()),
               table = copy_to(integers(call.table, {c.batch, call.most}), GetParam());
  const Moved k(call.k, GetParam()), v(call.v, GetParam()), cache_k(call.cache_k, GetParam()),
      cache_v(call.cache_v, GetParam());
  append_kv(cache_k, cache_v, k, v, positions, {.block_table = table});
  cache_k.bring_back();
  read_back(call.cache_k);
  EXPECT_EQ(call.cache_k.exact, before);
}
INSTANTIATE_TEST_SUITE_P(AppendKv, AppendOnDevice, ::testing::ValuesIn(devices_with_small_kernels()),
                         [](const auto& tested) { return word(tested.param); });

/// Rows appended one by one, turned on the way, and attended to are those that were turned at once.
TEST(AppendKv, ACacheFilledStepByStepIsTheWhole) {
  Random random(9);
  Stored q = Append::filled(DType::f32, {1, 4, 1, 32}, Layout::bhsd, random);
  Stored k = Append::filled(DType::f32, {1, 2, 20, 32}, Layout::bhsd, random),
         v = Append::filled(DType::f32, {1, 2, 20, 32}, Layout::bhsd, random);
  std::vector<std::int32_t> all(20);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  const Tensor turned = rotary(k.view, integers(all, {20}));
  const Tensor expected = attention(q.view, turned, v.view);
  const Tensor cache_k(DType::f32, {1, 2, 20, 32}), cache_v(DType::f32, {1, 2, 20, 32});
  for (std::int32_t begin = 0; begin < 20;) {
    const std::int32_t end = begin == 0 ? 13 : begin + 1;
    const Tensor positions = integers({all.begin() + begin, all.begin() + end}, {end - begin});
    append_kv(cache_k, cache_v, k.view.sliced(2, begin, end), v.view.sliced(2, begin, end), positions,
              {.rotary = Rotary{}});
    begin = end;
  }
  const Tensor found = attention(q.view, cache_k, cache_v);
  for (std::int64_t n = 0; n < found.size(); ++n) EXPECT_EQ(found.as<float>()[n], expected.as<float>()[n]);
}

struct ValidAppend {
  Tensor memory[4]{Tensor(DType::f32, {2, 3, 8, 6}), Tensor(DType::f32, {2, 3, 8, 4}),
                   Tensor(DType::f32, {2, 3, 2, 6}), Tensor(DType::f32, {2, 3, 2, 4})};
  Tensor positions_memory = integers({0, 7, -1, 3}, {2, 2}), table_memory = integers({0, 1, 9, -5}, {2, 2});
  TensorView cache_k = memory[0], cache_v = memory[1], k = memory[2], v = memory[3],
             positions = positions_memory;
  AppendKvOptions options;

  /// The caches as pools of 12 pages of 4 rows for (B, Hkv) = (2, 1).
  void page() {
    for (TensorView* x : {&k, &v}) *x = x->sliced(1, 0, 1);
    cache_k = packed_view(cache_k.data, DType::f32, {12, 4, 1, 6});
    cache_v = packed_view(cache_v.data, DType::f32, {12, 4, 1, 4});
    options.block_table = table_memory.view();
  }
};

std::string message_of(const std::function<void(ValidAppend&)>& change,
                       ErrorCode code = ErrorCode::invalid_argument) {
  ValidAppend call;
  for (const Tensor& t : call.memory) std::fill_n(t.as<float>(), t.size(), 1.0f);
  change(call);
  const Result<> done = try_append_kv(call.cache_k, call.cache_v, call.k, call.v, call.positions, call.options);
  if (done) return "no error";
  EXPECT_EQ(done.failure().code, code) << done.failure().message;
  for (std::int64_t n = 0; n < call.memory[0].size(); ++n) EXPECT_EQ(call.memory[0].as<float>()[n], 1.0f);
  return done.failure().message;
}

TEST(AppendKvArguments, AreRefusedByName) {
  EXPECT_EQ(message_of([](ValidAppend&) {}), "no error");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.k.shape = {2, 3, 2}; }),
            "append_kv: k_new has shape (2, 3, 2); expected 4 dimensions (B, Hkv, L, D)");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.v = c.v.sliced(2, 0, 1); }),
            "append_kv: v_new has shape (2, 3, 1, 4); expected (B, Hkv, L, Dv) = (2, 3, 2, 4)");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.cache_k = c.cache_k.sliced(3, 0, 4); }),
            "append_kv: cache_k has shape (2, 3, 8, 4); expected (B, Hkv, C, D) = (2, 3, 8, 6)");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.cache_v = c.cache_v.sliced(2, 0, 7); }),
            "append_kv: cache_v has shape (2, 3, 7, 4); expected (B, Hkv, C, D) = (2, 3, 8, 4)");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.cache_v.dtype = DType::i8; }),
            "append_kv: cache_v has dtype i8; expected f32, f16 or bf16");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.positions.dtype = DType::f32; }),
            "append_kv: positions has dtype f32; expected i32");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.cache_v.device = Device::cuda(); }),
            "append_kv: cache_v is on cuda:0, v_new is on cpu; they must match");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.k.device = {DeviceType::metal, 0}; }, ErrorCode::unsupported),
            "append_kv: k_new is on metal:0; it runs on CPUs and NVIDIA GPUs");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.options.rotary = Rotary{.dim = 5}; }),
            "append_kv: rotary.dim is 5 for rows of 6 elements; so many are turned, all for 0: expected an "
            "even number of at most so many");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.cache_k.strides[0] = 0; }),
            "append_kv: cache_k has shape (2, 3, 8, 6) and strides (0, 48, 6, 1); its elements must not "
            "overlap: each stride "
            "must step over all that the smaller ones span");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.k = c.cache_k.sliced(2, 3, 5); }),
            "append_kv: cache_k overlaps k_new; a call writes cache_k while it reads its inputs: give it "
            "memory of its own");
}

TEST(AppendKvArguments, IndicesAreReadBeforeAnyWork) {
  const auto at = [](std::int64_t entry, std::int32_t value) {
    return message_of([&](ValidAppend& c) { c.positions_memory.as<std::int32_t>()[entry] = value; });
  };
  EXPECT_EQ(at(3, 8), "append_kv: positions[1, 1] is 8; expected -1 (not stored) ... 7, a row of the cache");
  EXPECT_EQ(at(1, -2), "append_kv: positions[0, 1] is -2; expected -1 (not stored) ... 7, a row of the cache");
  EXPECT_EQ(at(0, 7), "no error");
  // Entry 3 of the table, -5, and pages that are not used may be anything.
  EXPECT_EQ(message_of([](ValidAppend& c) { c.page(); }), "no error");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.page(), c.positions_memory.as<std::int32_t>()[3] = 4; }),
            "append_kv: block_table[1, 1] is -5; expected 0 ... 11, a page: positions[1, 1] is 4");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.page(), c.table_memory.as<std::int32_t>()[1] = 12; }),
            "append_kv: block_table[0, 1] is 12; expected 0 ... 11, a page: positions[0, 1] is 7");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.page(), c.positions_memory.as<std::int32_t>()[3] = 8; }),
            "append_kv: positions[1, 1] is 8; expected -1 (not stored) ... 7, a row of the cache");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.page(), c.options.block_table->dtype = DType::f32; }),
            "append_kv: block_table has dtype f32; expected i32");
  EXPECT_EQ(message_of([](ValidAppend& c) { c.page(), c.options.block_table->shape = {1, 2}; }),
            "append_kv: block_table has shape (1, 2); expected 2 dimensions (B, most) with B = 2");
}

}  // namespace
}  // namespace flashtile::test
