// Every way on every device against the oracle, on one table of calls. A new way or device enters by itself; a
// way that declines must be expected to, below, and is skipped with its own reason.
#include "tests/ops/attention/cases.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include "tests/ops/attention/answer.h"
#include "tests/ops/on_metal_emulated.h"

namespace flashtile::test {
namespace {

constexpr CausalCorner kTopLeft = CausalCorner::top_left, kBottomRight = CausalCorner::bottom_right;

TestMask boolean(MaskShape shape, MaskFill fill = MaskFill::random) { return {DType::u8, shape, fill}; }
TestMask bias(DType dtype, MaskShape shape, MaskFill fill = MaskFill::random) { return {dtype, shape, fill}; }

/// Adds changed copies of a case, by their names.
auto adder_to(std::vector<Case>& all, const std::string& prefix, const Case& base) {
  return [&all, prefix, base](const std::string& name, auto change) {
    Case c = base;
    c.name = prefix + name;
    change(c);
    all.push_back(c);
  };
}

/// K and V of other types than q: each type, with scales of each kind, for many queries and for few.
void add_quantised(std::vector<Case>& all) {
  const Case base{.name = "",
                  .batch = 2,
                  .query_heads = 4,
                  .kv_heads = 2,
                  .query_length = 37,
                  .kv_length = 70,
                  .head_dim = 64,
                  .value_dim = 32};
  const auto add = adder_to(all, "Quantised_", base);
  for (const DType dtype : {DType::i8, DType::int4, DType::f8_e4m3, DType::f8_e5m2, DType::q8_0, DType::q4_0}) {
    const std::string of = name(dtype);
    const auto of_type = [dtype](Case& c) { c.k_type = c.v_type = dtype; };
    add(of, of_type);
    add(of + "_Padded", [&](Case& c) {
      of_type(c);
      c.layout = Layout::padded;
      c.causal = kBottomRight;
    });
    add(of + "_Bshd", [&](Case& c) {
      of_type(c);
      c.layout = Layout::bshd;
      c.scales = Scales::of_heads;
    });
    for (const std::int64_t lq : {1, 3}) {
      add(of + "_Few_" + std::to_string(lq), [&](Case& c) {
        of_type(c);
        c.query_length = lq;
        c.kv_length = 1100;
        c.head_dim = c.value_dim = lq == 1 ? 128 : 96;
        c.scale_type = DType::f16;
        c.out_f32 = lq == 3;
      });
    }
    add(of + "_Lengths", [&](Case& c) {
      of_type(c);
      c.kv_lengths = {33, 64};
      c.query_lengths = {37, 20};
      c.scales = Scales::of_groups;
    });
    add(of + "_Poison", [&](Case& c) {
      of_type(c);
      c.boolean = boolean({1, 1, 1, 0}, MaskFill::padding);
      c.poison = Poison::nan;
    });
  }
  for (const DType dtype : {DType::i8, DType::int4, DType::f8_e4m3}) {
    for (const Scales scales : {Scales::one, Scales::of_groups}) {
      add(std::string(name(dtype)) + (scales == Scales::one ? "_OneScale" : "_Groups"), [&](Case& c) {
        c.k_type = c.v_type = dtype;
        c.scales = scales;
        c.head_dim = 40, c.value_dim = 24;
        c.scale_type = DType::f16;
      });
    }
  }
  add("f8_WithoutScales", [](Case& c) {
    c.k_type = DType::f8_e4m3, c.v_type = DType::f8_e5m2;
    c.scales = Scales::none;
    c.head_dim = 33, c.value_dim = 17;
  });
  const std::vector<std::pair<DType, DType>> pairs{{DType::i8, DType::int4},      {DType::q8_0, DType::q4_0},
                                                   {DType::q4_0, DType::f8_e4m3}, {DType::bf16, DType::q8_0},
                                                   {DType::f16, DType::f32},      {DType::int4, DType::bf16}};
  for (const auto& [k, v] : pairs) {
    add(std::string(name(k)) + "_" + name(v), [&](Case& c) {
      c.k_type = k, c.v_type = v;
      c.window = {.left = 30, .right = 2};
      c.bias = bias(DType::f16, {1, 0, 0, 0});
      c.softcap = 5.0f;
    });
  }
  for (const DType dtype : {DType::i8, DType::q8_0, DType::q4_0}) {  // chains of additions, and their ends
    for (const std::int64_t lkv : {4096, 4097}) {
      add(std::string(name(dtype)) + "_Chain_" + std::to_string(lkv), [&](Case& c) {
        c.k_type = c.v_type = dtype;
        c.batch = 1, c.query_heads = 2, c.kv_heads = 1, c.query_length = 1, c.head_dim = c.value_dim = 32;
        c.kv_length = lkv;
      });
    }
  }
  // One query of a head of its own, in rows that fit registers and in rows that do not; and the longest rows.
  for (const DType dtype : {DType::i8, DType::q8_0, DType::q4_0}) {
    for (const std::int64_t d : {64, 128, 160, 256}) {
      add(std::string(name(dtype)) + "_One_" + std::to_string(d), [&](Case& c) {
        c.k_type = c.v_type = dtype;
        c.query_heads = 2, c.query_length = 1, c.kv_length = 700;
        c.head_dim = c.value_dim = d;
        c.kv_lengths = {513, 64};
      });
    }
    for (const std::int64_t lq : {1, 20}) {
      add(std::string(name(dtype)) + "_LongRows_" + std::to_string(lq), [&](Case& c) {
        c.k_type = c.v_type = dtype;
        c.query_length = lq;
        c.head_dim = 576, c.value_dim = 512;
      });
    }
  }
  // Codes multiplied as they are: each number of queries that share registers, and ends of a block of 32 keys.
  for (const DType dtype : {DType::i8, DType::int4, DType::f8_e4m3, DType::f8_e5m2, DType::q8_0, DType::q4_0}) {
    const std::string of = name(dtype);
    for (const std::int64_t rows : {1, 2, 3, 4, 7, 8}) {
      add(of + "_Rows_" + std::to_string(rows), [&](Case& c) {
        c.k_type = c.v_type = dtype;
        c.kv_heads = rows % 2 == 1 ? 4 : 2, c.query_length = rows % 2 == 1 ? rows : rows / 2;
        c.kv_length = 31 + rows, c.head_dim = 64, c.value_dim = rows % 2 == 1 ? 128 : 96;
        c.scales = rows < 4 ? Scales::of_long_groups : rows < 8 ? Scales::of_rows : Scales::of_heads;
      });
    }
    for (const std::int64_t lq : {1, 37}) {  // in pages, also of fewer rows than a block has, and of more
      add(of + "_Pages_" + std::to_string(lq), [&](Case& c) {
        c.k_type = c.v_type = dtype;
        c.query_length = lq;
        c.kv_length = 1100, c.kv_lengths = {1100, 513};
        c.page_size = lq == 1 ? 20 : 100;
        c.scales = lq == 1 ? Scales::of_rows : Scales::of_long_groups;
        c.scale_type = lq == 1 ? DType::f32 : DType::f16;
      });
    }
  }
  add("q4_0_PagesOfOneRow", [](Case& c) {
    c.k_type = DType::q4_0, c.v_type = DType::i8;
    c.query_length = 1, c.kv_length = 40, c.kv_lengths = {40, 0}, c.page_size = 1;
    c.scales = Scales::one;
  });
  add("q8_0_NoKeys", [](Case& c) {
    c.k_type = c.v_type = DType::q8_0;
    c.kv_length = 0;
  });
}

std::vector<Case> cases() {
  std::vector<Case> all;
  // Lengths around tiles of 8, 16, 32, 64 and 128, and Lq > Lkv.
  for (const auto& [lq, lkv] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1},
                                                                                  {1, 17},
                                                                                  {17, 1},
                                                                                  {7, 9},
                                                                                  {15, 16},
                                                                                  {17, 17},
                                                                                  {31, 33},
                                                                                  {63, 64},
                                                                                  {64, 63},
                                                                                  {65, 65},
                                                                                  {1, 300},
                                                                                  {127, 129},
                                                                                  {129, 128},
                                                                                  {200, 40}}) {
    all.push_back({.name = "Lengths_" + std::to_string(lq) + "x" + std::to_string(lkv),
                   .query_heads = 2,
                   .kv_heads = 2,
                   .query_length = lq,
                   .kv_length = lkv});
  }
  for (const std::int64_t d : {1, 8, 32, 40, 64, 72, 80, 96, 128, 160, 192, 256}) {
    all.push_back({.name = "HeadDim_" + std::to_string(d),
                   .query_length = 33,
                   .kv_length = 70,
                   .head_dim = d,
                   .lse = false});
  }
  for (const auto& [d, dv] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {64, 32}, {32, 64}, {1, 256}, {256, 1}, {192, 128}, {72, 80}}) {
    all.push_back({.name = "ValueDim_" + std::to_string(d) + "_" + std::to_string(dv),
                   .query_length = 20,
                   .kv_length = 67,
                   .head_dim = d,
                   .value_dim = dv,
                   .lse = false});
  }
  // Longer rows, which flash.cpu and unfused take on CPUs: for many queries and for few.
  for (const auto& [d, dv] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{257, 64}, {64, 257}, {320, 300}, {576, 512}}) {
    for (const std::int64_t lq : {1, 3, 20, 140}) {
      all.push_back(
          {.name = "LongRows_" + std::to_string(d) + "_" + std::to_string(dv) + "_" + std::to_string(lq),
           .query_heads = 2,
           .kv_heads = 1,
           .query_length = lq,
           .kv_length = 75,
           .head_dim = d,
           .value_dim = dv,
           .causal = lq == 20 ? std::optional(kBottomRight) : std::nullopt,
           .fill = dv == 257 ? Fill::ascending : Fill::normal});
    }
  }
  all.push_back({.name = "LongRowsPadding",
                 .query_heads = 2,
                 .kv_heads = 1,
                 .query_length = 40,
                 .kv_length = 75,
                 .head_dim = 576,
                 .value_dim = 512,
                 .bias = bias(DType::f32, {1, 1, 1, 0}, MaskFill::padding),
                 .poison = Poison::nan});
  all.push_back({.name = "Batch",
                 .batch = 3,
                 .query_heads = 2,
                 .kv_heads = 2,
                 .query_length = 19,
                 .kv_length = 23,
                 .head_dim = 16,
                 .lse = false});
  all.push_back({.name = "GroupedHeads",
                 .batch = 2,
                 .query_heads = 6,
                 .kv_heads = 2,
                 .query_length = 21,
                 .kv_length = 35,
                 .head_dim = 32});
  all.push_back({.name = "OneKvHead",
                 .query_heads = 5,
                 .kv_heads = 1,
                 .query_length = 9,
                 .kv_length = 40,
                 .head_dim = 32,
                 .lse = false});
  all.push_back({.name = "WithoutLse", .query_length = 40, .kv_length = 40, .lse = false});

  // So few queries of a group that a schedule of their own may take them; rows that end inside a register.
  for (const auto& [heads, lq] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {2, 1}, {1, 3}, {2, 2}, {8, 1}, {3, 2}, {1, 8}}) {
    for (const auto& [d, dv] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {128, 128}, {64, 64}, {16, 16}, {83, 45}, {20, 130}, {8, 31}, {64, 17}, {145, 80}, {3, 2}}) {
      const std::int64_t lkv = d == 64 ? 1100 : dv % 2 == 0 ? 130 : 37;
      all.push_back({.name = "Few_" + std::to_string(heads) + "x" + std::to_string(lq) + "_" +
                             std::to_string(d) + "_" + std::to_string(dv) + "_" + std::to_string(lkv),
                     .query_heads = 2 * heads,
                     .kv_heads = 2,
                     .query_length = lq,
                     .kv_length = lkv,
                     .head_dim = d,
                     .value_dim = dv,
                     .causal = dv == 45 ? std::optional(kBottomRight) : std::nullopt,
                     .layout = d == 20 ? Layout::padded : Layout::bhsd,
                     .lse = d == 64});
    }
  }

  // On both sides of where a chain of additions ends, see numbers.h: for many queries, and for one.
  for (const std::int64_t lkv : {4095, 4096, 4097, 8192}) {
    for (const std::int64_t lq : {1, 40}) {
      all.push_back({.name = "Chain_" + std::to_string(lq) + "_" + std::to_string(lkv),
                     .query_length = lq,
                     .kv_length = lkv,
                     .head_dim = 8,
                     .causal = lq == 40 && lkv == 4097 ? std::optional(kBottomRight) : std::nullopt});
    }
  }

  // More queries than a schedule for few of them takes.
  for (const auto& [d, dv] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {64, 64}, {128, 128}, {8, 31}, {33, 32}, {40, 48}, {96, 17}, {80, 100}, {256, 256}, {1, 1}}) {
    for (const std::int64_t lkv : {31, 65, 200}) {
      all.push_back({.name = "Long_" + std::to_string(d) + "_" + std::to_string(dv) + "_" + std::to_string(lkv),
                     .query_heads = 2,
                     .query_length = 140,
                     .kv_length = lkv,
                     .head_dim = d,
                     .value_dim = dv,
                     .causal = lkv == 200 ? std::optional(kBottomRight) : std::nullopt,
                     .lse = lkv == 65});
    }
  }
  for (const auto& [name, fill] : std::vector<std::pair<std::string, Fill>>{
           {"Spread", Fill::spread}, {"Denormal", Fill::denormal}, {"Ascending", Fill::ascending}}) {
    for (const bool lse : {false, true}) {
      all.push_back({.name = "Long" + name + (lse ? "Lse" : ""),
                     .batch = 2,
                     .query_heads = 4,
                     .kv_heads = 2,
                     .query_length = 140,
                     .kv_length = 260,
                     .head_dim = 40,
                     .scale = fill == Fill::denormal ? 0.2f : 1.0f,
                     .layout = Layout::padded,
                     .fill = fill,
                     .lse = lse});
    }
  }
  for (const TestMask& mask :
       {boolean({0, 0, 0, 0}), boolean({0, 0, 0, 0}, MaskFill::padding), bias(DType::f32, {0, 0, 0, 0}),
        boolean({0, 0, 0, 0}, MaskFill::rows), bias(DType::bf16, {0, 1, 1, 0})}) {
    all.push_back({.name = "LongMask_" + std::to_string(all.size()),
                   .query_heads = 4,
                   .kv_heads = 2,
                   .query_length = 140,
                   .kv_length = 170,
                   .head_dim = 40,
                   .scale = all.size() % 2 == 0 ? -0.25f : 0.2f,
                   .lse = false});
    all.back().set(mask);
  }

  for (const float scale : {0.0f, 1.0f, -0.25f, 0.01f}) {
    all.push_back({.name = "Scale_" + std::to_string(all.size()),
                   .query_length = 18,
                   .kv_length = 75,
                   .head_dim = 24,
                   .scale = scale,
                   .lse = false});
  }
  for (const auto& [name, layout] :
       std::vector<std::pair<std::string, Layout>>{{"Bshd", Layout::bshd},
                                                   {"Padded", Layout::padded},
                                                   {"Repeated", Layout::repeated},
                                                   {"OneRow", Layout::one_row},
                                                   {"Reversed", Layout::reversed}}) {
    all.push_back({.name = "Layout" + name,
                   .batch = 2,
                   .query_heads = 4,
                   .kv_heads = 2,
                   .query_length = 30,
                   .kv_length = 50,
                   .head_dim = 40,
                   .layout = layout,
                   .lse = false});
  }
  for (const auto& [name, fill] : std::vector<std::pair<std::string, Fill>>{{"Uniform", Fill::uniform},
                                                                            {"Ties", Fill::ties},
                                                                            {"Integers", Fill::integers},
                                                                            {"Spread", Fill::spread},
                                                                            {"Denormal", Fill::denormal},
                                                                            {"Ascending", Fill::ascending}}) {
    all.push_back({.name = "Fill" + name,
                   .query_length = 40,
                   .kv_length = 150,
                   .head_dim = 32,
                   .scale = fill == Fill::spread ? 1.0f : 0.2f,
                   .fill = fill});
  }

  for (const CausalCorner corner : {kTopLeft, kBottomRight}) {
    const std::string name = corner == kTopLeft ? "CausalTopLeft_" : "CausalBottomRight_";
    for (const auto& [lq, lkv] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {64, 64}, {65, 65}, {130, 130}, {1, 40}, {40, 1}, {30, 100}, {100, 30}, {129, 64}}) {
      all.push_back({.name = name + std::to_string(lq) + "x" + std::to_string(lkv),
                     .query_heads = 2,
                     .query_length = lq,
                     .kv_length = lkv,
                     .head_dim = 32,
                     .causal = corner});
    }
    all.push_back({.name = name + "Poison",
                   .query_heads = 2,
                   .kv_heads = 2,
                   .query_length = 70,
                   .kv_length = 90,
                   .head_dim = 40,
                   .causal = corner,
                   .poison = Poison::nan});
    all.push_back({.name = name + "Infinities",
                   .query_length = 70,
                   .kv_length = 70,
                   .head_dim = 16,
                   .causal = corner,
                   .poison = Poison::infinity});
  }

  for (const auto& [name, shape] :
       std::vector<std::pair<std::string, MaskShape>>{{"Full", {0, 0, 0, 0}},
                                                      {"OverBatch", {1, 0, 0, 0}},
                                                      {"OverHeads", {0, 1, 0, 0}},
                                                      {"OverQueries", {0, 0, 1, 0}},
                                                      {"OverKeys", {0, 0, 0, 1}},
                                                      {"OneRowForAll", {1, 1, 1, 0}},
                                                      {"OneColumnForAll", {1, 1, 0, 1}},
                                                      {"OneEntry", {1, 1, 1, 1}}}) {
    const Case base{.name = "",
                    .batch = 2,
                    .query_heads = 4,
                    .kv_heads = 2,
                    .query_length = 37,
                    .kv_length = 83,
                    .head_dim = 24};
    Case c = base;
    c.name = "BooleanMask" + name;
    c.boolean = boolean(shape);
    all.push_back(c);
    c.name = "BooleanAndBias" + name;  // each repeats along its own dimensions
    c.bias = bias(DType::f32, {shape.keys, shape.queries, shape.heads, shape.batch});
    all.push_back(c);
    c.name = "Bias" + name;
    c.boolean = {};
    c.bias = bias(DType::f32, shape);
    all.push_back(c);
  }
  const Case masked{.name = "",
                    .batch = 1,
                    .query_heads = 2,
                    .kv_heads = 2,
                    .query_length = 50,
                    .kv_length = 110,
                    .head_dim = 32};
  const auto add_masked = [&](const std::string& name, const TestMask& mask, auto change) {
    Case c = masked;
    c.name = name;
    c.set(mask);
    change(c);
    all.push_back(c);
  };
  const auto nothing = [](Case&) {};
  add_masked("BiasHalf", bias(DType::f16, {0, 0, 0, 0}), nothing);
  add_masked("BiasBfloat", bias(DType::bf16, {1, 1, 0, 0}), nothing);
  add_masked("MaskedRowsBoolean", boolean({1, 1, 0, 0}, MaskFill::rows), nothing);
  add_masked("MaskedRowsAdditive", bias(DType::f32, {1, 0, 0, 0}, MaskFill::rows), nothing);
  add_masked("MaskPadded", boolean({0, 0, 0, 0}), [](Case& c) { c.layout = Layout::padded; });
  add_masked("MaskNegativeScale", bias(DType::f32, {0, 0, 0, 0}), [](Case& c) { c.scale = -0.3f; });
  add_masked("MaskAndCausal", boolean({1, 1, 0, 0}), [](Case& c) { c.causal = kBottomRight; });
  add_masked("BiasAndCausal", bias(DType::f32, {0, 0, 0, 0}), [](Case& c) { c.causal = kTopLeft; });
  add_masked("PaddingPoisonBoth", boolean({1, 1, 1, 0}, MaskFill::padding), [](Case& c) {
    c.bias = bias(DType::bf16, {1, 1, 0, 0});
    c.poison = Poison::nan;
    c.causal = kBottomRight;
  });
  add_masked("PaddingPoisonBoolean", boolean({1, 1, 1, 0}, MaskFill::padding),
             [](Case& c) { c.poison = Poison::nan; });
  add_masked("PaddingPoisonAdditive", bias(DType::f32, {1, 1, 1, 0}, MaskFill::padding),
             [](Case& c) { c.poison = Poison::nan; });
  add_masked("PaddingInfinities", boolean({1, 1, 1, 0}, MaskFill::padding),
             [](Case& c) { c.poison = Poison::infinity; });
  add_masked("PoisonAndMaskedRows", boolean({1, 1, 0, 0}, MaskFill::rows),
             [](Case& c) { c.poison = Poison::nan; });

  for (const DType dtype : {DType::f16, DType::bf16}) {
    add_masked(std::string("PaddingPoisonAdditive_") + name(dtype),
               bias(dtype, {1, 1, 1, 0}, MaskFill::padding), [](Case& c) { c.poison = Poison::nan; });
  }

  // Windows by themselves, around a diagonal, off the keys on either side, and with every other mask.
  const auto add_window = [&](std::int64_t lq, std::int64_t lkv, Window window, auto change) {
    Case c{.name = "Window_" + std::to_string(all.size()),
           .query_heads = 2,
           .kv_heads = 1,
           .query_length = lq,
           .kv_length = lkv,
           .head_dim = 40,
           .window = window};
    change(c);
    all.push_back(c);
  };
  for (const Window window :
       {Window{0, 0}, Window{3, 5}, Window{70, 0}, Window{-1, 4}, Window{9, -1}, Window{200, 64}}) {
    for (const auto& [lq, lkv] :
         {std::pair<std::int64_t, std::int64_t>{1, 90}, {5, 300}, {40, 1100}, {150, 150}, {200, 90}}) {
      add_window(lq, lkv, window, nothing);
      add_window(lq, lkv, window, [](Case& c) { c.causal = kBottomRight, c.lse = false; });
    }
    add_window(70, 140, window, [](Case& c) { c.query_offset = 33; });
    add_window(70, 140, window, [](Case& c) { c.query_offset = -20; });
    add_window(70, 140, window, [](Case& c) { c.query_offset = 500; });
    add_window(70, 140, window,
               [](Case& c) { c.boolean = boolean({1, 1, 0, 0}), c.bias = bias(DType::f32, {1, 1, 1, 0}); });
    add_window(70, 140, window,
               [](Case& c) { c.softcap = 2.0f, c.causal = kTopLeft, c.layout = Layout::padded; });
  }
  // Blocks of 80 to 128 keys that a window cuts on both sides, leaves whole, or hides from some teams of 64 queries only.
  for (const Window window :
       {Window{60, 70}, Window{150, 0}, Window{127, 128}, Window{300, -1}, Window{0, 130}}) {
    for (const std::int64_t d : {64, 128, 256}) {
      add_window(d == 64 ? 200 : 140, 340, window, [=](Case& c) {
        c.query_heads = 1, c.head_dim = d, c.value_dim = 8;
        c.query_offset = d == 128 ? 150 : 0;
      });
    }
  }
  // A window that begins in the second half of a block of 64 keys, for some of 32 queries even after it.
  for (const Window window :
       {Window{94, 0}, Window{95, 0}, Window{96, 0}, Window{95, 31}, Window{127, 0}, Window{159, 0}}) {
    for (const std::int64_t lq : {160, 161, 200}) {
      add_window(lq, lq, window, [=](Case& c) {
        c.query_heads = 1, c.head_dim = 64, c.lse = lq != 161;
        if (lq == 200) c.boolean = boolean({1, 1, 1, 0}), c.softcap = window.right > 0 ? 3.0f : 0.0f;
      });
    }
  }
  for (const float softcap : {0.5f, 5.0f, 50.0f}) {
    for (const auto& [lq, lkv] : {std::pair<std::int64_t, std::int64_t>{1, 90}, {6, 70}, {130, 150}}) {
      add_window(lq, lkv, {}, [=](Case& c) { c.softcap = softcap, c.scale = 3.0f; });
      add_window(lq, lkv, {}, [=](Case& c) { c.softcap = softcap, c.scale = -1.0f, c.causal = kBottomRight; });
      add_window(lq, lkv, {}, [=](Case& c) { c.softcap = softcap, c.bias = bias(DType::f16, {1, 0, 0, 0}); });
    }
  }
  // Capped and negative scores in every kernel of flash.sm90, on both sides of a block of keys and of a tile of queries.
  for (const auto& [d, dv] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {64, 64}, {96, 96}, {128, 128}, {192, 128}, {192, 192}, {256, 256}}) {
    for (const auto& [lq, lkv] : {std::pair<std::int64_t, std::int64_t>{127, 129}, {193, 127}}) {
      const auto add_score = [&](float softcap, float scale, bool causal) {
        add_window(lq, lkv, {}, [=](Case& c) {
          c.query_heads = c.kv_heads = 1, c.head_dim = d, c.value_dim = dv;
          c.softcap = softcap, c.scale = scale;
          if (causal) c.causal = kBottomRight;
        });
      };
      add_score(3.0f, 0.5f, false);
      add_score(2.0f, -0.25f, true);
      add_score(0.0f, -0.125f, false);
    }
  }

  // Few queries and many keys, which a way may split and merge; with a causal mask some parts see no key.
  const Case long_keys{.name = "",
                       .query_heads = 2,
                       .kv_heads = 1,
                       .query_length = 40,
                       .kv_length = 1100,
                       .head_dim = 40,
                       .value_dim = 24};
  const auto add_long = adder_to(all, "ManyKeys", long_keys);
  add_long("", nothing);
  add_long("WithoutLse", [](Case& c) { c.lse = false; });
  add_long("CausalTopLeft", [](Case& c) { c.causal = kTopLeft; });
  add_long("CausalBottomRight", [](Case& c) { c.causal = kBottomRight; });
  add_long("Mask", [](Case& c) { c.boolean = boolean({1, 1, 0, 0}, MaskFill::rows); });
  add_long("Padding", [](Case& c) {
    c.bias = bias(DType::f16, {1, 1, 1, 0}, MaskFill::padding);
    c.poison = Poison::nan;
    c.layout = Layout::padded;
  });

  // Keys that GPUs deal out, and groups of heads that share a tile of 64 rows: on both sides of one and of two tiles, of
  // where a group's rows stop paying, and of the longest part.
  for (const auto& [heads, lq] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {4, 15}, {4, 16}, {4, 17}, {3, 21}, {3, 22}, {5, 26}, {1, 64}, {1, 65}, {8, 8}, {2, 130}}) {
    for (const auto& [d, dv] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{64, 24}, {128, 8}, {192, 40}}) {
      const std::int64_t lkv = d == 64 ? 530 : d == 128 ? 700 : 333;
      all.push_back(
          {.name = "Parts_" + std::to_string(heads) + "x" + std::to_string(lq) + "_" + std::to_string(d),
           .batch = heads == 1 ? 2 : 1,
           .query_heads = 2 * heads,
           .kv_heads = 2,
           .query_length = lq,
           .kv_length = lkv,
           .head_dim = d,
           .value_dim = dv,
           .causal = d == 128 ? std::optional(kBottomRight) : std::nullopt,
           .layout = d == 192 ? Layout::padded : Layout::bhsd,
           .lse = d != 64});
    }
  }
  const Case parts{
      .name = "", .query_heads = 6, .kv_heads = 2, .query_length = 5, .kv_length = 1500, .head_dim = 72};
  const auto add_parts = adder_to(all, "Parts", parts);
  add_parts("Boolean", [](Case& c) { c.boolean = boolean({0, 0, 0, 0}); });
  add_parts("BooleanOverKeys", [](Case& c) { c.boolean = boolean({1, 0, 0, 1}, MaskFill::rows); });
  add_parts("Bias", [](Case& c) { c.bias = bias(DType::bf16, {0, 0, 0, 0}), c.layout = Layout::bshd; });
  add_parts("Padding",
            [](Case& c) { c.boolean = boolean({1, 1, 1, 0}, MaskFill::padding), c.poison = Poison::nan; });
  add_parts("Softcap", [](Case& c) { c.softcap = 3.0f, c.scale = -0.2f, c.causal = kBottomRight; });
  add_parts("Window", [](Case& c) { c.window = Window{300, 9}, c.query_offset = 1200; });
  add_parts("WindowOffTheKeys", [](Case& c) { c.window = Window{3, -1}, c.query_offset = 1497; });
  add_parts("TopLeft", [](Case& c) { c.causal = kTopLeft, c.poison = Poison::infinity; });
  add_parts("Ascending", [](Case& c) { c.fill = Fill::ascending, c.scale = 1.0f; });
  for (const std::int64_t lkv : {65535, 65536, 65537, 131073}) {
    add_parts("Longest_" + std::to_string(lkv), [=](Case& c) {
      c.query_heads = c.kv_heads = 1;
      c.query_length = lkv == 65537 ? 70 : 1;
      c.kv_length = lkv;
      c.head_dim = 8;
    });
  }

  // flash.sm90: on both sides of the length from which on few tiles have their keys dealt out; and even shares that begin
  // in the middle of a tile, of entries with keys of their own.
  for (const std::int64_t d : {64, 128, 256}) {
    for (const std::int64_t lkv : {1024, 1025}) {
      all.push_back({.name = "Shares_" + std::to_string(d) + "_" + std::to_string(lkv),
                     .query_heads = 2,
                     .kv_heads = 2,
                     .query_length = 130,
                     .kv_length = lkv,
                     .head_dim = d,
                     .causal = lkv == 1024 ? kTopLeft : kBottomRight});
    }
  }
  const Case shares{.name = "",
                    .batch = 3,
                    .query_heads = 6,
                    .kv_heads = 3,
                    .query_length = 3,
                    .kv_length = 3000,
                    .head_dim = 128};
  const auto add_shares = adder_to(all, "Shares", shares);
  add_shares("", nothing);
  add_shares("Lengths", [](Case& c) { c.kv_lengths = {3000, 1, 1537}, c.causal = kBottomRight; });
  add_shares("Poison", [](Case& c) { c.kv_lengths = {130, 0, 2999}, c.poison = Poison::nan; });
  for (const std::int64_t page : {16, 48, 64, 128, 192}) {
    add_shares("Pages" + std::to_string(page), [=](Case& c) {
      c.page_size = page;
      c.kv_length = page == 48 ? 2880 : 3072;
      c.kv_lengths = {c.kv_length, 1, page == 16 ? 1536 : 1537};
      c.poison = Poison::nan;
      if (page >= 64) c.causal = kBottomRight;
      if (page == 128) c.window = Window{700, 0}, c.head_dim = 64;
      if (page == 192) c.head_dim = 256;
    });
  }
  add_shares("Capped", [](Case& c) { c.softcap = 3.0f, c.bias = bias(DType::f16, {0, 1, 0, 1}); });

  // Lengths and offsets of batch entries: none, one, around tiles of 64, all; in each schedule of flash.cpu.
  const Case entries{.name = "",
                     .batch = 5,
                     .query_heads = 4,
                     .kv_heads = 2,
                     .query_length = 70,
                     .kv_length = 130,
                     .head_dim = 40,
                     .value_dim = 24,
                     .query_lengths = {0, 1, 63, 65, 70},
                     .kv_lengths = {100, 130, 0, 65, 1}};
  const auto add_entries = adder_to(all, "Entries", entries);
  add_entries("", nothing);
  add_entries("WithoutLse", [](Case& c) { c.lse = false; });
  add_entries("OfQueries", [](Case& c) { c.kv_lengths = {}; });
  add_entries("OfKeys", [](Case& c) { c.query_lengths = {}; });
  add_entries("Wide", [](Case& c) { c.numbers = DType::i64; });
  add_entries("CausalTopLeft", [](Case& c) { c.causal = kTopLeft; });
  add_entries("CausalBottomRight", [](Case& c) { c.causal = kBottomRight; });
  add_entries("CausalBottomRightOfKeys", [](Case& c) {
    c.query_lengths = {};
    c.causal = kBottomRight;
    c.layout = Layout::padded;
  });
  add_entries("Window", [](Case& c) {
    c.causal = kBottomRight;
    c.window = {.left = 20, .right = 0};
  });
  add_entries("Offsets", [](Case& c) {
    c.query_lengths = c.kv_lengths = {};
    c.offsets = {0, 60, -30, 1000, -1000};
    c.window = {.left = 40, .right = 10};
  });
  add_entries("OffsetsAndLengths", [](Case& c) {
    c.offsets = {7, 129, -3, 0, 64};
    c.numbers = DType::i64;
    c.window = {.left = -1, .right = 3};
    c.softcap = 3.0f;
  });
  add_entries("Mask", [](Case& c) {
    c.boolean = boolean({0, 1, 0, 0});
    c.bias = bias(DType::f16, {1, 0, 1, 0});
  });
  add_entries("LongRows", [](Case& c) {
    c.query_heads = 1, c.kv_heads = 1;
    c.query_length = 300, c.kv_length = 70;
    c.query_lengths = {300, 129, 64, 0, 200};
    c.kv_lengths = {70, 64, 33, 70, 0};
    c.causal = kBottomRight;
  });
  for (const std::int64_t lq : {1, 2, 5}) {
    add_entries("Few_" + std::to_string(lq), [&](Case& c) {
      c.query_length = lq;
      c.kv_length = 1100;
      c.query_lengths = {0, 1, lq, 1, lq};
      c.kv_lengths = {1100, 700, 3, 0, 512};
      if (lq > 1) c.causal = kBottomRight;
    });
    add_entries("FewWide_" + std::to_string(lq), [&](Case& c) {
      c.query_length = lq;
      c.kv_length = 1100;
      c.head_dim = c.value_dim = 64;
      c.query_lengths = {};
      c.kv_lengths = {1, 1100, 0, 513, 64};
    });
  }
  // Parts of 512 keys on a CPU: lengths that end with one, and on either side of its end.
  for (const std::int64_t lq : {1, 5}) {
    add_entries("PartEnds_" + std::to_string(lq), [&](Case& c) {
      c.query_length = lq;
      c.kv_length = 2048;
      c.query_lengths = {};
      c.kv_lengths = {511, 512, 513, 1024, 2047};
      if (lq > 1) c.causal = kBottomRight;
    });
  }
  add_entries("SlopesAndSinks", [](Case& c) {
    c.slopes = Case::Slopes::of_entries;
    c.sinks = {0.0f, -3.0f, 30.0f, 1.0f};
    c.offsets = {7, 129, -3, 0, 64};
  });
  // Segments, block maps and pages: tiles and their edges, each schedule of flash.cpu, keys in chains and in parts.
  const Case pairs{.name = "",
                   .batch = 2,
                   .query_heads = 4,
                   .kv_heads = 2,
                   .query_length = 150,
                   .kv_length = 200,
                   .head_dim = 40,
                   .value_dim = 24};
  const auto add_pairs = [&](const std::string& name, auto change) {
    for (const int what : {0, 1, 2, 3, 4}) {
      Case c = pairs;
      c.name = std::string(what == 0   ? "Documents"
                           : what == 1 ? "Shuffled"
                           : what == 2 ? "Blocks"
                           : what == 3 ? "SmallBlocks"
                                       : "Paged") +
               name;
      if (what == 0) c.segments = Case::Segments::documents;
      if (what == 1) c.segments = Case::Segments::shuffled;
      if (what == 2) c.q_block = 64, c.kv_block = 64;
      if (what == 3) c.q_block = 3, c.kv_block = 5, c.blocks_repeat = true;
      if (what == 4) c.page_size = 25, c.kv_lengths = {200, 77};
      change(c);
      all.push_back(c);
    }
  };
  add_pairs("", nothing);
  add_pairs("WithoutLse", [](Case& c) { c.lse = false; });
  add_pairs("Causal", [](Case& c) { c.causal = kBottomRight; });
  add_pairs("Window", [](Case& c) {
    c.window = {.left = 20, .right = 3};
    c.query_offset = 30;
    c.softcap = 3.0f;
  });
  add_pairs("Mask", [](Case& c) {
    c.boolean = boolean({0, 1, 0, 0});
    c.bias = bias(DType::f16, {1, 0, 1, 0});
    c.slopes = Case::Slopes::of_heads;
    c.sinks = {-200.0f, 0.5f, 8.0f, 200.0f};
  });
  add_pairs("Lengths", [](Case& c) {
    c.query_lengths = {63, 150};
    c.kv_lengths = {65, 190};
  });
  add_pairs("LongRows", [](Case& c) {
    c.query_heads = 2, c.kv_heads = 1, c.query_length = 300, c.kv_length = 700;
    if (c.page_size > 0) c.page_size = 7, c.kv_lengths = {700, 1};
    c.head_dim = c.value_dim = 64;
  });
  add_pairs("Chain", [](Case& c) {
    c.batch = 1, c.query_heads = c.kv_heads = 1, c.head_dim = c.value_dim = 8;
    c.query_length = 40, c.kv_length = 9000;
    if (c.page_size > 0) c.page_size = 100, c.kv_lengths = {8999};
  });
  for (const std::int64_t lq : {1, 2, 5}) {
    add_pairs("Few_" + std::to_string(lq), [&](Case& c) {
      c.query_length = lq, c.kv_length = 1100;
      if (c.page_size > 0) c.page_size = lq == 1 ? 20 : lq == 2 ? 10 : 1, c.kv_lengths = {1100, 513};
      c.head_dim = c.value_dim = 64;
    });
  }
  add_pairs("Small", [](Case& c) {
    c.query_heads = 2, c.kv_heads = 1, c.query_length = 20, c.kv_length = 50, c.head_dim = c.value_dim = 16;
    if (c.q_block == 64) c.q_block = 8, c.kv_block = 16;
    if (c.page_size > 0) c.page_size = 5, c.kv_lengths = {0, 44};
  });
  add_pairs("Poison", [](Case& c) {
    c.boolean = boolean({0, 0, 1, 1}, MaskFill::padding);
    c.poison = Poison::nan;
  });

  // Small ones, of which every third runs on metal-emulated: three of each.
  for (const int n : {0, 1, 2}) {
    const Case small{.name = "",
                     .batch = 3,
                     .query_heads = 2,
                     .kv_heads = 1,
                     .query_length = 9,
                     .kv_length = 33,
                     .head_dim = 16,
                     .causal = n == 1 ? std::optional(kBottomRight) : std::nullopt};
    Case lengths = small, scores = small;
    lengths.name = "EntriesSmall_" + std::to_string(n);
    lengths.query_lengths = {0, 5, 9};
    lengths.kv_lengths = {33, 7, 20};
    if (n == 2) lengths.offsets = {30, -2, 8}, lengths.window = {.left = 6, .right = 1};
    scores.name = "ScoresSmall_" + std::to_string(n);
    scores.slopes = n == 0 ? Case::Slopes::of_heads : Case::Slopes::of_entries;
    scores.sinks = {-1.0f, 2.5f};
    scores.out_f32 = n == 2;
    all.push_back(lengths);
    all.push_back(scores);
  }
  // Results in float32 of any type, in each schedule of flash.cpu and with keys in parts or in chains.
  const auto add_f32 = [&](Case c) {
    c.name = "OutF32" + c.name;
    c.out_f32 = true;
    all.push_back(c);
  };
  add_f32({.name = "",
           .batch = 2,
           .query_heads = 4,
           .kv_heads = 2,
           .query_length = 70,
           .kv_length = 130,
           .head_dim = 40,
           .value_dim = 24});
  add_f32({.name = "LongRows", .query_length = 300, .kv_length = 700, .head_dim = 64});
  add_f32({.name = "RowsWithoutKeys",
           .query_heads = 2,
           .kv_heads = 2,
           .query_length = 130,
           .kv_length = 70,
           .head_dim = 72,
           .causal = kBottomRight});
  add_f32({.name = "NoKeys", .query_heads = 2, .query_length = 5, .kv_length = 0, .head_dim = 16});
  add_f32({.name = "NaN",
           .query_heads = 2,
           .query_length = 40,
           .kv_length = 50,
           .head_dim = 33,
           .boolean = boolean({0, 0, 1, 1}),
           .poison = Poison::nan});
  add_f32({.name = "Chain", .query_length = 40, .kv_length = 9000, .head_dim = 8});
  for (const std::int64_t lq : {1, 5}) {
    add_f32({.name = "Few_" + std::to_string(lq),
             .query_heads = 4,
             .kv_heads = 2,
             .query_length = lq,
             .kv_length = 1100,
             .head_dim = 64,
             .value_dim = 50,
             .causal = kBottomRight});
  }
  add_entries("OutF32", [](Case& c) { c.out_f32 = true; });
  // ALiBi slopes and sinks, in each schedule of flash.cpu and with keys in parts.
  const auto add_scores = [&](const std::string& name, auto change) {
    Case c{.name = "",
           .batch = 2,
           .query_heads = 4,
           .kv_heads = 2,
           .query_length = 70,
           .kv_length = 130,
           .head_dim = 40,
           .value_dim = 24};
    for (const bool slopes : {true, false}) {
      Case one = c;
      one.name = (slopes ? "Slopes" : "Sinks") + name;
      if (slopes)
        one.slopes = Case::Slopes::of_heads;
      else
        one.sinks = {-200.0f, 0.5f, 8.0f, 200.0f};
      change(one);
      all.push_back(one);
    }
  };
  add_scores("", nothing);
  add_scores("WithoutLse", [](Case& c) { c.lse = false; });
  add_scores("Causal", [](Case& c) { c.causal = kBottomRight; });
  add_scores("RowsWithoutKeys", [](Case& c) {
    c.query_length = 130, c.kv_length = 70;
    c.causal = kBottomRight;
  });
  add_scores("Window", [](Case& c) {
    c.window = {.left = 20, .right = 3};
    c.query_offset = 30;
    c.softcap = 3.0f;
  });
  add_scores("Mask", [](Case& c) {
    c.boolean = boolean({0, 1, 0, 0});
    c.bias = bias(DType::f16, {1, 0, 1, 0});
  });
  add_scores("Scale", [](Case& c) { c.scale = -0.5f; });
  add_scores("LongRows", [](Case& c) {
    c.batch = 1, c.query_heads = 2, c.kv_heads = 1;
    if (!c.sinks.empty()) c.sinks.resize(2);
    c.query_length = 300, c.kv_length = 300, c.head_dim = c.value_dim = 64;
  });
  for (const std::int64_t lq : {1, 2, 5}) {
    add_scores("Few_" + std::to_string(lq), [&](Case& c) {
      c.query_length = lq;
      c.kv_length = 1100;
      c.head_dim = c.value_dim = 64;
      c.causal = kBottomRight;
    });
  }
  for (const std::int64_t lkv : {4096, 4097, 9000}) {
    add_entries("Chain_" + std::to_string(lkv), [&](Case& c) {
      c.batch = 2, c.query_heads = c.kv_heads = 1, c.head_dim = c.value_dim = 8;
      c.query_length = 40, c.kv_length = lkv;
      c.query_lengths = {33, 40};
      c.kv_lengths = {lkv, 4096};
    });
  }

  add_quantised(all);
  all.push_back(
      {.name = "NoKeys", .query_heads = 2, .kv_heads = 1, .query_length = 5, .kv_length = 0, .head_dim = 16});
  all.push_back(
      {.name = "NoKeysCausal", .query_length = 5, .kv_length = 0, .head_dim = 16, .causal = kBottomRight});
  all.push_back({.name = "NoQueries", .query_length = 0, .kv_length = 5, .head_dim = 16});
  all.push_back({.name = "NoBatch", .batch = 0, .query_length = 3, .kv_length = 5, .head_dim = 16});
  all.push_back(
      {.name = "NoHeads", .query_heads = 0, .kv_heads = 0, .query_length = 3, .kv_length = 5, .head_dim = 16});
  return all;
}

