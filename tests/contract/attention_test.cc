// Misuses of attention: each is a typed error that names the argument, at every entry point, in a process of
// its own. A new tensor of the call is a line in `arguments`, any other misuse one in `misuses`.
#include "flashtile/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "src/backends/backend.h"
#include "tests/contract/faults.h"
#include "tests/contract/outcome.h"
#include "tests/contract/ways.h"

namespace flashtile::test {
namespace {

/// A valid call: B 3, Hq 6, Hkv 3, Lq 5, Lkv 7, D 16, Dv 8.
struct Call {
  Roomy q_memory{DType::f32, {3, 6, 5, 16}}, k_memory{DType::f32, {3, 3, 7, 16}},
      v_memory{DType::f32, {3, 3, 7, 8}};
  Roomy out_memory{DType::f32, {3, 6, 5, 8}}, lse_memory{DType::f32, {3, 6, 5}};
  Roomy scores_memory{DType::f32, {3, 6, 5, 7}};
  Roomy boolean_memory{DType::u8, {3, 6, 5, 7}}, bias_memory{DType::f32, {3, 6, 5, 7}};
  Roomy query_lengths{DType::i32, {3}}, kv_lengths{DType::i64, {3}}, offsets{DType::i32, {3}};
  Roomy slopes{DType::f32, {3, 6}}, sinks{DType::f32, {6}};
  Roomy k_scales{DType::f32, {3, 3, 7, 4}}, v_scales{DType::f16, {3, 3, 7, 4}};
  Roomy query_ids{DType::i32, {3, 5}}, kv_ids{DType::i32, {3, 7}}, blocks{DType::u8, {3, 6, 3, 4}},
      table{DType::i32, {3, 7}};
  Tensor workspace{DType::u8, {1 << 20}};
  TensorView q = q_memory.view, k = k_memory.view, v = v_memory.view;
  AttentionOutputs outputs{
      .out = out_memory.view, .lse = lse_memory.view, .scores = {{scores_memory.view, ScoreStage::biased}}};
  AttentionOptions options{.mask = {.boolean = boolean_memory.view, .bias = bias_memory.view},
                           .query_offset = offsets.view,
                           .lengths = {.q = query_lengths.view, .kv = kv_lengths.view},
                           .alibi_slopes = slopes.view,
                           .sinks = sinks.view};

