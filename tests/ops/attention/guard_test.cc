// No way reads outside of the tensors of a call: each lies against a page that nobody may touch, at its end and then at its
// start, and results are bit for bit those of tensors that lie anywhere.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "tests/ops/attention/codes.h"

namespace flashtile::test {
namespace {

enum class Edge { none, end, start };

/// A copy of a tensor's memory between two pages that nobody may touch, against one of them.
class Guarded {
 public:
  Guarded(const Tensor& tensor, Edge edge) : view(tensor.view()) {
    if (edge == Edge::none) return;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t size = tensor.size_bytes(), inner = (size + page - 1) / page * page;
    bytes_ = inner + 2 * page;
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    auto* const first = static_cast<std::byte*>(memory_) + page;
    view.data = edge == Edge::end ? first + inner - size : first;
    std::memcpy(view.data, tensor.data(), size);
    mprotect(memory_, page, PROT_NONE);
    mprotect(first + inner, page, PROT_NONE);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
  }

  TensorView view;

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

constexpr std::int64_t kBatch = 2, kHeads = 4, kKvHeads = 2, kKeys = 70, kDim = 64;

struct GuardCase {
  std::string name;
  std::int64_t queries;
  std::int64_t page = 0;  ///< rows of a page; 0: not paged
  bool packed = false, pairs = false;
  DType kv = DType::f32;
  bool grouped = false;  ///< 4 scales a row, else 1
};
void PrintTo(const GuardCase& c, std::ostream* out) { *out << c.name; }

std::vector<GuardCase> guard_cases() {
  std::vector<GuardCase> all;
  for (const std::int64_t queries : {1, 37}) {
    const std::string of = "_" + std::to_string(queries);
    all.push_back({.name = "lengths" + of, .queries = queries});
    all.push_back({.name = "pairs" + of, .queries = queries, .pairs = true});
    all.push_back({.name = "packed" + of, .queries = queries, .packed = true});
    for (const std::int64_t page : {1, 7, 35})
      all.push_back({.name = "pages_of_" + std::to_string(page) + of, .queries = queries, .page = page});
    for (const DType kv : {DType::i8, DType::int4, DType::f8_e4m3, DType::f8_e5m2, DType::q8_0, DType::q4_0}) {
      all.push_back({.name = name(kv) + of, .queries = queries, .kv = kv});
      all.push_back(
          {.name = name(kv) + ("_pages" + of), .queries = queries, .page = 7, .kv = kv, .grouped = true});
    }
  }
  return all;
}

std::uint32_t next_bits() {
  static std::uint32_t state = 1;
  return state = state * 1664525u + 1013904223u;
}
Tensor random_rows(DType dtype, const Dims& shape) {
  Tensor tensor(dtype, shape);
  for (std::int64_t n = 0; n < tensor.size(); ++n) {
    const double value = static_cast<double>(next_bits() >> 8) * 0x1p-23 - 1;
    if (dtype == DType::f32)
      tensor.as<float>()[n] = static_cast<float>(value);
    else
      set_code(tensor, n, value * usual_code(dtype)), set_block_scale(tensor, n, 0.01);
  }
  return tensor;
}
template <class E>
Tensor integers(DType dtype, const Dims& shape, const std::vector<E>& values) {
  Tensor tensor(dtype, shape);
  std::copy(values.begin(), values.end(), tensor.as<E>());
  return tensor;
}

class Guards : public ::testing::TestWithParam<std::tuple<GuardCase, std::string>> {};

TEST_P(Guards, NothingOutsideOfATensorIsRead) {
  const auto& [c, way] = GetParam();
  const std::int64_t pages = kBatch * (c.page > 0 ? kKeys / c.page : 0);
  const auto rows = [&](std::int64_t heads, std::int64_t length, std::int64_t columns, bool in_pages) {
    if (c.packed) return Dims{kBatch * length, heads, columns};
    return in_pages ? Dims{pages, c.page, heads, columns} : Dims{kBatch, heads, length, columns};
  };
  const bool paged = c.page > 0;
  const Tensor q = random_rows(DType::f32, rows(kHeads, c.queries, kDim, false)),
               k = random_rows(c.kv, rows(kKvHeads, kKeys, kDim, paged)),
               v = random_rows(c.kv, rows(kKvHeads, kKeys, kDim, paged)),
               scales = random_rows(DType::f32, rows(kKvHeads, kKeys, c.grouped ? 4 : 1, paged));
  // The last row of the last entry is there, and so is the last page.
  const Tensor lengths = integers<std::int32_t>(DType::i32, {kBatch}, {33, kKeys}),
               starts_q = integers<std::int64_t>(DType::i64, {kBatch + 1}, {0, c.queries, kBatch * c.queries}),
               starts_kv = integers<std::int64_t>(DType::i64, {kBatch + 1}, {0, kKeys, kBatch * kKeys}),
               ids_q(DType::i32, {kBatch, c.queries}), ids_kv(DType::i32, {kBatch, kKeys}),
               blocks(DType::u8, {kBatch, kHeads, (c.queries + 15) / 16, (kKeys + 8) / 9}),
               table(DType::i32, {kBatch, paged ? kKeys / c.page : 1});
  for (std::int64_t n = 0; n < ids_q.size(); ++n)
    ids_q.as<std::int32_t>()[n] = static_cast<std::int32_t>(n / 8 % 3);
  for (std::int64_t n = 0; n < ids_kv.size(); ++n)
    ids_kv.as<std::int32_t>()[n] = static_cast<std::int32_t>(n / 11 % 3);
  for (std::int64_t n = 0; n < blocks.size(); ++n) blocks.as<std::uint8_t>()[n] = n % 3 != 0;
  for (std::int64_t n = 0; n < table.size(); ++n)
    table.as<std::int32_t>()[n] =
        static_cast<std::int32_t>((n * 3 + 1) % std::max<std::int64_t>(1, table.size()));

  std::vector<float> expected;
  for (const Edge edge : {Edge::none, Edge::end, Edge::start}) {
    const Guarded gq(q, edge), gk(k, edge), gv(v, edge), gs(scales, edge), gl(lengths, edge),
        gsq(starts_q, edge), gsk(starts_kv, edge), giq(ids_q, edge), gik(ids_kv, edge), gb(blocks, edge),
        gt(table, edge);
    AttentionOptions options{.way = way};
    if (c.packed)
      options.row_starts = {gsq.view, gsk.view};
    else
      options.lengths.kv = gl.view;
    if (c.pairs) options.mask.segments = {giq.view, gik.view}, options.mask.blocks = BlockMap{gb.view, 16, 9};
    if (paged) options.block_table = gt.view;
    if (takes_scales(c.kv)) options.k_scales = options.v_scales = gs.view;
    Tensor out;
    try {
      out = attention(gq.view, gk.view, gv.view, options);
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
      ASSERT_NE(way, "flash.cpu") << e.what();
      return;  // parity_test.cc says which ways may decline what
    }
    const std::vector<float> found(out.as<float>(), out.as<float>() + out.size());
    if (edge == Edge::none) expected = found;
    EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Attention, Guards,
                         ::testing::Combine(::testing::ValuesIn(guard_cases()),
                                            ::testing::Values("flash.cpu", "tensor_ops", "simdgroup",
                                                              "unfused")),
                         [](const auto& each) {
                           std::string way = std::get<1>(each.param);
                           if (way == "flash.cpu") way = "flash_cpu";
                           return std::get<0>(each.param).name + "_" + way;
                         });

}  // namespace
}  // namespace flashtile::test
