#include "tests/campaign/fields.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>

#include "flashtile/error.h"

namespace flashtile::test {
namespace {

struct Range {
  int weight;
  std::int64_t low, high;
};

enum class Kind {
  size,     ///< always drawn, and made smaller where the call is too large
  choice,   ///< always drawn
  feature,  ///< drawn in some calls, plain in the others
};

struct Field {
  Kind kind;
  const char* name;
  std::int64_t plain;              ///< what a failing call is shrunk to, and what is not spelled out
  std::vector<const char*> words;  ///< how 0, 1, ... are spelled; none: as numbers
  std::vector<Range> ranges;       ///< one is drawn by its weight, and then a number in it
  void (*set)(Drawn& drawn, std::int64_t value);
  std::vector<const char*> of{};  ///< means nothing where all of these are plain
};

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};
/// Of k and v; 0 is q's.
constexpr DType kStoredTypes[] = {DType::f32,  DType::f32,     DType::f16,     DType::bf16, DType::i8,
                                  DType::int4, DType::f8_e4m3, DType::f8_e5m2, DType::q8_0, DType::q4_0};
const std::vector<const char*> kStoredWords{"q",    "f32",     "f16",     "bf16", "i8",
                                            "int4", "f8_e4m3", "f8_e5m2", "q8_0", "q4_0"};
constexpr float kScales[] = {0, 0.0f, -0.3f, 1.0f, 7.5f};
constexpr float kCaps[] = {0, 0.5f, 5.0f, 50.0f};

/// Which dimensions of a mask have their full size; the others repeat.
const std::vector<const char*> kMaskShapes{"none", "one", "k",  "q",   "qk", "h",   "hk",  "hq",  "hqk",
                                           "b",    "bk",  "bq", "bqk", "bh", "bhk", "bhq", "bhqk"};
const std::vector<const char*> kMaskFills{"random", "rows", "padding"};

TestMask mask_of(DType dtype, std::int64_t shape) {
  const auto size = [&](int bit) { return std::int64_t{((shape - 1) >> bit & 1) == 0}; };  // 0 is the full size
  return {.dtype = dtype, .shape = {size(3), size(2), size(1), size(0)}};
}

const std::vector<Field>& fields() {
  using enum Kind;
  using N = std::int64_t;
  static const std::vector<Field> table{
      {choice, "dtype", 0, {"f32", "f16", "bf16"}, {{1, 0, 2}}, [](Drawn& d, N n) { d.dtype = kTypes[n]; }},
      {size, "batch", 1, {}, {{1, 0, 0}, {14, 1, 1}, {9, 2, 5}}, [](Drawn& d, N n) { d.c.batch = n; }},
      {size, "kv_heads", 1, {}, {{1, 0, 0}, {14, 1, 1}, {9, 2, 6}}, [](Drawn& d, N n) { d.c.kv_heads = n; }},
      {size, "group", 1, {}, {{14, 1, 1}, {9, 2, 9}}, [](Drawn& d, N n) { d.group = n; }},
      {size,
       "query_length",
       1,
       {},
       {{1, 0, 0}, {4, 1, 1}, {6, 2, 16}, {8, 17, 130}, {5, 131, 600}},
       [](Drawn& d, N n) { d.c.query_length = n; }},
      {size,
       "kv_length",
       1,
       {},
       {{1, 0, 0}, {2, 1, 1}, {4, 2, 16}, {9, 17, 130}, {5, 131, 1200}, {3, 4000, 9000}, {1, 65000, 70000}},
       [](Drawn& d, N n) { d.c.kv_length = n; }},
      {size,
       "head_dim",
       1,
       {},
       {{3, 1, 15},
        {2, 16, 16},
        {5, 17, 63},
        {5, 64, 64},
        {4, 65, 127},
        {3, 128, 128},
        {3, 129, 256},
        {2, 257, 576}},
       [](Drawn& d, N n) { d.c.head_dim = n; }},
      {size,
       "value_dim",
       0,
       {},
       {{14, 0, 0}, {4, 1, 63}, {4, 64, 128}, {2, 129, 512}},
       [](Drawn& d, N n) { d.c.value_dim = n; }},
      {feature,
       "layout",
       0,
       {"bhsd", "bshd", "padded", "repeated", "one_row", "reversed"},
       {{1, 1, 5}},
       [](Drawn& d, N n) { d.c.layout = static_cast<Layout>(n); }},
      {feature,
       "kv_layout",
       0,
       {"same", "bhsd", "bshd", "padded", "repeated", "one_row", "reversed"},
       {{1, 1, 6}},
       [](Drawn& d, N n) {
         if (n > 0) d.c.kv_layout = static_cast<Layout>(n - 1);
       }},
      {feature,
       "causal",
       0,
       {"none", "top_left", "bottom_right", "position"},
       {{1, 1, 3}},
       [](Drawn& d, N n) {
         if (n == 1 || n == 2) d.c.causal = n == 1 ? CausalCorner::top_left : CausalCorner::bottom_right;
         d.causal_at_position = n == 3;
       }},
      {feature,
       "query_offset",
       0,
       {"none", "position", "entries"},
       {{1, 1, 2}},
       [](Drawn& d, N n) { d.query_offset = static_cast<Drawn::Offset>(n); }},
      {feature,
       "position",
       0,
       {},
       {{1, -150, 150}},
       [](Drawn& d, N n) { d.position = n; },
       {"causal", "query_offset"}},
      {feature, "q_lengths", 0, {"none", "some"}, {{1, 1, 1}}, [](Drawn& d, N n) { d.query_lengths = n == 1; }},
      {feature, "kv_lengths", 0, {"none", "some"}, {{1, 1, 1}}, [](Drawn& d, N n) { d.kv_lengths = n == 1; }},
      {feature,
       "packed",
       0,
       {"no", "queries", "all"},
       {{1, 1, 1}, {3, 2, 2}},
       [](Drawn& d, N n) { d.packed = static_cast<Drawn::Packed>(n); }},
      {feature,
       "numbers",
       0,
       {"i32", "i64"},
       {{1, 1, 1}},
       [](Drawn& d, N n) { d.c.numbers = n == 1 ? DType::i64 : DType::i32; },
       {"q_lengths", "kv_lengths", "query_offset", "packed"}},
      {feature,
       "alibi_slopes",
       0,
       {"none", "heads", "entries"},
       {{1, 1, 2}},
       [](Drawn& d, N n) { d.c.slopes = static_cast<Case::Slopes>(n); }},
      {feature,
       "segments",
       0,
       {"none", "documents", "shuffled"},
       {{1, 1, 2}},
       [](Drawn& d, N n) { d.c.segments = static_cast<Case::Segments>(n); }},
      {feature,
       "q_block",
       0,
       {},
       {{2, 1, 20}, {2, 64, 64}, {1, 128, 300}},
       [](Drawn& d, N n) { d.c.q_block = n; }},
      {feature,
       "kv_block",
       1,
       {},
       {{2, 2, 20}, {2, 64, 64}, {1, 128, 300}},
       [](Drawn& d, N n) { d.c.kv_block = n; },
       {"q_block"}},
      {feature,
       "blocks_repeat",
       0,
       {"no", "yes"},
       {{1, 1, 1}},
       [](Drawn& d, N n) { d.c.blocks_repeat = n == 1; },
       {"q_block"}},
      {feature,
       "page_size",
       0,
       {},
       {{1, 1, 15}, {3, 16, 16}, {1, 17, 300}},
       [](Drawn& d, N n) { d.c.page_size = n; }},
      {feature, "sinks", 0, {"none", "some"}, {{1, 1, 1}}, [](Drawn& d, N n) { d.sinks = n == 1; }},
      {feature, "out_dtype", 0, {"q", "f32"}, {{1, 1, 1}}, [](Drawn& d, N n) { d.c.out_f32 = n == 1; }},
      {feature,
       "k_type",
       0,
       kStoredWords,
       {{1, 1, 3}, {4, 4, 9}},
       [](Drawn& d, N n) {
         if (n > 0) d.c.k_type = kStoredTypes[n];
       }},
      {feature,
       "v_type",
       0,
       kStoredWords,
       {{1, 1, 3}, {4, 4, 9}},
       [](Drawn& d, N n) {
         if (n > 0) d.c.v_type = kStoredTypes[n];
       }},
      {feature,
       "scales",
       0,
       {"one", "heads", "rows", "groups"},
       {{1, 1, 3}},
       [](Drawn& d, N n) { d.c.scales = static_cast<Scales>(n); },
       {"k_type", "v_type"}},
      {feature,
       "scale_type",
       0,
       {"f32", "f16"},
       {{1, 1, 1}},
       [](Drawn& d, N n) { d.c.scale_type = n == 1 ? DType::f16 : DType::f32; },
       {"k_type", "v_type"}},
      {feature,
       "window_left",
       -1,
       {},
       {{1, 0, 0}, {4, 1, 40}, {4, 41, 300}},
       [](Drawn& d, N n) { d.c.window = {n, -1}; }},
      {feature,
       "window_right",
       -1,
       {},
       {{1, 0, 0}, {4, 1, 40}, {4, 41, 300}},
       [](Drawn& d, N n) { d.c.window->right = n; }},
      {feature,
       "boolean",
       0,
       kMaskShapes,
       {{1, 1, 16}},
       [](Drawn& d, N n) {
         if (n > 0) d.c.boolean = mask_of(DType::u8, n);
       }},
      {feature,
       "boolean_fill",
       0,
       kMaskFills,
       {{1, 1, 2}},
       [](Drawn& d, N n) {
         if (d.c.boolean) d.c.boolean->fill = static_cast<MaskFill>(n);
       },
       {"boolean"}},
      {feature,
       "bias",
       0,
       kMaskShapes,
       {{1, 1, 16}},
       [](Drawn& d, N n) {
         if (n > 0) d.c.bias = mask_of(DType::f32, n);
       }},
      {feature,
       "bias_fill",
       0,
       kMaskFills,
       {{1, 1, 2}},
       [](Drawn& d, N n) {
         if (d.c.bias) d.c.bias->fill = static_cast<MaskFill>(n);
       },
       {"bias"}},
      {feature,
       "bias_dtype",
       0,
       {"f32", "f16", "bf16"},
       {{1, 1, 2}},
       [](Drawn& d, N n) {
         if (d.c.bias) d.c.bias->dtype = kTypes[n];
       },
       {"bias"}},
      {feature,
       "scale",
       0,
       {"default", "0", "-0.3", "1", "7.5"},
       {{1, 1, 4}},
       [](Drawn& d, N n) {
         if (n > 0) d.c.scale = kScales[n];
       }},
      {feature,
       "softcap",
       0,
       {"off", "0.5", "5", "50"},
       {{1, 1, 3}},
       [](Drawn& d, N n) { d.c.softcap = kCaps[n]; }},
      {feature, "lse", 0, {"no", "yes"}, {{1, 1, 1}}, [](Drawn& d, N n) { d.c.lse = n == 1; }},
      {feature,
       "workspace",
       0,
       {"library", "given"},
       {{1, 1, 1}},
       [](Drawn& d, N n) { d.workspace = static_cast<Workspace>(n); }},
      {feature,
       "threads",
       1,
       {},
       {{3, 2, 3}, {1, 7, 7}},
       [](Drawn& d, N n) { d.threads = static_cast<int>(n); }},
      {feature,
       "fill",
       0,
       {"normal", "uniform", "ties", "integers", "spread", "denormal", "ascending"},
       {{1, 1, 6}},
       [](Drawn& d, N n) { d.c.fill = static_cast<Fill>(n); }},
      {feature,
       "poison",
       0,
       {"none", "nan", "infinity"},
       {{1, 1, 2}},
       [](Drawn& d, N n) { d.c.poison = static_cast<Poison>(n); }},
      {choice,
       "seed",
       0,
       {},
       {{1, 0, 999'999}},
       [](Drawn& d, N n) { d.c.seed = static_cast<std::uint64_t>(n); }},
  };
  return table;
}

std::size_t index_of(const std::string& name) {
  const auto& all = fields();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Field& field) { return field.name == name; });
  if (found == all.end()) throw Error(ErrorCode::invalid_argument, "campaign: there is no field " + name);
  return static_cast<std::size_t>(found - all.begin());
}

std::int64_t draw_from(const std::vector<Range>& ranges, Random& random) {
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(n));
  };
  std::int64_t at =
      below(std::accumulate(ranges.begin(), ranges.end(), std::int64_t{0},
                            [](std::int64_t sum, const Range& range) { return sum + range.weight; }));
  for (const Range& range : ranges) {
    if (at < range.weight) return range.low + below(range.high - range.low + 1);
    at -= range.weight;
  }
  return 0;
}