bool is_small(const Case& c) {
  return c.batch * c.query_heads * c.query_length * c.kv_length * (c.head_dim + c.values()) <= 600'000;
}

/// Why a way cannot run a call, in its own words.
struct Reason {
  std::string text;
  bool holds;  ///< for this call
};

bool is_hopper(Device device) {
  for (const BackendInfo& kind : backends()) {
    for (const DeviceInfo& info : kind.devices) {
      if (info.device == device) return info.architecture == "sm_90";
    }
  }
  return false;
}

/// The reasons that a way may give for one call. Ways that are not here run everything.
std::vector<Reason> reasons_of(const std::string& way, const Call& call, Device device) {
  const Case& c = call.c;
  const bool empty = c.batch * c.query_heads * c.query_length * c.kv_length == 0;
  // In whatever words: who must take them is in the table of features_test.cc.
  const bool reads_codes =
      (way == "tensor_ops" && (device.type == DeviceType::cpu || device.type == DeviceType::cuda)) ||
      (way == "flash.cpu" && device.type == DeviceType::cpu);
  if (call.quantised() && !reads_codes) return {{"", true}};
  if (c.head_dim > 256 || c.values() > 256) {
    const std::string text = "this version takes 1 ... 256";
    if (device.type != DeviceType::cpu) return {{text, true}};
    if (way == "tensor_ops" || way == "simdgroup")
      return {{"no kernel is compiled for this device, element type and head size", true}};
  }
  if (way == "flash.cpu") return {{"it is for CPUs", device.type != DeviceType::cpu}};
  const bool on_metal = device.type == DeviceType::metal || device.type == DeviceType::metal_emulated;
  if (way == "simdgroup" || (way == "tensor_ops" && on_metal))
    return {{"it does not know paged keys and values", c.page_size > 0}};
  if (way == "unfused")
    return {{"no softmax pass is compiled for this device", device.type == DeviceType::metal},
            {"it does not know paged keys and values", c.page_size > 0}};
  if (way == "vendor.onednn") {
    const bool strides =
        c.layout == Layout::repeated || c.layout == Layout::one_row || c.layout == Layout::reversed;
    return {{"it is for CPUs", device.type != DeviceType::cpu},
            {"it does not know", c.has_pairs() || c.page_size > 0 || c.masked() || c.positioned() ||
                                     c.has_entries() || c.has_head_numbers() || c.softcap != 0.0f || c.lse ||
                                     call.out_dtype() != call.dtype},
            {"oneDNN takes no empty tensors", empty},
            {"oneDNN takes no repeated and no reversed dimensions", strides},
            {"oneDNN has no attention for this element type and layout on this processor",
             call.dtype != DType::f32}};
  }
  if (way == "flash.sm90") {  // its inputs are dense copies
    const auto in_vectors = [](std::int64_t elements) { return elements % 8 == 0; };
    return {{"it is for NVIDIA GPUs", !is_hopper(device)},
            {"no kernel is compiled for this element type", call.dtype == DType::f32},
            {"it does not know", c.has_pairs()},
            {"the copy engine takes pages of a multiple of 16 rows", c.page_size % 16 != 0},
            {"the copy engine takes rows that are multiples of 16 bytes apart",
             !in_vectors(c.head_dim) || !in_vectors(c.values())}};
  }
  if (way == "vendor.cudnn") {  // its inputs are dense copies
    const auto in_vectors = [](std::int64_t elements, DType dtype) {
      return elements * bits(dtype) % 128 == 0;
    };
    return {
        {"it is for NVIDIA GPUs", device.type != DeviceType::cuda},
        {"cuDNN computes attention for f16 and bf16 only", call.dtype == DType::f32},
        {"cuDNN takes no empty tensors", empty},
        {"it does not know", c.has_pairs() || c.page_size > 0 || c.boolean || c.window || c.has_entries() ||
                                 c.has_head_numbers() || c.softcap != 0.0f || call.out_dtype() != call.dtype},
        {"cuDNN's diagonal ends in a corner", c.query_offset.has_value()},
        {"cuDNN takes no mask that repeats over the keys", c.bias && c.bias->shape.keys == 1},
        {"cuDNN is not given an additive and a causal mask together", c.bias && c.causal},
        {"cuDNN takes no queries before the first key",
         c.causal == kBottomRight && c.query_length > c.kv_length},
        {"cuDNN is given positive scales only", c.scale && !(*c.scale > 0)},
        {"cuDNN takes rows of whole multiples of 16 bytes",
         !in_vectors(c.head_dim, call.dtype) || !in_vectors(c.values(), call.dtype)},
        {"cuDNN takes mask rows of whole multiples of 16 bytes",
         c.bias && !in_vectors(c.kv_length, c.bias->dtype)},
        {"cuDNN has no kernel for this problem on this device", true},  // what it has depends on the GPU
        {"libcudnn", device.type == DeviceType::cuda}};                 // which may not be installed
  }
  return {};
}

