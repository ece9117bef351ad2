// An attention problem as a job.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/inputs.h"
#include "cli/job.h"
#include "cli/memory_for.h"
#include "cli/oracle_arrays.h"
#include "cli/reader.h"
#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "reference/attention.h"
#include "reference/bounds.h"
#include "src/io/tensor_file.h"

namespace flashtile::cli {
namespace {

/// A tensor of the layout's order, or of fewer dimensions with leading ones left out, as (B, H, S, D).
TensorView bhsd_view(TensorView view, Layout layout, const std::string& name) {
  const int least = layout == Layout::bhsd ? 2 : 3;
  if (view.rank() < least || view.rank() > 4) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("attention: {} has shape {}; {} to 4 dimensions are expected", name,
                            to_string(view.shape), least));
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(4 - view.rank()), 1), strides(shape.size(), 0);
  shape.insert(shape.end(), view.shape.begin(), view.shape.end());
  strides.insert(strides.end(), view.strides.begin(), view.strides.end());
  view.shape = Dims(std::span<const std::int64_t>(shape));
  view.strides = Dims(std::span<const std::int64_t>(strides));
  return layout == Layout::bhsd ? view : view.permuted({0, 2, 1, 3});
}

Dims in_layout(Layout layout, std::int64_t batch, std::int64_t heads, std::int64_t length, std::int64_t dim) {
  return layout == Layout::bhsd ? Dims{batch, heads, length, dim} : Dims{batch, length, heads, dim};
}

/// The first elements of each row, in the same memory.
Input first_columns(const Input& input, std::int64_t count) {
  if (count > input.view.shape[input.view.rank() - 1])
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--v-in-k: rows of k have {} elements, v takes {} of them",
                            input.view.shape[input.view.rank() - 1], count));
  Input same = input;
  same.view.shape[input.view.rank() - 1] = count;
  return same;
}

Json in_json(const QueryOffset& offset) {
  if (const auto* number = std::get_if<std::int64_t>(&offset)) return *number;
  if (const auto* each = std::get_if<TensorView>(&offset)) return name(each->dtype);
  return std::get<CausalCorner>(offset) == CausalCorner::top_left ? "top_left" : "bottom_right";
}

class AttentionJob final : public Job {
 public:
  AttentionJob(const Options& options, const std::vector<std::int64_t>& shape, Values values);

  std::vector<WayInfo> ways() const override { return attention_ways(); }
  Plan plan(const std::string& way) const override {
    return plan_attention_into(outputs(lse_of(way)), q(), k(), v(), with_way(way));
  }
  std::function<void()> prepare(const std::string& way) override;
  Verdict verify(std::int64_t rows, const std::function<void(std::int64_t)>& row_done) override;
  void write_results() override;
  bench::Work work() const override;
  DType dtype() const override { return q_.view.dtype; }
  DType out_dtype() const { return options_.out_dtype.value_or(dtype()); }
  Json describe() const override;
  const std::vector<std::int64_t>& shape() const override { return shape_; }

 private:
  TensorView view(const TensorView& tensor, const char* name) const {
    return bhsd_view(tensor, options_.layout, name);
  }
  /// Packed tensors are (rows, heads, size) in any layout.
  bool is_packed(const char* starts) const { return options_.tensors.contains(starts); }
  TensorView side(const TensorView& tensor, const char* name, const char* starts) const {
    return is_packed(starts) ? tensor : view(tensor, name);
  }
  TensorView q() const { return side(q_.view, "q", "q_row_starts"); }
  TensorView k() const { return is_paged() ? k_.view : side(k_.view, "k", "kv_row_starts"); }
  TensorView v() const { return is_paged() ? v_.view : side(v_.view, "v", "kv_row_starts"); }
  bool is_paged() const { return tensors_.contains("block_table"); }
  enum class Where { host, device };
  static std::optional<TensorView> view_at(Where where, const std::optional<Input>& input);
  void read_or_make_inputs(const std::vector<std::int64_t>& shape, Values values, Reader& reader);
  void read_or_make_masks(Values values, Reader& reader);
  Input random_mask_input(DType dtype, Values values, std::uint64_t stream) const;
  std::optional<TensorView> tensor_at(Where where, const char* name) const;
  std::optional<QueryOffset> query_offset(Where where) const;
  Mask mask(Where where) const;
  Lengths lengths(Where where) const;
  RowStarts row_starts(Where where) const;
  std::optional<TensorView> scales(const char* name) const;
  TensorView elements(const Input& rows, const char* scale_name, Tensor& made) const;
  /// Are k or v of another type than q? Then all that is multiplied is float32.
  bool is_quantised() const { return k_.view.dtype != dtype() || v_.view.dtype != dtype(); }
  DType product_dtype() const { return is_quantised() ? DType::f32 : dtype(); }
  static Dims pool_shape(const TensorView& table, std::int64_t heads, std::int64_t length, std::int64_t size);
  void set_sizes();
  void check_inputs() const;
  bool fits_the_other_layout() const;
  AttentionOptions with_way(const std::string& way) const;
  bool lse_of(const std::string& way) const;
  AttentionOutputs outputs(bool with_lse) const;
  Dims scores_shape() const {
    return {sizes_.batch, sizes_.query_heads, sizes_.query_length, sizes_.kv_length};
  }
  struct Place {
    std::int64_t b, h, i;
  };
  std::optional<Place> place_of(std::int64_t row) const;
  reference::AttentionCase oracle_case();  // refers to members
  reference::AttentionCase oracle_of_sequence(reference::AttentionCase oracle, std::int64_t b) const;