/// Multiplications of the oracle.
std::int64_t work_of(const Case& c) {
  return c.batch * c.query_heads * c.query_length * c.kv_length * (c.head_dim + c.values());
}

/// Numbers of batch entries and heads. Beside a corner only the corner's own offset is valid; that of the last queries is no
/// number where entries have lengths.
void set_numbers(Drawn& d) {
  Case& c = d.c;
  Random random(c.seed);
  const auto entries = [&](std::int64_t low, std::int64_t high) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t b = 0; b < c.batch; ++b) {
      const std::int64_t any =
          low + static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(high - low + 1));
      const std::uint64_t which = random.next() % 6;
      numbers.push_back(which == 0 ? low : which == 1 ? high : any);
    }
    return numbers;
  };
  if (d.query_lengths) c.query_lengths = entries(0, c.query_length);
  if (d.kv_lengths) c.kv_lengths = entries(0, c.kv_length);
  for (std::int64_t h = 0; d.sinks && h < c.query_heads; ++h)
    c.sinks.push_back(static_cast<float>(4 * random.uniform() - 2));
  const bool at_the_end = c.causal == CausalCorner::bottom_right;
  if (d.query_offset == Drawn::Offset::entries && !c.causal && !c.diagonal) c.offsets = entries(-150, 150);
  const bool has_lengths = c.has_lengths() || c.page_size > 0 || d.packed != Drawn::Packed::none;
  if (d.query_offset == Drawn::Offset::position && !(at_the_end && has_lengths))
    c.query_offset = at_the_end ? c.kv_length - c.query_length : c.causal ? 0 : d.position;
}