/// Is this refusal for a reason that holds?
bool may_decline(const std::string& refusal, const std::vector<Reason>& reasons) {
  return std::any_of(reasons.begin(), reasons.end(), [&](const Reason& reason) {
    return reason.holds && refusal.find(reason.text) != std::string::npos;
  });
}

/// Calls with their oracle's answers, kept for all ways.
Call& call_of(const Case& c, DType dtype) {
  static std::map<std::pair<std::string, DType>, std::unique_ptr<Call>> kept;
  std::unique_ptr<Call>& call = kept[{c.name, dtype}];
  if (!call) call = std::make_unique<Call>(c, dtype);
  return *call;
}

class Parity : public ::testing::TestWithParam<std::tuple<Case, DType, std::string, Device>> {};

TEST_P(Parity, AgreesWithTheOracle) {
  const Case& c = std::get<Case>(GetParam());
  const DType dtype = std::get<DType>(GetParam());
  const std::string& way = std::get<std::string>(GetParam());
  const Device device = std::get<Device>(GetParam());
  Call& call = call_of(c, dtype);
  AttentionOptions options = call.options();
  options.way = way;

  Answer answer;
  try {
    answer = answer_to(call, options, device);
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    ASSERT_TRUE(may_decline(e.what(), reasons_of(way, call, device))) << "unexpected refusal: " << e.what();
    GTEST_SKIP() << e.what();
  }
  EXPECT_EQ(fault_of(call, answer), "");

  double worst = 0, largest = 0;
  for_each(answer.out.view, [&](auto offset, auto index, auto, auto, auto, auto d) {
    const double expected = call.expected(index / c.values()).out[static_cast<std::size_t>(d)];
    if (!std::isfinite(expected)) return;
    worst = std::fmax(worst, std::fabs(get(answer.out.view, offset) - expected));
    largest = std::fmax(largest, std::fabs(expected));
  });
  // The library's tanh may be off by 2.5e-7, on every backend; a plain program's is a host's. Values are around 1.
  const double capped = static_cast<double>(c.softcap) * 2.5e-7;
  EXPECT_LE(worst, 2.0 * call.plain_error() + capped + reference::rounding_floor(largest, format_of(dtype)) +
                       reference::flushed(c.kv_length, format_of(call.product_type())))
      << "further from the oracle than twice a plain program in the same type";
}

std::string test_name(const ::testing::TestParamInfo<Parity::ParamType>& info) {
  const auto& [c, dtype, way, device] = info.param;
  return as_test_name(c.name + "_" + name(dtype) + "_" + way + "_" + name(device));
}

INSTANTIATE_TEST_SUITE_P(Attention, Parity,
                         ::testing::Combine(::testing::ValuesIn(cases_under_test(cases(), 3, is_small)),
                                            ::testing::Values(DType::f32, DType::f16, DType::bf16),
                                            ::testing::ValuesIn(built(attention_ways())),
                                            ::testing::ValuesIn(devices_under_test())),
                         test_name);

}  // namespace
}  // namespace flashtile::test