  Options options_;
  std::vector<std::int64_t> shape_;
  bench::AttentionSizes sizes_{};
  Input q_, k_, v_;
  std::optional<Input> boolean_, bias_;
  std::map<std::string, Input> tensors_;  // of Options::tensors
  Tensor k_elements_, v_elements_;        // as the oracle reads them, where they have scales
  Dims out_shape_, lse_shape_;
  Tensor out_, lse_, scores_;  // of the way that was prepared last
  bool lse_computed_ = false;
};

AttentionJob::AttentionJob(const Options& options, const std::vector<std::int64_t>& shape, Values values)
    : Job(queue_of(options)), options_(options) {
  Reader reader(options_, notes_);
  for (const auto& [name, path] : options_.tensors) {
    if (name != "sinks" || path != "random")
      tensors_[name] = on_device(reader.further(name, path), options_.device);
  }
  memory_for("q, k and v", [&] { read_or_make_inputs(shape, values, reader); });
  set_sizes();
  if (const auto sinks = options_.tensors.find("sinks");
      sinks != options_.tensors.end() && sinks->second == "random")
    tensors_["sinks"] =
        on_device(random_tensor(DType::f32, {sizes_.query_heads}, options_.seed, 5), options_.device);
  memory_for("the masks", [&] { read_or_make_masks(values, reader); });
  reader.note_unused();
  check_inputs();
}

void AttentionJob::set_sizes() {
  const TensorView query = q(), key = k(), value = v();
  const bool packed = is_packed("q_row_starts"), keys_packed = is_packed("kv_row_starts");
  const auto expect_packed = [](const TensorView& tensor, const char* name) {
    if (tensor.rank() == 3) return;
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("attention: {} has shape {}; packed sequences have 3 dimensions (rows, heads, size)", name,
                    to_string(tensor.shape)));
  };
  if (packed) expect_packed(query, "q");
  if (keys_packed) expect_packed(key, "k"), expect_packed(value, "v");
  const auto table = tensor_at(Where::host, "block_table");
  if (table && (table->rank() != 2 || key.rank() != 4 || value.rank() != 4)) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "attention: k has shape {}, v {}, block_table {}; expected (pages, page size, Hkv, D), (pages, "
            "page size, Hkv, Dv) and (B, most)",
            to_string(key.shape), to_string(value.shape), to_string(table->shape)));
  }
  const auto starts = tensor_at(Where::host, "q_row_starts");
  const std::int64_t batch = !packed               ? query.shape[0]
                             : starts->rank() == 1 ? std::max<std::int64_t>(0, starts->shape[0] - 1)
                                                   : 0;  // which check_inputs refuses
  const auto rows = [](const TensorView& t, bool of_all) { return of_all ? t.shape[0] : t.shape[2]; };
  sizes_ = {batch,
            query.shape[1],
            table ? key.shape[2] : key.shape[1],
            rows(query, packed),
            table ? table->shape[1] * key.shape[1] : rows(key, keys_packed),
            query.shape[query.rank() - 1],
            value.shape[value.rank() - 1]};
  shape_ = {sizes_.batch,     sizes_.query_heads, sizes_.kv_heads, sizes_.query_length,
            sizes_.kv_length, sizes_.head_dim,    sizes_.value_dim};
  out_shape_ = packed ? Dims{sizes_.query_length, sizes_.query_heads, sizes_.value_dim}
                      : in_layout(options_.layout, sizes_.batch, sizes_.query_heads, sizes_.query_length,
                                  sizes_.value_dim);
  lse_shape_ = packed ? Dims{sizes_.query_length, sizes_.query_heads}
                      : Dims{sizes_.batch, sizes_.query_heads, sizes_.query_length};
}

