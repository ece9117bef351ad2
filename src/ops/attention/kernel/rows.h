// Where the rows of q, k, v, out and lse lie. No other kernel text multiplies their strides: it asks for the rows of a
// head as an inline tensor, for a row's address, or for the step between rows that it walks along.
#pragma once

#include "flashtile/detail/grid.h"
#include "flashtile/primitives.h"
#include "src/ops/attention/kernel/coded_rows.h"
#include "src/ops/attention/kernel/entry.h"

namespace flashtile::inline v0_2::kernels {
inline namespace FLASHTILE_BACKEND {
using namespace flashtile::primitives;

template <class T>
using Matrix = tensor<FT_DEVICE T, dextents<int, 2>, tensor_inline>;

/// Names an element type to a generic function.
template <class E>
struct TypeOf {
  using type = E;
};

/// Rows of one head that follow each other, `step` elements apart. Addresses are 64-bit.
template <class T>
struct RowRun {
  FT_DEVICE T* first;
  int64_t step;

  FT_FUNCTION FT_DEVICE T* operator[](int64_t row) const { return first + row * step; }
};

/// Those of a tensor's head from `row` on. Packed tensors, all of whose entries are one, have a batch stride of 0.
template <class T>
FT_FUNCTION RowRun<T> rows_from(FT_DEVICE T* data, FT_CONSTANT const RowStrides& strides, int64_t batch,
                                int64_t head, int64_t row) {
  return {data + batch * strides.batch + head * strides.head + row * strides.row, strides.row};
}

template <class T>
FT_FUNCTION RowRun<const T> query_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                                       int64_t row) {
  return rows_from(static_cast<FT_DEVICE const T*>(p.q), p.q_strides, batch, head,
                   row + first_row(p.query_starts, batch, p.query_length));
}
/// Of these as many follow each other as adjacent_keys says.
template <class T>
FT_FUNCTION RowRun<const T> key_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t kv_head,
                                     int64_t row) {
  const KeyPlace place = key_place(p, batch, row);
  return rows_from(static_cast<FT_DEVICE const T*>(p.k), p.k_strides, place.entry, kv_head, place.row);
}
template <class T>
FT_FUNCTION RowRun<const T> value_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t kv_head,
                                       int64_t row) {
  const KeyPlace place = key_place(p, batch, row);
  return rows_from(static_cast<FT_DEVICE const T*>(p.v), p.v_strides, place.entry, kv_head, place.row);
}
/// E is the output's type, see with_out_type.
template <class E>
FT_FUNCTION RowRun<E> out_rows(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head, int64_t row) {
  return rows_from(static_cast<FT_DEVICE E*>(p.out), p.out_strides, batch, head,
                   row + first_row(p.query_starts, batch, p.query_length));
}
/// f(TypeOf<the output's element type>), where T is what is multiplied.
template <class T, class F>
FT_FUNCTION void with_out_type(FT_CONSTANT const AttentionParams& p, F f) {
  if constexpr (kReadsCodes<T>) {
    if (p.out_type == StoredType::f16) return f(TypeOf<half>());
    if (p.out_type == StoredType::bf16) return f(TypeOf<bfloat>());
  }
  if (p.out_type == StoredType::f32)
    f(TypeOf<float>());
  else
    f(TypeOf<T>());
}
/// The lse of a query; asked for only where p.lse is set.
FT_FUNCTION FT_DEVICE float& lse_of(FT_CONSTANT const AttentionParams& p, int64_t batch, int64_t head,
                                    int64_t row) {
  return *rows_from(p.lse, p.lse_strides, batch, head, row + first_row(p.query_starts, batch, p.query_length))
              .first;
}

/// The tiles of `tile_rows` rows that hold so many rows.
FT_FUNCTION int64_t tiles_of(int64_t rows, int tile_rows) { return (rows + tile_rows - 1) / tile_rows; }

