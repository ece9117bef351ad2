// New rows into a cache from end to end: validate, indices too where the host can read them, then launch the kernel.
#include "flashtile/append_kv.h"

#include <cstdint>
#include <string>

#include "src/core/attempt.h"
#include "src/core/checked.h"
#include "src/core/float_environment.h"
#include "src/ops/append_kv/kernels.h"
#include "src/ops/common/floats.h"
#include "src/ops/common/queue.h"
#include "src/ops/common/row_strides.h"
#include "src/ops/rotary/angles.h"

namespace flashtile::inline v0_2 {
namespace ops {
namespace {

using core::Argument;

constexpr char kOp[] = "append_kv";

/// The tensors of a call.
struct Appended {
  Argument cache_k, cache_v, k, v, positions;
  const AppendKvOptions& options;

  bool is_paged() const { return options.block_table.has_value(); }
  Argument table() const { return {kOp, "block_table", *options.block_table}; }
};

void expect_shape(const Argument& argument, const Dims& expected, const char* letters) {
  if (argument.view.shape == expected) return;
  argument.refuse("has shape " + to_string(argument.view.shape) + "; expected " + letters + " = " +
                  to_string(expected));
}

/// The new rows, which say what B, Hkv, L, D and Dv are.
void check_new_rows(const Appended& a) {
  core::check_rows(a.k, "(B, Hkv, L, D)", core::Data::needed);
  check_has_kernel(a.k);
  core::check_rows(a.v, "(B, Hkv, L, Dv)", core::Data::needed);
  const Dims& k = a.k.view.shape;
  expect_shape(a.v, {k[0], k[1], k[2], a.v.view.shape[3]}, "(B, Hkv, L, Dv)");
  core::check_device(a.v, a.k.view.device, "k_new");
}

void check_cache(const Appended& a, const Argument& cache, const Argument& rows) {
  const bool paged = a.is_paged();
  const char* const letters = paged ? "(pages, page size, Hkv, D)" : "(B, Hkv, C, D)";
  core::check_rows(cache, letters, core::Data::needed);
  check_sizes(cache);
  const Dims &shape = cache.view.shape, &k = rows.view.shape, &first = a.cache_k.view.shape;
  expect_shape(cache, paged ? Dims{first[0], first[1], k[1], k[3]} : Dims{k[0], k[1], first[2], k[3]}, letters);
  if (paged && shape[1] == 0)
    cache.refuse("has shape " + to_string(shape) + "; expected pages of 1 row or more");
  float_type_of(cache);
  core::check_device(cache, rows.view.device, rows.name);
}

void check_table(const Argument& table, const Argument& k) {
  const Dims& shape = table.view.shape;
  if (shape.rank() != 2 || shape[0] != k.view.shape[0]) {
    table.refuse("has shape " + to_string(shape) +
                 "; expected 2 dimensions (B, most) with B = " + std::to_string(k.view.shape[0]));
  }
  if (table.view.dtype != DType::i32)
    table.refuse("has dtype " + core::spelled(table.view.dtype) + "; expected i32");
  core::check_memory(table, core::Data::needed);
  check_sizes(table);
  core::check_device(table, k.view.device, "k_new");
}

/// The caches lie apart from themselves, from each other and from all that is read.
void check_results(const Appended& a) {
  for (const Argument* cache : {&a.cache_k, &a.cache_v}) {
    core::check_written(*cache);
    for (const Argument* read : {&a.k, &a.v, &a.positions}) core::check_apart(*cache, *read);
    if (a.is_paged()) core::check_apart(*cache, a.table());
  }
  core::check_apart(a.cache_v, a.cache_k);
}

kernels::NewRows new_rows(const Argument& rows) {
  return {rows.view.data, row_strides(rows.view), float_type_of(rows),
          core::narrow(rows.view.shape[3], "append_kv: D")};
}

kernels::CacheRows cache_rows(const Argument& cache, bool paged) {
  const Dims strides = core::with_harmless_strides(cache.view).strides;
  return {cache.view.data, strides[0], strides[paged ? 2 : 1], strides[paged ? 1 : 2], float_type_of(cache)};
}

/// "positions[1, 3]".
std::string entry(const char* name, std::int64_t i, std::int64_t j) {
  return std::string(name) + "[" + std::to_string(i) + ", " + std::to_string(j) + "]";
}

[[noreturn]] void refuse_index(const std::string& what, std::int64_t found, const std::string& expected) {
  throw Error(ErrorCode::invalid_argument,
              std::string(kOp) + ": " + what + " is " + std::to_string(found) + "; expected " + expected);
}

/// What the kernel would leave out without a word.
void check_indices(const kernels::AppendKvParams& p) {
  const std::int64_t rows = p.table_length * p.block_rows;
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t l = 0; l < p.length; ++l) {
      const std::int64_t position = p.positions.data[b * p.positions.batch_stride + l * p.positions.row_stride];
      if (position < -1 || position >= rows) {
        refuse_index(entry("positions", b, l), position,
                     "-1 (not stored) ... " + std::to_string(rows - 1) + ", a row of the cache");
      }
      if (p.table == nullptr || position < 0) continue;
      const std::int64_t n = position / p.block_rows;
      const std::int64_t page = p.table[b * p.table_batch_stride + n * p.table_stride];
      if (page < 0 || page >= p.blocks) {
        refuse_index(entry("block_table", b, n), page,
                     "0 ... " + std::to_string(p.blocks - 1) + ", a page: " + entry("positions", b, l) +
                         " is " + std::to_string(position));
      }
    }
  }
}

kernels::AppendKvParams validated(const Appended& a) {
  check_new_rows(a);
  check_sizes(a.k);
  check_sizes(a.v);
  const bool paged = a.is_paged();
  check_cache(a, a.cache_k, a.k);
  check_cache(a, a.cache_v, a.v);
  const Dims &rows = a.k.view.shape, &cache = a.cache_k.view.shape;
  kernels::AppendKvParams params{};
  params.k = new_rows(a.k);
  params.v = new_rows(a.v);
  params.cache_k = cache_rows(a.cache_k, paged);
  params.cache_v = cache_rows(a.cache_v, paged);
  params.positions = positions_of(a.positions, a.k);
  params.table_length = 1;
  if (paged) {
    const Argument table = a.table();
    check_table(table, a.k);
    const Dims strides = core::with_harmless_strides(table.view).strides;
    params.table = static_cast<const std::int32_t*>(table.view.data);
    params.table_batch_stride = strides[0];
    params.table_stride = strides[1];
    params.table_length = table.view.shape[1];
  }
  params.blocks = cache[0];
  params.block_rows = cache[paged ? 1 : 2];
  params.batch = rows[0];
  params.heads = rows[1];
  params.length = rows[2];
  if (a.options.rotary) params.angles = angles_of(kOp, *a.options.rotary, rows[3]);
  check_results(a);
  return params;
}

}  // namespace
}  // namespace ops

void append_kv(const TensorView& cache_k, const TensorView& cache_v, const TensorView& k_new,
               const TensorView& v_new, const TensorView& positions, const AppendKvOptions& options) {
  const core::FloatEnvironment environment;
  const kernels::AppendKvParams params = ops::validated({{ops::kOp, "cache_k", cache_k},
                                                         {ops::kOp, "cache_v", cache_v},
                                                         {ops::kOp, "k_new", k_new},
                                                         {ops::kOp, "v_new", v_new},
                                                         {ops::kOp, "positions", positions},
                                                         options});
  const Queue queue = ops::queue_of(ops::kOp, options.queue, k_new.device, "k_new");
  if (params.batch == 0 || params.heads == 0 || params.length == 0) return;
  if (k_new.device == Device::cpu()) ops::check_indices(params);
  kernels::launch_append_kv(queue, params);
}

Result<> try_append_kv(const TensorView& cache_k, const TensorView& cache_v, const TensorView& k_new,
                       const TensorView& v_new, const TensorView& positions,
                       const AppendKvOptions& options) noexcept {
  return core::attempt([&] { append_kv(cache_k, cache_v, k_new, v_new, positions, options); });
}

}  // namespace flashtile::inline v0_2