/// Mistakes in the inputs come out here, before anything is counted or computed from them.
void AttentionJob::check_inputs() const {
  try {
    plan_attention(q(), k(), v(), with_way(""));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unsupported) return;
    const bool forgotten = options_.shapes.empty() && fits_the_other_layout();
    throw Error(error.code(), fmt::format("{}{}", error.what(),
                                          !forgotten ? ""
                                          : options_.layout == Layout::bhsd
                                              ? "; the shapes fit --layout bshd (batch, length, heads, size)"
                                              : "; the shapes fit --layout bhsd (batch, heads, length, size)"));
  }
}

/// Would the inputs go together if heads and lengths changed places?
bool AttentionJob::fits_the_other_layout() const {
  if (is_paged()) return false;
  const Layout other = options_.layout == Layout::bhsd ? Layout::bshd : Layout::bhsd;
  try {
    plan_attention(bhsd_view(q_.view, other, "q"), bhsd_view(k_.view, other, "k"),
                   bhsd_view(v_.view, other, "v"), with_way(""));
    return true;
  } catch (const Error& error) {
    return error.code() == ErrorCode::unsupported;
  }
}

void AttentionJob::read_or_make_inputs(const std::vector<std::int64_t>& shape, Values values, Reader& reader) {
  if (shape.empty()) {
    q_ = on_device(reader.input("q", options_.q, options_.dtype), options_.device);
    k_ = on_device(reader.input("k", options_.k, options_.dtype), options_.device);
    v_ = on_device(reader.input("v", options_.v, options_.dtype), options_.device);
    return;
  }
  Input* const inputs[] = {&q_, &k_, &v_};
  const DType dtype = options_.dtype.value_or(DType::f32);
  const auto table = tensor_at(Where::host, "block_table");
  const auto dims = [&](const char* starts, std::int64_t heads, std::int64_t length, std::int64_t size) {
    if (table && std::string_view(starts) == "kv_row_starts") return pool_shape(*table, heads, length, size);
    return is_packed(starts) ? Dims{length, heads, size}
                             : in_layout(options_.layout, shape[0], heads, length, size);
  };
  const Dims shapes[] = {dims("q_row_starts", shape[1], shape[3], shape[5]),
                         dims("kv_row_starts", shape[2], shape[4], shape[5]),
                         dims("kv_row_starts", shape[2], shape[4], shape[6])};
  const DType dtypes[] = {dtype, tensors_.contains("k_scales") ? DType::i8 : dtype,
                          tensors_.contains("v_scales") ? DType::i8 : dtype};
  for (std::size_t i = 0; i < (options_.v_in_k ? 2 : 3); ++i) {
    *inputs[i] = values == Values::unused
                     ? without_memory(dtypes[i], shapes[i], options_.device)
                     : on_device(random_tensor(dtypes[i], shapes[i], options_.seed, i), options_.device);
  }
  if (options_.v_in_k) v_ = first_columns(k_, shape[6]);
}

/// Pools with a page for each number of the table, which has `length` rows of an entry.
Dims AttentionJob::pool_shape(const TensorView& table, std::int64_t heads, std::int64_t length,
                              std::int64_t size) {
  const std::int64_t most = table.rank() == 2 ? table.shape[1] : 0;
  if (most == 0 || length % most != 0) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "--block-table: its shape is {}, and --shape has {} keys; expected (B, most), and as many keys in "
            "each of the most pages",
            to_string(table.shape), length));
  }
  return {table.shape[0] * most, length / most, heads, size};
}

Input AttentionJob::random_mask_input(DType mask_dtype, Values values, std::uint64_t stream) const {
  const Dims shape{1, 1, sizes_.query_length, sizes_.kv_length};
  return values == Values::unused
             ? without_memory(mask_dtype, shape, options_.device)
             : on_device(random_mask(mask_dtype, shape, options_.seed, stream), options_.device);
}