/// A run's rows as a tensor of extents (columns, rows), none where `rows` is negative. Its indices are 32-bit.
template <class T>
FT_FUNCTION Matrix<T> matrix_of(FT_THREAD const RowRun<T>& run, int64_t rows, int columns) {
  const int64_t stride[2] = {1, run.step};
  return Matrix<T>(run.first, dextents<int, 2>(columns, rows > 0 ? static_cast<int>(rows) : 0), stride);
}

/// One query head of one batch entry, and the KV head that it reads; tensors hold its rows from `row` on, those of q as
/// far as they are there, those of k and v up to `end`, which is not past the last that is there.
template <class T>
struct Head {
  FT_CONSTANT const AttentionParams& p;
  int64_t batch, head, kv_head;

  FT_FUNCTION Head(FT_CONSTANT const AttentionParams& params, int64_t batch_index, int64_t head_index)
      : p(params),
        batch(batch_index),
        head(head_index),
        kv_head(head_index / (params.query_heads / params.kv_heads)) {}

  FT_FUNCTION Entry entry() const { return entry_of(p, batch); }
  /// Queries that are there.
  FT_FUNCTION int64_t rows() const { return entry().query_length; }
  /// The keys of rows first ... first + count - 1.
  FT_FUNCTION KeyRange keys_of(int64_t first, int count) const {
    return entry().keys(first, first + count - 1);
  }

