// One attention call to test: its shape, layout, masks and numbers, the tensors for it, and the oracle's view
// of them. Used by every test of the attention op.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "reference/attention.h"
#include "reference/bounds.h"
#include "reference/plain_attention.h"
#include "tests/ops/attention/codes.h"

namespace flashtile::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The same numbers on every machine (Steele, Lea & Flood 2014, splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double normal() {
    return std::sqrt(-2.0 * std::log(1.0 - uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::uint64_t state_;
};

/// How a (B, H, L, D) tensor lies in memory.
enum class Layout {
  bhsd,      ///< packed
  bshd,      ///< packed as (B, L, H, D)
  padded,    ///< rows, heads and batches apart, from an odd element on
  repeated,  ///< one batch and one head, repeated by strides of 0
  one_row,   ///< one row, repeated by a stride of 0
  reversed,  ///< the last row first: a negative stride
};

/// What the inputs hold.
enum class Fill {
  normal,
  uniform,    ///< [0, 1): scores lie close together
  ties,       ///< every row of K is the same: the mean of V
  integers,   ///< small integers: scores are exact
  spread,     ///< scores from -300 to 300: most weights underflow
  denormal,   ///< the smallest numbers of the type
  ascending,  ///< each key scores higher than the one before: the running maximum moves in every tile
};

struct MaskShape {
  std::int64_t batch, heads, queries, keys;  ///< each 1 or 0 for the full size
};

enum class MaskFill {
  random,   ///< a third of the pairs excluded; a bias has other values too
  rows,     ///< every third query sees nothing
  padding,  ///< the last third of the keys is never seen
};

struct TestMask {
  DType dtype = DType::u8;  ///< u8: boolean, else a bias
  MaskShape shape{0, 0, 0, 0};
  MaskFill fill = MaskFill::random;
};

/// What masked places of K and V hold.
enum class Poison { none, nan, infinity };

/// How many scales K and V have, where their types take some.
enum class Scales { one, of_heads, of_rows, of_groups, of_long_groups, none };

struct Case {
  std::string name;
  std::int64_t batch = 1, query_heads = 1, kv_heads = 1, query_length = 1, kv_length = 1, head_dim = 64;
  std::int64_t value_dim = 0;  ///< 0: head_dim
  std::optional<float> scale{};
  std::optional<CausalCorner> causal{};
  std::optional<std::int64_t> diagonal{};  ///< causal from this position on, in place of a corner
  std::optional<Window> window{};
  std::optional<std::int64_t> query_offset{};
  std::vector<std::int64_t> offsets{}, query_lengths{}, kv_lengths{};  ///< of each batch entry; none: not given
  DType numbers = DType::i32;                                          ///< of these
  float softcap = 0.0f;
  enum class Slopes { none, of_heads, of_entries };
  Slopes slopes = Slopes::none;
  std::vector<float> sinks{};               ///< of heads; none: not given
  bool out_f32 = false;                     ///< whatever the inputs' type
  std::optional<DType> k_type{}, v_type{};  ///< where they are not q's
  Scales scales = Scales::of_rows;
  DType scale_type = DType::f32;
  enum class Segments { none, documents, shuffled };
  Segments segments = Segments::none;
  std::int64_t q_block = 0, kv_block = 0;  ///< of a block map; 0: none
  bool blocks_repeat = false;              ///< one map for all entries and heads
  std::int64_t page_size = 0;  ///< k and v are in pages of so many rows, which divide kv_length; 0: not
  std::optional<TestMask> boolean{}, bias{};
  Layout layout = Layout::bhsd;
  std::optional<Layout> kv_layout{};  ///< of k and v, where it is not that of q
  Fill fill = Fill::normal;
  Poison poison = Poison::none;
  bool lse = true;
  std::uint64_t seed = 0;

  std::int64_t values() const { return value_dim == 0 ? head_dim : value_dim; }
  bool masked() const { return boolean || bias; }
  bool positioned() const { return causal || diagonal || window || query_offset || !offsets.empty(); }
  bool has_lengths() const { return !query_lengths.empty() || !kv_lengths.empty(); }
  bool has_entries() const { return has_lengths() || !offsets.empty(); }
  bool has_pairs() const { return segments != Segments::none || q_block > 0; }
  bool has_head_numbers() const { return slopes != Slopes::none || !sinks.empty(); }
  void set(const TestMask& mask) { (mask.dtype == DType::u8 ? boolean : bias) = mask; }
};
inline void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

/// A tensor in some layout, with memory around it.
struct Stored {
  std::vector<double> exact;  ///< its elements as doubles, in (B, H, L, D) order, packed
  Tensor memory;
  TensorView view;
};

inline void set(const TensorView& view, std::int64_t offset, double value) {
  switch (view.dtype) {
    case DType::f32: static_cast<float*>(view.data)[offset] = static_cast<float>(value); break;
    case DType::f16: static_cast<half*>(view.data)[offset] = half(static_cast<float>(value)); break;
    case DType::bf16: static_cast<bfloat*>(view.data)[offset] = bfloat(static_cast<float>(value)); break;
    case DType::u8: static_cast<std::uint8_t*>(view.data)[offset] = static_cast<std::uint8_t>(value); break;
    case DType::i32: static_cast<std::int32_t*>(view.data)[offset] = static_cast<std::int32_t>(value); break;
    case DType::i64: static_cast<std::int64_t*>(view.data)[offset] = static_cast<std::int64_t>(value); break;
    default: set_code(view, offset, value);
  }
}
inline double get(const TensorView& view, std::int64_t offset) {
  switch (view.dtype) {
    case DType::f32: return static_cast<const float*>(view.data)[offset];
    case DType::f16: return static_cast<float>(static_cast<const half*>(view.data)[offset]);
    case DType::bf16: return static_cast<float>(static_cast<const bfloat*>(view.data)[offset]);
    case DType::u8: return static_cast<const std::uint8_t*>(view.data)[offset];
    default: return code_at(view, offset);
  }
}

/// Calls f(offset in the view, index in packed order, b, h, i, d).
template <class F>
void for_each(const TensorView& v, F f) {
  std::int64_t index = 0;
  for (std::int64_t b = 0; b < v.shape[0]; ++b) {
    for (std::int64_t h = 0; h < v.shape[1]; ++h) {
      for (std::int64_t i = 0; i < v.shape[2]; ++i) {
        for (std::int64_t d = 0; d < v.shape[3]; ++d, ++index) {
          f(b * v.strides[0] + h * v.strides[1] + i * v.strides[2] + d * v.strides[3], index, b, h, i, d);
        }
      }
    }
  }
}

/// Memory for a tensor in a layout, all of it holding `around`. Elements that share bytes stay together.
inline Stored stored(DType dtype, const Dims& shape, Layout layout, double around) {
  const std::int64_t b = shape[0], h = shape[1], l = shape[2], d = shape[3];
  const std::int64_t u = block_of(dtype).elements;
  Stored s;
  Dims strides{h * l * d, l * d, d, 1};
  std::int64_t first = 0, size = element_count(shape);
  switch (layout) {
    case Layout::bhsd: break;
    case Layout::bshd: strides = {l * h * d, d, h * d, 1}; break;
    case Layout::padded:
      strides = {h * (l * (d + 3 * u) + 5 * u) + 7 * u, l * (d + 3 * u) + 5 * u, d + 3 * u, 1};
      first = u;
      size = b * strides[0] + 2 * u;
      break;
    case Layout::repeated: strides = {0, 0, d, 1}; break;
    case Layout::one_row: strides = {h * d, d, 0, 1}; break;
    case Layout::reversed:
      strides = {h * l * d, l * d, -d, 1};
      first = l > 0 ? (l - 1) * d : 0;
      break;
  }
  s.memory = Tensor(dtype, {size > 0 ? size : u});
  for (std::int64_t n = 0; n < s.memory.size(); ++n) set(s.memory, n, around);
  s.view = {
      static_cast<std::byte*>(s.memory.data()) + first / u * block_of(dtype).bytes, dtype, shape, strides, {}};
  return s;
}

/// Reads a stored tensor's elements back, as the oracle sees them.
inline void read_back(Stored& s) {
  s.exact.assign(static_cast<std::size_t>(element_count(s.view.shape)), 0.0);
  for_each(s.view, [&](auto offset, auto index, auto, auto, auto, auto) {
    s.exact[static_cast<std::size_t>(index)] = get(s.view, offset);
  });
}

inline reference::Format format_of(DType dtype) {
  return dtype == DType::f32   ? reference::kFloat32
         : dtype == DType::f16 ? reference::kFloat16
                               : reference::kBfloat16;
}

/// Everything one call needs, and the oracle's answer to it.
class Call {
 public:
  Call(const Case& test_case, DType type) : c(test_case), dtype(type) {
    Random random(std::uint64_t{0x5eed} + c.seed +
                  static_cast<std::uint64_t>(c.query_length * 131 + c.kv_length * 17 + c.head_dim));
    const Layout kv_layout = c.kv_layout.value_or(c.layout);
    const bool kv_repeats = kv_layout == Layout::repeated || kv_layout == Layout::one_row;
    q = stored(dtype, {c.batch, c.query_heads, c.query_length, c.head_dim}, c.layout, kNaN);
    k = stored(c.k_type.value_or(dtype), {c.batch, c.kv_heads, c.kv_length, c.head_dim}, kv_layout, kNaN);
    v = stored(c.v_type.value_or(dtype), {c.batch, c.kv_heads, c.kv_length, c.values()}, kv_layout, kNaN);
    fill(random);
    k_scales = make_scales(k, 3);
    v_scales = make_scales(v, 5);
    if (c.boolean) boolean = make_mask(*c.boolean, random);
    if (c.bias) bias = make_mask(*c.bias, random);
    if (c.poison != Poison::none && !kv_repeats) poison();
    offsets = numbers(c.offsets);
    query_lengths = numbers(c.query_lengths);
    if (c.slopes == Case::Slopes::of_heads) slopes = head_numbers(ramp(c.query_heads), {c.query_heads});
    if (c.slopes == Case::Slopes::of_entries)
      slopes = head_numbers(ramp(c.batch * c.query_heads), {c.batch, c.query_heads});
    if (!c.sinks.empty()) sinks = head_numbers(c.sinks, {c.query_heads});
    kv_lengths = numbers(c.kv_lengths);
    if (!kv_repeats) poison_padding();
    if (c.segments != Case::Segments::none) {
      query_ids = ids(c.query_length, random);
      kv_ids = ids(c.kv_length, random);
    }
    if (c.q_block > 0) blocks = make_blocks(random);
    for (Stored* s : {&q, &k, &v}) read_back(*s);
    multiply(k, k_scales);
    multiply(v, v_scales);
    if (c.page_size > 0) make_pages(random);
    describe_for_oracle();
  }

  AttentionOptions options() const {
    AttentionOptions o;
    o.scale = c.scale;
    if (c.causal) o.mask.causal = *c.causal;
    if (c.diagonal) o.mask.causal = *c.diagonal;
    o.mask.window = c.window;
    if (c.query_offset) o.query_offset = *c.query_offset;
    if (!c.offsets.empty()) o.query_offset = offsets;
    if (!c.query_lengths.empty()) o.lengths.q = query_lengths;
    if (!c.kv_lengths.empty() || c.page_size > 0) o.lengths.kv = kv_lengths;
    if (c.segments != Case::Segments::none) o.mask.segments = {.q = query_ids, .kv = kv_ids};
    if (c.q_block > 0) o.mask.blocks = BlockMap{blocks, c.q_block, c.kv_block};
    if (c.page_size > 0) o.block_table = block_table;
    if (c.slopes != Case::Slopes::none) o.alibi_slopes = slopes;
    if (!c.sinks.empty()) o.sinks = sinks;
    if (c.softcap != 0.0f) o.softcap = c.softcap;
    if (c.boolean) o.mask.boolean = boolean.view;
    if (c.bias) o.mask.bias = bias.view;
    if (k_scales.view.data != nullptr) o.k_scales = scale_view(k_scales, k_scale_pages);
    if (v_scales.view.data != nullptr) o.v_scales = scale_view(v_scales, v_scale_pages);
    return o;
  }

  /// What the call is given as k and v.
  TensorView keys() const { return c.page_size > 0 ? k_pages.view : k.view; }
  TensorView values() const { return c.page_size > 0 ? v_pages.view : v.view; }

  /// Are K or V of another type than Q?
  bool quantised() const { return k.view.dtype != dtype || v.view.dtype != dtype; }
  /// What ways multiply.
  DType product_type() const { return quantised() ? DType::f32 : dtype; }
  DType out_dtype() const { return c.out_f32 ? DType::f32 : dtype; }
  std::int64_t rows() const { return c.batch * c.query_heads * c.query_length; }
  /// A row of the oracle's answer; what its keys were is not kept.
  const reference::AttentionRow& expected(std::int64_t row) {
    return judged()[static_cast<std::size_t>(row)].row;
  }
  /// What a way's row may be off by.
  const reference::AttentionBounds& bounds(std::int64_t row) {
    return judged()[static_cast<std::size_t>(row)].bounds;
  }
  /// The largest error that a plain program in the same type makes.
  double plain_error() {
    if (plain_error_ < 0) {
      plain_error_ = 0;
      std::int64_t row = 0;
      for_each_row([&](auto b, auto h, auto i) {
        const std::vector<double> plain =
            reference::plain_attention_row(oracle, b, h, i, format_of(product_type()));
        for (std::int64_t d = 0; d < c.values(); ++d) {
          const auto column = static_cast<std::size_t>(d);
          const double error = std::fabs(plain[column] - expected(row).out[column]);
          if (std::isfinite(error)) plain_error_ = std::fmax(plain_error_, error);
        }
        ++row;
      });
    }
    return plain_error_;
  }

  const Case c;
  const DType dtype;
  Stored q, k, v, boolean, bias;
  Stored k_scales,
      v_scales;  ///< (B, Hkv, Lkv, of a row), 1 where they repeat; without data where there are none
  TensorView offsets, query_lengths, kv_lengths;  ///< (B), every second element of their memory
  TensorView slopes, sinks;                       ///< of heads, likewise
  TensorView query_ids, kv_ids;                   ///< (B, Lq), (B, Lkv), rows apart
  TensorView blocks;                              ///< every second element of its memory
  TensorView block_table;                         ///< (B, most); what nobody reads is no page
  Stored k_pages, v_pages;              ///< (pages, page size, Hkv, D) with the rows of k and v, NaN elsewhere
  Stored k_scale_pages, v_scale_pages;  ///< the same of scales that rows have
  reference::AttentionCase oracle;

 private:
  struct Judged {
    reference::AttentionRow row;
    reference::AttentionBounds bounds;
  };
  const std::vector<Judged>& judged() {
    if (judged_.empty()) {
      for_each_row([&](auto b, auto h, auto i) {
        Judged next{reference::attention_row(oracle, b, h, i), {}};
        next.bounds =
            reference::attention_bounds(oracle, next.row, format_of(product_type()), format_of(out_dtype()));
        next.row.keys = {};
        judged_.push_back(std::move(next));
      });
    }
    return judged_;
  }

  template <class F>
  void for_each_row(F f) {
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t h = 0; h < c.query_heads; ++h) {
        for (std::int64_t i = 0; i < c.query_length; ++i) f(b, h, i);
      }
    }
  }

  void fill(Random& random) {
    const double smallest = std::ldexp(1.0, dtype == DType::f16 ? -24 : -133);
    for (Stored* s : {&q, &k, &v}) {
      for_each(s->view, [&](auto offset, auto, auto, auto, auto i, auto d) {
        double value = 0;
        switch (c.fill) {
          case Fill::normal: value = random.normal(); break;
          case Fill::uniform: value = random.uniform(); break;
          case Fill::ties: value = s == &k ? (static_cast<double>(d % 7) - 3) / 4 : random.normal(); break;
          case Fill::integers:
            value = static_cast<double>(static_cast<std::int64_t>(random.next() % 5) - 2);
            break;
          case Fill::spread:
            value = s == &v ? random.normal() : d == 0 ? 17.0 * (2 * random.uniform() - 1) : 0.0;
            break;
          case Fill::denormal: value = smallest * static_cast<double>(random.next() % 64); break;
          case Fill::ascending:
            value = s == &v ? random.normal() : s == &q ? 0.5 : static_cast<double>(i) / 64;
            break;
        }
        set(s->view, offset, value * usual_code(s->view.dtype));
      });
    }
    for (Stored* s : {&k, &v}) {
      for_each(s->view, [&](auto offset, auto index, auto, auto, auto, auto) {
        set_block_scale(s->view, offset, scale_value(index / 32, s->view.dtype));
      });
    }
  }

  /// Scales of both signs, so that elements are about as large as normal numbers.
  static double scale_value(std::int64_t index, DType codes) {
    return static_cast<double>(index % 5 - (index % 7 == 3 ? 7 : -2)) / 4 / usual_code(codes);
  }

  /// Scales for K or V; what lies around them is NaN.
  Stored make_scales(const Stored& rows, std::int64_t seed) const {
    const DType codes = rows.view.dtype;
    if (c.scales == Scales::none || !takes_scales(codes)) return {};
    const std::int64_t columns = rows.view.shape[3];
    Dims shape{1, 1, 1, 1};
    if (c.scales != Scales::one) shape[1] = c.kv_heads;
    if (c.scales != Scales::one && c.scales != Scales::of_heads) shape[0] = c.batch, shape[2] = c.kv_length;
    if (c.scales == Scales::of_groups) shape[3] = columns % 8 == 0 ? columns / 8 : columns % 2 == 0 ? 2 : 1;
    if (c.scales == Scales::of_long_groups) shape[3] = columns % 32 == 0 ? columns / 32 : 1;
    Stored scales = stored(c.scale_type, shape, c.layout == Layout::bhsd ? Layout::bhsd : Layout::padded, kNaN);
    for_each(scales.view, [&](auto offset, auto index, auto, auto, auto, auto) {
      set(scales.view, offset, scale_value(seed + index, codes));
    });
    return scales;
  }
  /// Does each row have scales of its own?
  bool rows_have(const Stored& scales) const {
    return scales.view.data != nullptr && c.scales != Scales::one && c.scales != Scales::of_heads;
  }
  /// As calls are given them: without dimensions where there is one, or one a head.
  TensorView scale_view(const Stored& scales, const Stored& pages) const {
    if (pages.view.data != nullptr) return pages.view;
    TensorView view = scales.view;
    if (c.scales == Scales::one) view.shape = view.strides = {};
    if (c.scales == Scales::of_heads) view.shape = {c.kv_heads}, view.strides = {scales.view.strides[1]};
    return view;
  }
  /// Codes become elements, as the oracle sees them.
  static void multiply(Stored& rows, const Stored& scales) {
    if (scales.view.data == nullptr) return;
    const Dims& shape = scales.view.shape;
    for_each(rows.view, [&](auto, auto index, auto b, auto h, auto i, auto d) {
      const Dims at{b, h, i, d * shape[3] / rows.view.shape[3]};
      std::int64_t offset = 0;
      for (int n = 0; n < 4; ++n) offset += shape[n] == 1 ? 0 : at[n] * scales.view.strides[n];
      rows.exact[static_cast<std::size_t>(index)] *= get(scales.view, offset);
    });
  }

  Stored make_mask(const TestMask& test, Random& random) const {
    const MaskShape& s = test.shape;
    const auto size = [](std::int64_t given, std::int64_t full) { return given == 0 ? full : given; };
    const Dims shape{size(s.batch, c.batch), size(s.heads, c.query_heads), size(s.queries, c.query_length),
                     size(s.keys, c.kv_length)};
    const Layout layout = c.layout == Layout::padded ? Layout::padded : Layout::bhsd;
    const bool is_boolean = test.dtype == DType::u8;
    Stored mask = stored(test.dtype, shape, layout, is_boolean ? 255.0 : static_cast<double>(kNaN));
    for_each(mask.view, [&](auto offset, auto, auto, auto, auto i, auto j) {
      bool excluded = false;
      switch (test.fill) {
        case MaskFill::random: excluded = random.next() % 3 == 0; break;
        case MaskFill::rows: excluded = i % 3 == 1; break;
        case MaskFill::padding: excluded = 3 * j >= 2 * c.kv_length; break;
      }
      const double value = random.normal();
      set(mask.view, offset,
          is_boolean ? (excluded ? 0.0 : 1.0 + static_cast<double>(random.next() % 255))
          : excluded ? -static_cast<double>(kInfinity)
                     : value);
    });
    read_back(mask);
    return mask;
  }

  /// Puts NaN or infinity where no query, or not every query, may look: the last third of K and V.
  void poison() {
    const double bad = c.poison == Poison::nan ? static_cast<double>(kNaN) : static_cast<double>(kInfinity);
    for (Stored* s : {&k, &v}) {
      for_each(s->view, [&](auto offset, auto, auto, auto, auto j, auto d) {
        if (3 * j >= 2 * c.kv_length && (d + j) % 2 == 0) set(s->view, offset, bad);
      });
    }
  }

  /// A tensor of numbers; what lies between them is none.
  TensorView numbers(const std::vector<std::int64_t>& values) {
    const auto count = static_cast<std::int64_t>(values.size());
    numbers_.emplace_back(c.numbers, Dims{2 * count + 1});
    const Tensor& memory = numbers_.back();
    for (std::int64_t i = 0; i < memory.size(); ++i)
      set(memory, i, i % 2 == 1 ? static_cast<double>(values[static_cast<std::size_t>(i / 2)]) : -1e9);
    return {static_cast<std::byte*>(memory.data()) + bits(c.numbers) / 8, c.numbers, {count}, {2}, {}};
  }

  /// Ids of `length` rows of each entry: of documents one after another, the last of which differs between entries, or in any
  /// order.
  TensorView ids(std::int64_t length, Random& random) {
    constexpr std::int32_t kIds[] = {std::numeric_limits<std::int32_t>::min(), -1, 0, 7,
                                     std::numeric_limits<std::int32_t>::max()};
    const std::int64_t pitch = length + 3;
    numbers_.emplace_back(DType::i32, Dims{c.batch * pitch + 1});
    auto* const memory = numbers_.back().as<std::int32_t>();
    for (std::int64_t n = 0; n < c.batch * pitch + 1; ++n) memory[n] = 5;  // around them, no document's
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t i = 0; i < length; ++i) {
        const std::int64_t of_documents = (i * (3 + b % 2) / std::max<std::int64_t>(length, 1) + b) % 5;
        const auto any = static_cast<std::int64_t>(random.next() % 3);
        memory[b * pitch + i + 1] = kIds[c.segments == Case::Segments::documents ? of_documents : any];
      }
    }
    return {memory + 1, DType::i32, {c.batch, length}, {pitch, 1}, {}};
  }

  /// Two in five blocks are hidden.
  TensorView make_blocks(Random& random) {
    const auto of = [](std::int64_t rows, std::int64_t size) { return (rows + size - 1) / size; };
    const Dims shape{c.blocks_repeat ? 1 : c.batch, c.blocks_repeat ? 1 : c.query_heads,
                     of(c.query_length, c.q_block), of(c.kv_length, c.kv_block)};
    numbers_.emplace_back(DType::u8, Dims{2 * element_count(shape) + 1});
    TensorView view = packed_view(numbers_.back().data(), DType::u8, shape);
    auto* const memory = numbers_.back().as<std::uint8_t>();
    for (std::int64_t n = 0; n < numbers_.back().size(); ++n)
      memory[n] =
          n % 2 == 1 ? 9 : static_cast<std::uint8_t>(random.next() % 5 < 2 ? 0 : 1 + random.next() % 200);
    for (int i = 0; i < 4; ++i) view.strides[i] *= 2;
    return view;
  }

  /// Pools with the rows of k and v that are there, in pages in any order; entries share none.
  void make_pages(Random& random) {
    const std::int64_t most = c.kv_length / c.page_size, pages = c.batch * most + 2;
    ASSERT_EQ(most * c.page_size, c.kv_length) << "pages divide the keys";
    if (c.kv_lengths.empty())
      kv_lengths = numbers(std::vector<std::int64_t>(static_cast<std::size_t>(c.batch), c.kv_length));
    std::vector<std::int32_t> order;
    for (std::int64_t page = 0; page < pages; ++page) order.push_back(static_cast<std::int32_t>(page));
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
    numbers_.emplace_back(DType::i32, Dims{c.batch * (most + 1) * 2});
    auto* const table = numbers_.back().as<std::int32_t>();
    block_table = {table, DType::i32, {c.batch, most}, {(most + 1) * 2, 2}, {}};
    for (std::int64_t n = 0; n < numbers_.back().size(); ++n)
      table[n] = n % 3 == 0 ? std::numeric_limits<std::int32_t>::min() : 1'000'000'000;
    const auto length_of = [&](std::int64_t b) {
      return c.kv_lengths.empty() ? c.kv_length : c.kv_lengths[static_cast<std::size_t>(b)];
    };
    const auto fill_pool = [&](const Stored& rows, Stored& pool) {
      const DType type = rows.view.dtype;
      const std::int64_t size = rows.view.shape[3];
      pool.memory = Tensor(type, {pages, c.page_size, c.kv_heads, size});
      pool.view = pool.memory.view();
      for (std::int64_t n = 0; n < pool.memory.size(); ++n) set(pool.view, n, static_cast<double>(kNaN));
      for_each(rows.view, [&](auto offset, auto, auto b, auto h, auto j, auto d) {
        if (j >= length_of(b)) return;
        const std::int32_t page = order[static_cast<std::size_t>(b * most + j / c.page_size)];
        table[b * (most + 1) * 2 + j / c.page_size * 2] = page;
        const std::int64_t to = ((page * c.page_size + j % c.page_size) * c.kv_heads + h) * size + d;
        if (!is_block(type))
          set(pool.view, to, get(rows.view, offset));
        else if (d % 32 == 0)
          std::memcpy(block_at(pool.view, to), block_at(rows.view, offset),
                      static_cast<std::size_t>(block_of(type).bytes));
      });
    };
    fill_pool(k, k_pages);
    fill_pool(v, v_pages);
    if (rows_have(k_scales)) fill_pool(k_scales, k_scale_pages);
    if (rows_have(v_scales)) fill_pool(v_scales, v_scale_pages);
  }

  /// A tensor of floats of heads; what lies between them is none.
  TensorView head_numbers(const std::vector<float>& values, const Dims& shape) {
    const auto count = static_cast<std::int64_t>(values.size());
    numbers_.emplace_back(DType::f32, Dims{2 * count});
    float* const memory = numbers_.back().as<float>();
    for (std::int64_t i = 0; i < 2 * count; ++i)
      memory[i] = i % 2 == 0 ? values[static_cast<std::size_t>(i / 2)] : kNaN;
    TensorView view = packed_view(memory, DType::f32, shape);
    for (int i = 0; i < view.rank(); ++i) view.strides[i] *= 2;
    return view;
  }
  /// Slopes, of which one is negative and one 0.
  static std::vector<float> ramp(std::int64_t count) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(2 - i) * 0.125f);
    return values;
  }

  /// Puts NaN into all rows of Q, K and V that lengths leave out.
  void poison_padding() {
    const auto fill_behind = [](const Stored& s, const std::vector<std::int64_t>& lengths) {
      if (lengths.empty()) return;
      for_each(s.view, [&](auto offset, auto, auto b, auto, auto i, auto) {
        if (i >= lengths[static_cast<std::size_t>(b)]) set(s.view, offset, static_cast<double>(kNaN));
      });
    };
    fill_behind(q, c.query_lengths);
    for (Stored* s : {&k, &v}) fill_behind(*s, c.kv_lengths);
    for (Stored* s : {&k_scales, &v_scales})
      if (rows_have(*s)) fill_behind(*s, c.kv_lengths);
  }

  void describe_for_oracle() {
    const auto packed = [](const Stored& s) {
      const Dims strides = packed_strides(s.view.shape);
      return reference::Array4{s.exact.data(), {strides[0], strides[1], strides[2], strides[3]}};
    };
    oracle.batch = c.batch;
    oracle.query_heads = c.query_heads;
    oracle.kv_heads = c.kv_heads;
    oracle.query_length = c.query_length;
    oracle.kv_length = c.kv_length;
    oracle.head_dim = c.head_dim;
    oracle.value_dim = c.values();
    oracle.scale = static_cast<double>(
        c.scale.value_or(static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim)))));
    oracle.q = packed(q);
    oracle.k = packed(k);
    oracle.v = packed(v);
    for (reference::Array4* operand : {&oracle.q, &oracle.k, &oracle.v})
      operand->subnormals_are_zero =
          product_type() == DType::bf16;  // on CPUs; elsewhere results differ by what is flushed
    oracle.rounds_elements = quantised();
    oracle.causal = c.causal || c.diagonal;
    const bool ends_together = c.causal == CausalCorner::bottom_right;
    oracle.diagonal = ends_together ? c.kv_length - c.query_length : c.diagonal.value_or(0);
    oracle.position = c.query_offset.value_or(oracle.diagonal);
    const auto described = [&](const TensorView& numbers) {
      return reference::Array<1>{
          numbers.data, {2}, c.numbers == DType::i64 ? reference::Element::i64 : reference::Element::i32};
    };
    if (!c.offsets.empty()) oracle.positions = described(offsets);
    if (!c.query_lengths.empty()) oracle.query_lengths = described(query_lengths);
    if (!c.kv_lengths.empty()) oracle.kv_lengths = described(kv_lengths);
    oracle.ends_together = c.has_lengths() && c.causal == CausalCorner::bottom_right;
    if (c.segments != Case::Segments::none) {
      oracle.query_segments = {query_ids.data, {c.query_length + 3, 1}, reference::Element::i32};
      oracle.kv_segments = {kv_ids.data, {c.kv_length + 3, 1}, reference::Element::i32};
    }
    if (c.q_block > 0) {
      const Dims& s = blocks.strides;
      oracle.blocks = {blocks.data,
                       {c.blocks_repeat ? 0 : s[0], c.blocks_repeat ? 0 : s[1], s[2], s[3]},
                       reference::Element::u8};
      oracle.q_block = c.q_block, oracle.kv_block = c.kv_block;
    }
    if (!c.sinks.empty()) oracle.sinks = {sinks.data, {2}, reference::Element::f32};
    if (c.slopes != Case::Slopes::none) {
      const std::int64_t of_entry = c.slopes == Case::Slopes::of_entries ? 2 * c.query_heads : 0;
      oracle.slopes = {slopes.data, {of_entry, 2}, reference::Element::f32};
    }
    if (c.window) oracle.left = c.window->left, oracle.right = c.window->right;
    oracle.softcap = static_cast<double>(c.softcap);
    const auto repeated = [&](const Stored& mask) {
      reference::Array4 array = packed(mask);
      for (int i = 0; i < 4; ++i) {
        if (mask.view.shape[i] == 1) array.strides[static_cast<std::size_t>(i)] = 0;
      }
      return array;
    };
    if (c.boolean) oracle.attend = repeated(boolean);
    if (c.bias) oracle.bias = repeated(bias);
  }

  std::vector<Judged> judged_;
  std::vector<Tensor> numbers_;
  double plain_error_ = -1;
};

/// Is `found` what the oracle says, within the bound? NaN and infinity must be there, and nowhere else.
inline ::testing::AssertionResult within(double found, double expected, double bound) {
  if (reference::agrees(found, expected, bound)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << found << " is not " << expected << " +- " << bound;
}

}  // namespace flashtile::test