/// --mask gives either tensor, by its type; --bias the other one.
void AttentionJob::read_or_make_masks(Values values, Reader& reader) {
  const DType bias_dtype = options_.mask_dtype.value_or(dtype());
  if (options_.mask == "boolean") {
    boolean_ = random_mask_input(DType::u8, values, 3);
  } else if (options_.mask == "additive") {
    bias_ = random_mask_input(bias_dtype, values, 3);
  } else if (!options_.mask.empty()) {
    const Tensor read = reader.mask("mask", options_.mask);
    (read.dtype() == DType::u8 ? boolean_ : bias_) = on_device(read, options_.device);
  }
  if (options_.bias.empty()) return;
  if (bias_) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "--mask {} is a bias already, and --bias gives another one; give one of them, or a boolean --mask",
            options_.mask));
  }
  bias_ = options_.bias == "random" ? random_mask_input(bias_dtype, values, 4)
                                    : on_device(reader.mask("bias", options_.bias), options_.device);
}

std::optional<TensorView> AttentionJob::view_at(Where where, const std::optional<Input>& input) {
  if (!input) return {};
  return where == Where::host ? input->host_view() : input->view;
}

std::optional<TensorView> AttentionJob::tensor_at(Where where, const char* name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? std::nullopt : view_at(where, found->second);
}

std::optional<QueryOffset> AttentionJob::query_offset(Where where) const {
  if (const auto given = tensor_at(where, "query_offset")) return *given;
  return options_.query_offset;
}

Mask AttentionJob::mask(Where where) const {
  std::optional<QueryOffset> causal = options_.causal;
  if (const auto given = tensor_at(where, "causal")) causal = *given;
  Mask mask{.causal = causal,
            .window = options_.window,
            .boolean = view_at(where, boolean_),
            .bias = view_at(where, bias_),
            .segments = {tensor_at(where, "q_segments"), tensor_at(where, "kv_segments")}};
  if (const auto map = tensor_at(where, "block_map"))
    mask.blocks = BlockMap{*map, options_.q_block, options_.kv_block};
  return mask;
}

Lengths AttentionJob::lengths(Where where) const {
  return {.q = tensor_at(where, "q_lengths"), .kv = tensor_at(where, "kv_lengths")};
}

RowStarts AttentionJob::row_starts(Where where) const {
  return {.q = tensor_at(where, "q_row_starts"), .kv = tensor_at(where, "kv_row_starts")};
}

/// Scales as the library takes them: those that have k's dimensions in their order there.
std::optional<TensorView> AttentionJob::scales(const char* name) const {
  const auto given = tensor_at(Where::device, name);
  const bool reordered = given && given->rank() == 4 && !is_paged() && options_.layout == Layout::bshd;
  return reordered ? bhsd_view(*given, options_.layout, name) : given;
}

/// k or v as numbers, in the order of its file.
TensorView AttentionJob::elements(const Input& rows, const char* scale_name, Tensor& made) const {
  const auto given = tensor_at(Where::host, scale_name);
  if (!given) return rows.host_view();
  const bool heads_after_rows = is_paged() || (options_.layout == Layout::bshd && !is_packed("kv_row_starts"));
  made = times_scales(rows.host_view(), *given, heads_after_rows ? 2 : 1);
  return made;
}

AttentionOptions AttentionJob::with_way(const std::string& way) const {
  return {.scale = options_.scale,
          .softcap = options_.softcap,
          .mask = mask(Where::device),
          .query_offset = query_offset(Where::device),
          .lengths = lengths(Where::device),
          .row_starts = row_starts(Where::device),
          .block_table = tensor_at(Where::device, "block_table"),
          .alibi_slopes = tensor_at(Where::device, "alibi_slopes"),
          .sinks = tensor_at(Where::device, "sinks"),
          .k_scales = scales("k_scales"),
          .v_scales = scales("v_scales"),
          .out_dtype = options_.out_dtype,
          .way = way,
          .queue = queue()};
}

/// check compares lse too, and run may write it. A way that cannot compute lse is checked without it, but
/// refused if lse is to be written.
bool AttentionJob::lse_of(const std::string& way) const {
  if (!options_.lse.empty()) return true;
  if (options_.command != Command::check) return false;
  try {
    plan_attention_into(outputs(true), q(), k(), v(), with_way(way));
    return true;
  } catch (const Error&) {
    return false;
  }
}