  FT_FUNCTION Matrix<const T> queries(int64_t row) const {
    return matrix_of(query_rows<T>(p, batch, head, row), rows() - row, p.head_dim);
  }
  /// Keys row ... end - 1; of pages as many as follow each other.
  FT_FUNCTION Matrix<const T> keys(int64_t row, int end) const {
    return matrix_of(key_rows<T>(p, batch, kv_head, row), end - row, p.head_dim);
  }
  FT_FUNCTION Matrix<const T> values(int64_t row, int end) const {
    return matrix_of(value_rows<T>(p, batch, kv_head, row), end - row, p.value_dim);
  }
  template <class E>
  FT_FUNCTION Matrix<E> out(int64_t row) const {
    return matrix_of(out_rows<E>(p, batch, head, row), entry().result_rows - row, p.value_dim);
  }
  /// Starts loading the queries from `row` on.
  template <class Scope, class Stages>
  FT_FUNCTION void load_queries(FT_THREADGROUP Stages& stages, int64_t row) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_q.given()) {
        const auto run = coded_query_rows(p, batch, head, row);
        return fill_tile<Scope>(stages, 0, rows() - row, p.head_dim, reader_of(run));
      }
    }
    auto source = queries(row);
    load_tile_async<Scope>(stages, 0, source);
  }
  /// Starts loading keys row ... end - 1, as far as the stage has room; or values. kPages: they may lie in pages.
  template <class Scope, bool kPages, class Stages>
  FT_FUNCTION void load_keys(FT_THREADGROUP Stages& stages, int stage, int64_t row, int end) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_k.given()) {
        return load_codes<Scope, kPages>(stages, stage, end - row, p.head_dim, [this, row](int64_t r) {
          return coded_key_rows(p, batch, kv_head, row + r);
        });
      }
    }
    if constexpr (kPages) {
      if (p.pages.given()) {
        return load_rows_async<Scope>(stages, stage, static_cast<int>(end - row), p.head_dim,
                                      [&](int r) { return key_rows<T>(p, batch, kv_head, row + r).first; });
      }
    }
    auto source = keys(row, end);
    load_tile_async<Scope>(stages, stage, source);
  }
  template <class Scope, bool kPages, class Stages>
  FT_FUNCTION void load_values(FT_THREADGROUP Stages& stages, int stage, int64_t row, int end) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_v.given()) {
        return load_codes<Scope, kPages>(stages, stage, end - row, p.value_dim, [this, row](int64_t r) {
          return coded_value_rows(p, batch, kv_head, row + r);
        });
      }
    }
    if constexpr (kPages) {
      if (p.pages.given()) {
        return load_rows_async<Scope>(stages, stage, static_cast<int>(end - row), p.value_dim,
                                      [&](int r) { return value_rows<T>(p, batch, kv_head, row + r).first; });
      }
    }
    auto source = values(row, end);
    load_tile_async<Scope>(stages, stage, source);
  }

  // Single elements, for rows that are computed again.
  FT_FUNCTION float query_at(int64_t row, int column) const {
    if constexpr (kReadsCodes<T>)
      if (p.coded_q.given()) return coded_query_rows(p, batch, head, row).element(0, column);
    return static_cast<float>(query_rows<T>(p, batch, head, row).first[column]);
  }
  FT_FUNCTION float key_at(int64_t row, int column) const {
    if constexpr (kReadsCodes<T>)
      if (p.coded_k.given()) return coded_key_rows(p, batch, kv_head, row).element(0, column);
    return static_cast<float>(key_rows<T>(p, batch, kv_head, row).first[column]);
  }
  FT_FUNCTION float value_at(int64_t row, int column) const {
    if constexpr (kReadsCodes<T>)
      if (p.coded_v.given()) return coded_value_rows(p, batch, kv_head, row).element(0, column);
    return static_cast<float>(value_rows<T>(p, batch, kv_head, row).first[column]);
  }
  /// Which of `count` rows of values from `row` on, at most N, hold an infinity or a NaN: one bit a row.
  template <int N>
  FT_FUNCTION uint32_t broken_values(int64_t row, int count) const {
    if constexpr (kReadsCodes<T>) {
      if (p.coded_v.given()) {
        uint32_t broken = 0;
        for (int r = 0; r < count; ++r) {
          for (int d = 0; d < p.value_dim; ++d) {
            const float value = value_at(row + r, d);
            if (value - value != 0.0f) broken |= 1u << r;
          }
        }
        return broken;
      }
    }
    const auto rows = value_rows<T>(p, batch, kv_head, row);
    return simd_rows_not_finite<N>(rows.first, rows.step, count, p.value_dim);
  }
  FT_FUNCTION FT_DEVICE float& lse(int64_t row) const { return lse_of(p, batch, head, row); }

  /// One element of the output.
  FT_FUNCTION float out_at(int64_t row, int column) const {
    float element = 0.0f;
    with_out_type<T>(p, [&](auto type) {
      using E = typename decltype(type)::type;
      element = static_cast<float>(out_rows<E>(p, batch, head, row).first[column]);
    });
    return element;
  }
  /// Which of `count` rows of the output from `row` on, at most N, hold an infinity or a NaN: one bit a row.
  template <int N>
  FT_FUNCTION uint32_t broken_rows(int64_t row, int count) const {
    uint32_t broken = 0;
    with_out_type<T>(p, [&](auto type) {
      const auto rows = out_rows<typename decltype(type)::type>(p, batch, head, row);
      broken = simd_rows_not_finite<N>(rows.first, rows.step, count, p.value_dim);
    });
    return broken;
  }

 private:
  /// Starts filling a stage with coded rows; run_at(r) are those from the r-th on.
  template <class Scope, bool kPages, class Stages, class RunAt>
  FT_FUNCTION void load_codes(FT_THREADGROUP Stages& stages, int stage, int64_t rows, int columns,
                              RunAt run_at) const {
    if constexpr (kPages) {
      if (p.pages.given()) {
        return fill_tile<Scope>(stages, stage, rows, columns,
                                [=](int row, int column, int count, FT_THREAD auto* to) {
                                  run_at(row).read(0, column, count, to);
                                });
      }
    }
    fill_tile<Scope>(stages, stage, rows, columns, reader_of(run_at(0)));
  }
  /// What fills a tile with rows that it reads.
  template <class Run>
  static FT_FUNCTION auto reader_of(Run run) {
    return [=](int row, int column, int count, FT_THREAD auto* to) { run.read(row, column, count, to); };
  }
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::kernels