  Call() {
    for (const Roomy* numbers : {&query_lengths, &kv_lengths, &offsets, &query_ids, &kv_ids, &blocks, &table})
      std::memset(numbers->memory.data(), 0, numbers->memory.size_bytes());
  }
};

// The scales of a call whose k or v is quantised.
TensorView& k_scales_of(Call& c) {
  c.k.dtype = DType::i8;
  if (!c.options.k_scales) c.options.k_scales = c.k_scales.view;
  return *c.options.k_scales;
}
TensorView& v_scales_of(Call& c) {
  c.v.dtype = DType::f8_e4m3;
  if (!c.options.v_scales) c.options.v_scales = c.v_scales.view;
  return *c.options.v_scales;
}

// What not every call has: ids of rows, a map of blocks of 2 x 2, and pages of one row each.
Segments& segments_of(Call& c) {
  if (!c.options.mask.segments.q) c.options.mask.segments = {c.query_ids.view, c.kv_ids.view};
  return c.options.mask.segments;
}
TensorView& blocks_of(Call& c) {
  if (!c.options.mask.blocks) c.options.mask.blocks = BlockMap{c.blocks.view, 2, 2};
  return c.options.mask.blocks->view;
}
TensorView& table_of(Call& c) {
  if (!c.options.block_table) {
    c.options.block_table = c.table.view;
    c.k = packed_view(c.k.data, DType::f32, {21, 1, 3, 16});
    c.v = packed_view(c.v.data, DType::f32, {21, 1, 3, 8});
  }
  return *c.options.block_table;
}

const std::vector<Entry<Call>> all_entries = {
    {"attention", false, [](Call& c) { return outcome_of([&] { attention(c.q, c.k, c.v, c.options); }); }},
    {"plan_attention", true,
     [](Call& c) { return outcome_of([&] { plan_attention(c.q, c.k, c.v, c.options); }); }},
    {"try_attention", false, [](Call& c) { return outcome_of(try_attention(c.q, c.k, c.v, c.options)); }},
    {"try_plan_attention", true,
     [](Call& c) { return outcome_of(try_plan_attention(c.q, c.k, c.v, c.options)); }},
};
const std::vector<Entry<Call>> into_entries = {
    {"attention_into", false,
     [](Call& c) { return outcome_of([&] { attention_into(c.outputs, c.q, c.k, c.v, c.options); }); }},
    {"plan_attention_into", true,
     [](Call& c) { return outcome_of([&] { plan_attention_into(c.outputs, c.q, c.k, c.v, c.options); }); }},
    {"try_attention_into", false,
     [](Call& c) { return outcome_of(try_attention_into(c.outputs, c.q, c.k, c.v, c.options)); }},
    {"try_plan_attention_into", true,
     [](Call& c) { return outcome_of(try_plan_attention_into(c.outputs, c.q, c.k, c.v, c.options)); }},
};

enum class Entries { all, into };

std::vector<Entry<Call>> chosen(Entries which, bool plans_too) {
  std::vector<Entry<Call>> result;
  const auto add = [&](const std::vector<Entry<Call>>& entries) {
    for (const Entry<Call>& entry : entries) {
      if (plans_too || !entry.plans) result.push_back(entry);
    }
  };
  if (which == Entries::all) add(all_entries);
  add(into_entries);
  return result;
}

/// The tensors of a call.
struct Argument {
  const char* name;
  Entries entries;
  TensorView& (*of)(Call&);
  Takes takes;
};
void PrintTo(const Argument& argument, std::ostream* out) { *out << argument.name; }
const std::vector<Argument> arguments = {
    {"q",
     Entries::all,
     [](Call& c) -> TensorView& { return c.q; },
     {.types = {DType::f32, DType::f16, DType::bf16}, .free_sizes = {2}}},
    {"k",
     Entries::all,
     [](Call& c) -> TensorView& { return c.k; },
     {.types = {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2}}},
    {"v",
     Entries::all,
     [](Call& c) -> TensorView& { return c.v; },
     {.types = {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2}, .free_sizes = {3}}},
    {"k_scales", Entries::all, k_scales_of, {.types = {DType::f32, DType::f16}, .broadcasts = true}},
    {"v_scales", Entries::all, v_scales_of, {.types = {DType::f32, DType::f16}, .broadcasts = true}},
    {"mask.segments.q",
     Entries::all,
     [](Call& c) -> TensorView& { return *segments_of(c).q; },
     {.types = {DType::i32}}},
    {"mask.segments.kv",
     Entries::all,
     [](Call& c) -> TensorView& { return *segments_of(c).kv; },
     {.types = {DType::i32}}},
    {"mask.blocks", Entries::all, blocks_of, {.types = {DType::u8}}},
    {"block_table", Entries::all, table_of, {.types = {DType::i32}, .free_sizes = {1}}},
    {"mask.boolean",
     Entries::all,
     [](Call& c) -> TensorView& { return *c.options.mask.boolean; },
     {.types = {DType::u8}, .broadcasts = true}},
    {"mask.bias",
     Entries::all,
     [](Call& c) -> TensorView& { return *c.options.mask.bias; },
     {.types = {DType::f32, DType::f16, DType::bf16}, .broadcasts = true}},
    {"lengths.q",
     Entries::all,
     [](Call& c) -> TensorView& { return *c.options.lengths.q; },
     {.types = {DType::i32, DType::i64}}},
    {"lengths.kv",
     Entries::all,
     [](Call& c) -> TensorView& { return *c.options.lengths.kv; },
     {.types = {DType::i32, DType::i64}}},
    {"alibi_slopes",
     Entries::all,
     [](Call& c) -> TensorView& { return *c.options.alibi_slopes; },
     {.types = {DType::f32}}},
    {"sinks", Entries::all, [](Call& c) -> TensorView& { return *c.options.sinks; }, {.types = {DType::f32}}},
    {"query_offset",
     Entries::all,
     [](Call& c) -> TensorView& { return std::get<TensorView>(*c.options.query_offset); },
     {.types = {DType::i32, DType::i64}}},
    {"out", Entries::into, [](Call& c) -> TensorView& { return c.outputs.out; }, {Use::written, {DType::f32}}},
    {"scores",
     Entries::into,
     [](Call& c) -> TensorView& { return c.outputs.scores->view; },
     {Use::written, {DType::f32}}},
    {"lse", Entries::into, [](Call& c) -> TensorView& { return *c.outputs.lse; }, {Use::written, {DType::f32}}},
};

TEST(AttentionContract, AValidCallPasses) {
  expect_refused(chosen(Entries::all, true), [](Call&) {}, "ok");
}

class AttentionTensor : public ::testing::TestWithParam<Argument> {};

TEST_P(AttentionTensor, FaultsAreRefused) {
  const Argument& argument = GetParam();
  Call valid;
  for (const Fault& fault : faults_of(argument.of(valid), argument.takes)) {
    SCOPED_TRACE(argument.name + std::string(": ") + fault.name);
    expect_refused(
        chosen(argument.entries, !fault.of_data), [&](Call& c) { fault.apply(argument.of(c)); },
        fault.codes() + ": attention: .*\\b" + argument.name + "\\b");
  }
}

TEST_P(AttentionTensor, ResultsInItsMemoryAreRefused) {
  const Argument& other = GetParam();
  for (const Argument& written : arguments) {
    if (written.takes.use != Use::written || written.name == std::string(other.name)) continue;
    Call valid;
    const TensorView& view = other.of(valid);
    const std::ptrdiff_t last_floats = element_count(view.shape) * bits(view.dtype) / 32 * 4 - 4;
    for (const std::ptrdiff_t bytes : {std::ptrdiff_t{0}, std::ptrdiff_t{4}, last_floats}) {
      SCOPED_TRACE(written.name + std::string(" is ") + std::to_string(bytes) + " bytes inside " + other.name);
      expect_refused(
          chosen(Entries::into, true),
          [&](Call& c) { written.of(c).data = static_cast<std::byte*>(other.of(c).data) + bytes; },
          "invalid_argument: attention: (" + std::string(written.name) + " overlaps " + other.name + "|" +
              other.name + " overlaps " + written.name + "); ");
    }
  }
  SCOPED_TRACE(std::string("workspace inside ") + other.name);
  expect_refused(
      chosen(Entries::into, false),
      [&](Call& c) { c.outputs.workspace = {static_cast<std::byte*>(other.of(c).data), 64}; },
      "invalid_argument: attention: workspace overlaps " + std::string(other.name) + "; ");
}

INSTANTIATE_TEST_SUITE_P(Arguments, AttentionTensor, ::testing::ValuesIn(arguments), [](const auto& each) {
  std::string text = each.param.name;
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
});

/// Everything else that can be wrong.
struct Misuse {
  const char* name;
  Entries entries;
  void (*change)(Call&);
  const char* pattern;
};

constexpr float kInfinity = std::numeric_limits<float>::infinity(),
                kNaN = std::numeric_limits<float>::quiet_NaN();

std::span<std::byte> bytes_of(Call& c, std::size_t first, std::size_t count) {
  return {c.workspace.as<std::byte>() + first, count};
}

/// A queue of a device that is not here.
struct OtherQueue : Queue::State {
  Device device() const noexcept override { return Device::cuda(3); }
  void synchronize() const override {}
};
/// A queue that says that it is the CPU's, and is none of the library's.
struct ForeignQueue : Queue::State {
  Device device() const noexcept override { return Device::cpu(); }
  void synchronize() const override {}
};

const std::vector<Misuse> misuses = {
    {"scale NaN", Entries::all, [](Call& c) { c.options.scale = kNaN; },
     "attention: scale is nan; expected a finite number"},
    {"scale inf", Entries::all, [](Call& c) { c.options.scale = kInfinity; }, "attention: scale is inf"},
    {"scale -inf", Entries::all, [](Call& c) { c.options.scale = -kInfinity; }, "attention: scale is -inf"},
    {"causal 2", Entries::all, [](Call& c) { c.options.mask.causal = CausalCorner(2); },
     "attention: mask.causal is CausalCorner"},
    {"causal 255", Entries::all, [](Call& c) { c.options.mask.causal = CausalCorner(255); },
     "attention: mask.causal is "},
    {"window left -2", Entries::all, [](Call& c) { c.options.mask.window = Window{-2, 0}; },
     "attention: mask.window.left is -2; expected -1 \\(no limit\\), 0 or more"},
    {"query_offset 2^62", Entries::all, [](Call& c) { c.options.query_offset = std::int64_t{1} << 62; },
     "attention: query_offset is "},
    {"softcap NaN", Entries::all, [](Call& c) { c.options.softcap = kNaN; }, "attention: softcap is nan"},
    {"way unknown", Entries::all, [](Call& c) { c.options.way = "fastest"; },
     "attention: way is \"fastest\"; expected one of "},
    {"way with a NUL", Entries::all, [](Call& c) { c.options.way = std::string("unfused\0", 8); },
     "attention: way is "},
    {"way of a megabyte", Entries::all, [](Call& c) { c.options.way.assign(1 << 20, 'w'); },
     "attention: way is "},
    {"queue elsewhere", Entries::all, [](Call& c) { c.options.queue = Queue(std::make_shared<OtherQueue>()); },
     "attention: options.queue is one of cuda:3, q is on cpu; they must match"},
    {"segments of queries alone", Entries::all, [](Call& c) { segments_of(c).kv.reset(); },
     "attention: mask.segments.q is given, and mask.segments.kv is not"},
    {"segments of keys alone", Entries::all, [](Call& c) { segments_of(c).q.reset(); },
     "attention: mask.segments.kv is given, and mask.segments.q is not"},
    {"blocks of 0 queries", Entries::all, [](Call& c) { blocks_of(c), c.options.mask.blocks->q_block = 0; },
     "attention: mask.blocks.q_block is 0"},
    {"blocks of -1 keys", Entries::all, [](Call& c) { blocks_of(c), c.options.mask.blocks->kv_block = -1; },
     "attention: mask.blocks.kv_block is -1"},
    {"blocks of 3 keys", Entries::all, [](Call& c) { blocks_of(c), c.options.mask.blocks->kv_block = 3; },
     "attention: mask.blocks has shape \\(3, 6, 3, 4\\)"},
    {"pages without lengths", Entries::all, [](Call& c) { table_of(c), c.options.lengths.kv.reset(); },
     "attention: block_table is given, and lengths.kv is not"},
    {"pages of no rows", Entries::all, [](Call& c) { table_of(c), c.k.shape[1] = c.v.shape[1] = 0; },
     "attention: k has page size 0"},
    {"a pool of other pages", Entries::all, [](Call& c) { table_of(c), c.v.shape[0] = 20; },
     "attention: v has pages 20, k has 21"},
    {"integers without scales", Entries::all, [](Call& c) { c.k.dtype = DType::i8; },
     "attention: k has dtype i8 and no k_scales"},
    {"scales of floats", Entries::all, [](Call& c) { c.options.v_scales = c.v_scales.view; },
     "attention: v_scales is given, but v has dtype f32, which takes none"},
    {"scales that divide no row", Entries::all, [](Call& c) { k_scales_of(c).shape[3] = 3; },
     "attention: k_scales has shape \\(3, 3, 7, 3\\)"},
    {"scales of pools in a padded order", Entries::all,
     [](Call& c) {
       table_of(c), k_scales_of(c) = packed_view(c.k_scales.view.data, DType::f32, {21, 3, 1, 1});
     },
     "attention: k_scales has shape \\(21, 3, 1, 1\\)"},
    {"score stage 4", Entries::into, [](Call& c) { c.outputs.scores->stage = ScoreStage(4); },
     "attention: scores has stage 4; expected raw, capped, biased or probabilities"},
    {"0 KV heads", Entries::all, [](Call& c) { c.k.shape[1] = c.v.shape[1] = 0; },
     "attention: q has 6 heads, k has 0"},
    {"head_dim 0", Entries::all, [](Call& c) { c.q.shape[3] = c.k.shape[3] = 0; },
     "attention: q has head_dim 0"},
    {"a result larger than memory", Entries::all,
     [](Call& c) {
       for (TensorView* view : {&c.q, &c.k, &c.v})
         view->shape[0] = view->shape[1] = 1 << 30, view->strides = {0, 0, 0, 1};
       c.q.shape[2] = 1 << 30;
     },
     "attention: out "},
};
/// What only data tell, which plans do not look at.
const std::vector<Misuse> contents = {
    {"a length past its rows", Entries::all, [](Call& c) { c.kv_lengths.memory.as<std::int64_t>()[2] = 8; },
     "attention: lengths.kv\\[2\\] is 8"},
    {"a length below 0", Entries::all, [](Call& c) { c.query_lengths.memory.as<std::int32_t>()[1] = -1; },
     "attention: lengths.q\\[1\\] is -1"},
    {"a page past the pool", Entries::all,
     [](Call& c) {
       table_of(c);
       c.kv_lengths.memory.as<std::int64_t>()[1] = 3;
       c.table.memory.as<std::int32_t>()[7 + 2] = 21;
     },
     "attention: block_table\\[1, 2\\] is 21; expected 0 ... 20"},
    {"a page below 0", Entries::all,
     [](Call& c) {
       table_of(c);
       c.kv_lengths.memory.as<std::int64_t>()[2] = 7;
       c.table.memory.as<std::int32_t>()[2 * 7 + 6] = -1;
     },
     "attention: block_table\\[2, 6\\] is -1; expected 0 ... 20"},
};
const std::vector<Misuse> workspaces = {
    {"null", Entries::into, [](Call& c) { c.outputs.workspace = {static_cast<std::byte*>(nullptr), 1 << 20}; },
     "attention: workspace has no memory, but 1048576 bytes"},
    {"misaligned", Entries::into, [](Call& c) { c.outputs.workspace = bytes_of(c, 8, 1 << 19); },
     "attention: workspace is not aligned to 64 bytes"},
    {"small", Entries::into,
     [](Call& c) { c.options.way = "unfused", c.outputs.workspace = bytes_of(c, 0, 64); },
     "attention: workspace has 64 bytes; this call needs "},
    {"endless", Entries::into,
     [](Call& c) { c.outputs.workspace = {c.workspace.as<std::byte>(), ~std::size_t{0}}; },
     "attention: workspace has "},
};

TEST(AttentionContract, MisusesAreRefused) {
  for (const Misuse& misuse : misuses) {
    SCOPED_TRACE(misuse.name);
    expect_refused(chosen(misuse.entries, true), misuse.change,
                   std::string("invalid_argument: ") + misuse.pattern);
  }
  for (const Misuse& misuse : contents) {
    SCOPED_TRACE(misuse.name);
    expect_refused(chosen(misuse.entries, false), misuse.change,
                   std::string("invalid_argument: ") + misuse.pattern);
  }
  for (const Misuse& misuse : workspaces) {
    SCOPED_TRACE(std::string("workspace ") + misuse.name);
    expect_refused(chosen(misuse.entries, false), misuse.change,
                   std::string("invalid_argument: ") + misuse.pattern);
  }
}

TEST(AttentionContract, SizesThatNoKernelTakesAreUnsupported) {
  expect_refused(
      chosen(Entries::all, true), [](Call& c) { c.q.shape[3] = c.k.shape[3] = std::int64_t{1} << 40; },
      "unsupported: attention: q has head_dim ");
}

TEST(AttentionContract, AForeignQueueOfTheCpuIsRefusedByEveryWay) {
  for (const std::string& way : our_ways_on_cpus()) {
    SCOPED_TRACE(way);
    expect_refused(
        chosen(Entries::all, false),
        [&](Call& c) {
          c.options.way = way;
          c.outputs.scores.reset();  // which only one way has
          c.options.queue = Queue(std::make_shared<ForeignQueue>());
        },
        "invalid_argument: launch: ");
  }
}

TEST(AttentionContract, WaysThatAreNotHereSayWhy) {
  for (const WayInfo& way : attention_ways()) {
    if (way.built) continue;
    SCOPED_TRACE(way.name);
    expect_refused(
        chosen(Entries::all, true), [&](Call& c) { c.options.way = way.name; },
        "unsupported: attention: way " + way.name + " cannot run this call: ");
  }
}

}  // namespace
}  // namespace flashtile::test