AttentionOutputs AttentionJob::outputs(bool with_lse) const {
  const TensorView out = packed_view(out_.data(), out_dtype(), out_shape_, options_.device);
  AttentionOutputs outputs{.out = side(out, "out", "q_row_starts"), .lse = {}, .workspace = {}};
  if (with_lse) outputs.lse = packed_view(lse_.data(), DType::f32, lse_shape_, options_.device);
  if (!options_.scores.empty()) {
    outputs.scores = {packed_view(scores_.data(), DType::f32, scores_shape(), options_.device),
                      options_.score_stage};
  }
  return outputs;
}

std::function<void()> AttentionJob::prepare(const std::string& way) {
  out_ = memory_for("out", [&] { return not_written(out_dtype(), out_shape_, options_.device); });
  lse_ = memory_for("lse", [&] { return not_written(DType::f32, lse_shape_, options_.device); });
  if (!options_.scores.empty())
    scores_ = memory_for("scores", [&] { return not_written(DType::f32, scores_shape(), options_.device); });
  lse_computed_ = lse_of(way);
  const Plan chosen = plan(way);
  const Tensor workspace = memory_for("the workspace of " + way, [&] {
    return Tensor(DType::u8, {static_cast<std::int64_t>(chosen.workspace_bytes)}, options_.device);
  });
  AttentionOutputs into = outputs(lse_computed_);
  into.workspace = {workspace.as<std::byte>(), chosen.workspace_bytes};
  return [into, workspace, out = out_, lse = lse_, scores = scores_, query = q(), key = k(), value = v(),
          options = with_way(way)] { attention_into(into, query, key, value, options); };
}

reference::AttentionCase AttentionJob::oracle_case() {
  const Mask given = mask(Where::host);
  const QueryOffset offset =
      query_offset(Where::host).value_or(given.causal.value_or(QueryOffset(std::int64_t{0})));
  const bool has_offsets = std::holds_alternative<TensorView>(offset);
  const std::int64_t position = has_offsets ? 0 : bench::offset_of(sizes_, offset);
  const auto operand = [&](const TensorView& host, const char* name, const char* starts) {
    const bool in_pages = is_paged() && std::string_view(starts) == "kv_row_starts";
    auto array = oracle_array<4>(in_pages            ? host.permuted({0, 2, 1, 3})
                                 : is_packed(starts) ? bhsd_view(host, Layout::bshd, name)
                                                     : view(host, name));
    array.subnormals_are_zero = subnormals_are_zero(product_dtype(), product_dtype(), options_.device);
    return array;
  };
  const auto numbers = [](const std::optional<TensorView>& view) {
    return view ? oracle_array<1>(*view) : reference::Array<1>{};
  };
  const Lengths rows = lengths(Where::host);
  reference::Array<2> slopes;
  if (auto view = tensor_at(Where::host, "alibi_slopes")) {
    if (view->rank() == 1) view->shape = {1, view->shape[0]}, view->strides = {0, view->strides[0]};
    slopes = oracle_array<2>(*view);
  }
  const auto pairs = [](const std::optional<TensorView>& view) {
    return view ? oracle_array<2>(*view) : reference::Array<2>{};
  };
  const auto array = [](const std::optional<Input>& mask) {
    return mask ? oracle_array<4>(mask->host_view()) : reference::Array4{};
  };
  return {.batch = sizes_.batch,
          .query_heads = sizes_.query_heads,
          .kv_heads = sizes_.kv_heads,
          .query_length = sizes_.query_length,
          .kv_length = sizes_.kv_length,
          .head_dim = sizes_.head_dim,
          .value_dim = sizes_.value_dim,
          // The library computes the default scale in float32.
          .scale = static_cast<double>(
              options_.scale.value_or(1.0f / std::sqrt(static_cast<float>(sizes_.head_dim)))),
          .q = operand(q_.host_view(), "q", "q_row_starts"),
          .k = operand(elements(k_, "k_scales", k_elements_), "k", "kv_row_starts"),
          .v = operand(elements(v_, "v_scales", v_elements_), "v", "kv_row_starts"),
          .causal = given.causal.has_value(),
          .diagonal = position,
          .softcap = static_cast<double>(options_.softcap.value_or(0.0f)),
          .position = position,
          .left = options_.window ? options_.window->left : -1,
          .right = options_.window ? options_.window->right : -1,
          .positions = has_offsets ? oracle_array<1>(std::get<TensorView>(offset)) : reference::Array<1>{},
          .ends_together = (rows.q || rows.kv || is_packed("q_row_starts")) &&
                           offset == QueryOffset(CausalCorner::bottom_right),
          .query_lengths = numbers(rows.q),
          .kv_lengths = numbers(rows.kv),
          .slopes = slopes,
          .sinks = numbers(tensor_at(Where::host, "sinks")),
          .attend = array(boolean_),
          .rounds_elements = is_quantised(),
          .query_segments = pairs(given.segments.q),
          .kv_segments = pairs(given.segments.kv),
          .blocks = given.blocks ? oracle_array<4>(given.blocks->view) : reference::Array4{},
          .q_block = options_.q_block,
          .kv_block = options_.kv_block,
          .pages = pairs(tensor_at(Where::host, "block_table")),
          .page_size = is_paged() ? k_.view.shape[1] : 1,
          .bias = array(bias_)};
}