/// Rows of k and v become whole blocks.
void round_rows(Case& c) {
  const auto rounded = [](std::int64_t size, std::optional<DType> type) {
    const std::int64_t elements = type ? block_of(*type).elements : 1;
    return (size + elements - 1) / elements * elements;
  };
  c.head_dim = rounded(c.head_dim, c.k_type);
  if (c.value_dim > 0)
    c.value_dim = rounded(c.value_dim, c.v_type);
  else
    c.head_dim = rounded(c.head_dim, c.v_type);
}

/// Sizes are halved until the call is small enough, or they are all 1: a page of rows of whole blocks is work, too.
void make_smaller(Numbers& numbers, std::int64_t most, Random& random) {
  const auto can_shrink = [&](std::size_t i) { return fields()[i].kind == Kind::size && numbers[i] > 1; };
  while (work_of(drawn(numbers).c) > most) {
    bool any = false;
    for (std::size_t i = 0; i < numbers.size(); ++i) any = any || can_shrink(i);
    if (!any) return;
    const std::size_t i = random.next() % numbers.size();
    if (can_shrink(i)) numbers[i] /= 2;
  }
}

/// Packed queries have no tensors of pairs, and packed keys lie in no pages and are of q's type: their scales would be packed, too.
void drop_what_packing_lacks(Numbers& numbers) {
  const auto number_of = [&](const char* name) -> std::int64_t& { return numbers[index_of(name)]; };
  std::int64_t& packed = number_of("packed");
  if (packed == 0) return;
  for (const char* name : {"boolean", "bias", "segments", "q_block"})
    number_of(name) = fields()[index_of(name)].plain;
  if (number_of("page_size") != 0 || number_of("k_type") != 0 || number_of("v_type") != 0)
    packed = static_cast<std::int64_t>(Drawn::Packed::queries);
}