/// What row `row` of all heads' rows is; none where it is of no sequence.
std::optional<AttentionJob::Place> AttentionJob::place_of(std::int64_t row) const {
  const std::int64_t i = row % sizes_.query_length, bh = row / sizes_.query_length;
  const auto starts = tensor_at(Where::host, "q_row_starts");
  if (!starts) return Place{bh / sizes_.query_heads, bh % sizes_.query_heads, i};
  for (std::int64_t b = 0; b < sizes_.batch; ++b) {
    const std::int64_t first = bench::number_of(*starts, b);
    if (first <= i && i < bench::number_of(*starts, b + 1)) return Place{b, bh, i - first};
  }
  return std::nullopt;
}

/// The oracle's case of sequence b alone.
reference::AttentionCase AttentionJob::oracle_of_sequence(reference::AttentionCase oracle,
                                                          std::int64_t b) const {
  const RowStarts starts = row_starts(Where::host);
  const bench::AttentionSizes sizes =
      bench::entry_of(sizes_, {.lengths = lengths(Where::host), .starts = starts}, b);
  oracle.batch = 1;
  oracle.query_length = sizes.query_length;
  oracle.kv_length = sizes.kv_length;
  oracle.q.first += bench::number_of(*starts.q, b) * oracle.q.strides[2];
  oracle.pages.first += b * oracle.pages.strides[0];
  if (!is_paged())
    for (reference::Array4* side : {&oracle.k, &oracle.v})
      side->first += starts.kv ? bench::number_of(*starts.kv, b) * side->strides[2] : b * side->strides[0];
  oracle.query_lengths = oracle.kv_lengths = {};
  if (oracle.positions.data != nullptr) oracle.positions.first += b * oracle.positions.strides[0];
  if (oracle.slopes.data != nullptr) oracle.slopes.first += b * oracle.slopes.strides[0];
  if (oracle.ends_together) oracle.position = oracle.diagonal = sizes.kv_length - sizes.query_length;
  oracle.ends_together = false;
  return oracle;
}

Verdict AttentionJob::verify(std::int64_t rows, const std::function<void(std::int64_t)>& row_done) {
  const reference::AttentionCase oracle = oracle_case();
  const Tensor host_out = on_host(out_), host_lse = on_host(lse_);
  const bool packed = is_packed("q_row_starts");
  const TensorView out_view = packed_view(host_out.data(), out_dtype(), out_shape_, Device::cpu());
  const auto out = oracle_array<4>(packed ? bhsd_view(out_view, Layout::bshd, "out") : view(out_view, "out"));
  const auto lse = oracle_array<1>(packed_view(host_lse.data(), DType::f32, {host_lse.size()}));
  const auto starts = tensor_at(Where::host, "q_row_starts");
  const std::int64_t total = (packed ? 1 : sizes_.batch) * sizes_.query_heads * sizes_.query_length;
  if (rows == 0) {
    constexpr std::int64_t kProducts = 150'000'000;  // about a second of the oracle
    rows = std::max<std::int64_t>(
        1, kProducts / std::max<std::int64_t>(1, sizes_.kv_length * (sizes_.head_dim + sizes_.value_dim)));
  }
  const reference::Format format = format_of(product_dtype()), of_out = format_of(out_dtype());
  const std::vector<std::int64_t> chosen = choose_rows(total, rows, options_.seed);
  return judge_rows(chosen, total, [&](std::int64_t n, Verdict& verdict) {
    if (const std::optional<Place> place = place_of(n)) {
      const auto& [b, h, i] = *place;
      const reference::AttentionCase own = packed ? oracle_of_sequence(oracle, b) : oracle;
      const reference::AttentionRow row = reference::attention_row(own, packed ? 0 : b, h, i);
      const reference::AttentionBounds bounds = reference::attention_bounds(own, row, format, of_out);
      const std::int64_t at = packed ? i + bench::number_of(*starts, b) : i;
      const std::string where = packed ? fmt::format("{},{}", at, h) : fmt::format("{},{},{}", b, h, i);
      for (std::int64_t d = 0; d < sizes_.value_dim; ++d) {
        const auto column = static_cast<std::size_t>(d);
        verdict.compare(out(packed ? 0 : b, h, at, d), row.out[column], bounds.out[column],
                        [&] { return fmt::format("out[{},{}]", where, d); });
      }
      if (lse_computed_) {
        const std::int64_t index = packed ? at * sizes_.query_heads + h : n;
        verdict.compare(lse(index), row.lse, bounds.lse, [&] { return fmt::format("lse[{}]", where); });
      }
    }
    row_done(static_cast<std::int64_t>(chosen.size()));
  });
}

void AttentionJob::write_results() {
  if (!options_.out.empty()) io::write_tensor_file(options_.out, std::vector<io::NamedView>{{"out", out_}});
  if (!options_.lse.empty()) io::write_tensor_file(options_.lse, std::vector<io::NamedView>{{"lse", lse_}});
  if (!options_.scores.empty())
    io::write_tensor_file(options_.scores, std::vector<io::NamedView>{{"scores", scores_}});
}

bench::Work AttentionJob::work() const {
  bench::Work work =
      bench::attention_work(sizes_, mask(Where::host), dtype(), query_offset(Where::host),
                            {.lengths = lengths(Where::host), .starts = row_starts(Where::host)}, out_dtype());
  if (options_.v_in_k)
    work.bytes -= static_cast<double>(element_count(v_.view.shape)) * bits(dtype()) / 8;  // read as a part of k
  return work;
}

Json AttentionJob::describe() const {
  Json json;
  json["op"] = "attention";
  json["device"] = name(options_.device);
  json["dtype"] = name(dtype());
  json["out_dtype"] = name(out_dtype());
  json["batch"] = sizes_.batch;
  json["query_heads"] = sizes_.query_heads;
  json["kv_heads"] = sizes_.kv_heads;
  json["query_length"] = sizes_.query_length;
  json["kv_length"] = sizes_.kv_length;
  json["head_dim"] = sizes_.head_dim;
  json["value_dim"] = sizes_.value_dim;
  json["layout"] = options_.layout == Layout::bhsd ? "bhsd" : "bshd";
  const auto offset = [](const std::optional<QueryOffset>& given) {
    return given ? in_json(*given) : Json(nullptr);
  };
  json["causal"] = offset(mask(Where::host).causal);
  json["window"] = options_.window ? Json{options_.window->left, options_.window->right} : Json(nullptr);
  json["query_offset"] = offset(query_offset(Where::host));
  json["softcap"] = options_.softcap ? Json(*options_.softcap) : Json(nullptr);
  for (const char* tensor :
       {"q_lengths", "kv_lengths", "q_row_starts", "kv_row_starts", "block_table", "q_segments", "kv_segments",
        "block_map", "alibi_slopes", "sinks", "k_scales", "v_scales"}) {
    const auto found = tensors_.find(tensor);
    json[tensor] = found == tensors_.end() ? Json(nullptr) : Json(name(found->second.view.dtype));
  }
  json["blocks"] = mask(Where::host).blocks ? Json{options_.q_block, options_.kv_block} : Json(nullptr);
  json["mask"] = boolean_ ? Json("boolean") : Json(nullptr);
  json["bias"] = bias_ ? Json(name(bias_->view.dtype)) : Json(nullptr);
  json["scale"] = options_.scale ? Json(*options_.scale) : Json(nullptr);
  return json;
}

}  // namespace

std::unique_ptr<Job> make_attention_job(const Options& options, const std::vector<std::int64_t>& shape,
                                        Values values) {
  return std::make_unique<AttentionJob>(options, shape, values);
}

}  // namespace flashtile::cli