/// Makes plain what means nothing.
void drop_idle(Numbers& numbers) {
  const auto is_used = [&](const char* name) {
    const std::size_t i = index_of(name);
    return numbers[i] != fields()[i].plain;
  };
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Field& field = fields()[i];
    if (!field.of.empty() && std::none_of(field.of.begin(), field.of.end(), is_used)) numbers[i] = field.plain;
  }
}

}  // namespace

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for (const Field& field : fields()) names.emplace_back(field.name);
  return names;
}

Numbers draw(Random& random) {
  constexpr double kShares[] = {0.05, 0.3, 0.7};
  constexpr std::int64_t kMost[] = {1 << 14, 1 << 18, 1 << 22};
  const double share = kShares[random.next() % 3];
  const std::int64_t most = kMost[random.next() % 3];
  Numbers numbers;
  for (const Field& field : fields()) {
    const bool is_drawn = field.kind != Kind::feature || random.uniform() < share;
    numbers.push_back(is_drawn ? draw_from(field.ranges, random) : field.plain);
  }
  make_smaller(numbers, most, random);
  drop_what_packing_lacks(numbers);
  drop_idle(numbers);
  return numbers;
}

Drawn drawn(const Numbers& numbers) {
  Drawn d;
  for (std::size_t i = 0; i < numbers.size(); ++i) fields()[i].set(d, numbers[i]);
  Case& c = d.c;
  c.query_heads = c.kv_heads * d.group;
  if (c.page_size > 0) c.kv_length = (c.kv_length + c.page_size - 1) / c.page_size * c.page_size;
  round_rows(c);
  if (c.window->left < 0 && c.window->right < 0) c.window.reset();
  if (d.causal_at_position) c.diagonal = d.position;
  set_numbers(d);
  return d;
}

std::string spelled(const Numbers& numbers) {
  std::ostringstream text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Field& field = fields()[i];
    if (i > 0 && numbers[i] == field.plain) continue;
    text << (i > 0 ? "," : "") << field.name << '=';
    if (field.words.empty())
      text << numbers[i];
    else
      text << field.words[static_cast<std::size_t>(numbers[i])];
  }
  return text.str();
}

Numbers parse(const std::string& text) {
  Numbers numbers;
  for (const Field& field : fields()) numbers.push_back(field.plain);
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const std::size_t sign = std::min(item.find('='), item.size());
    const std::size_t i = index_of(item.substr(0, sign));
    const std::string value = item.substr(std::min(sign + 1, item.size()));
    const std::vector<const char*>& words = fields()[i].words;
    const auto word = std::find(words.begin(), words.end(), value);
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), numbers[i]);
    if (word != words.end())
      numbers[i] = word - words.begin();
    else if (!words.empty() || problem != std::errc() || end != value.data() + value.size())
      throw Error(ErrorCode::invalid_argument, "campaign: " + item + " is no value of " + fields()[i].name);
  }
  return numbers;
}

}  // namespace flashtile::test
