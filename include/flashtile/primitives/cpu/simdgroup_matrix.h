// simdgroup_matrix<T, 8, 8>, and (ours) blocks of R x C of them as one operand, which fill wider matrix units.
//
// On a CPU a block is a small tile in memory, of floats that are values of T. It is stored by columns, so
// that lanes are rows. A block that was loaded by rows stays so until lanes are needed, because a right
// operand can be read either way.
#pragma once

#include "flashtile/primitives/common/simdgroup_matrix.h"
#include "flashtile/primitives/cpu/cooperative_tensor.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Row and column of element i (0 or 1) of an 8x8 matrix that lane `lane` (0 ... 31) of an Apple GPU holds as
/// thread_elements()[i]. A CPU has no such lanes and no thread_elements; this tells tests and ported kernels
/// where each element is on a GPU.
struct matrix_element {
  int row, column;
};
constexpr matrix_element thread_element(int lane, int i) {
  const int quad = lane / 4;
  return {(quad & 4) + lane / 2 % 4, (quad & 2) * 2 + lane % 2 * 2 + i};
}

namespace detail {

/// Are both names of one object? Objects of different types never are.
template <class A, class B>
bool is_same_object(const A& a, const B& b) {
  if constexpr (std::is_same_v<A, B>)
    return &a == &b;
  else
    return false;
}

}  // namespace detail

/// R x C matrices of 8 x 8 elements, rows then columns of the block. A fresh block is not initialised.
template <class T, int R, int C>
class simdgroup_matrix_block {
  static_assert(std::is_same_v<T, float> || detail::is_16_bit_float<T>,
                "simdgroup_matrix: elements are half, bfloat or float");
  static_assert(R >= 1 && C >= 1, "simdgroup_matrix_block: at least one matrix each way");

 public:
  using element_type = T;
  using lane_tile_storage = float;
  static constexpr int kRows = R * 8, kColumns = C * 8;
  static constexpr int kPitch = (kRows + kLanes - 1) / kLanes * kLanes;
  static constexpr int kRowPitch = (kColumns + kLanes - 1) / kLanes * kLanes;

#if defined(FLASHTILE_POISON)
  simdgroup_matrix_block() { fill(__builtin_nanf("")); }
#else
  simdgroup_matrix_block() = default;
#endif
  /// `diagonal` where row = column, 0 elsewhere.
  explicit simdgroup_matrix_block(float diagonal) {
    fill(0.0f);
    const float value = static_cast<float>(static_cast<T>(diagonal));
    for (int i = 0; i < kRows && i < kColumns; ++i) memory_[i * kPitch + i] = value;
  }

  // For this backend only.
  void fill(float value) {
    float* data = columns_to_fill();
    const floats x = detail::rounded_to<T>(floats(value));
    for (int i = 0; i < kColumns * kPitch; i += kLanes) x.store(data + i);
  }
  /// Lanes of rows: element (r, c) is data()[c * kPitch + r].
  float* data() {
    if (by_row_) turn();
    return memory_;
  }
  const float* data() const {
    if (by_row_) turn();
    return memory_;
  }
  /// Memory to be filled row by row, element (r, c) at [r * kRowPitch + c]; or column by column.
  float* rows_to_fill() {
    by_row_ = true;
    used_columns = kColumns;
    return memory_;
  }
  float* columns_to_fill() {
    by_row_ = false;
    used_columns = kColumns;
    return memory_;
  }
  detail::left_view as_left() const { return {data(), kPitch, panel::kWidth, kPitch, used_columns}; }
  detail::right_view as_right() const {
    if (by_row_) return {{memory_, 4, 4 * kRowPitch}, kRows, kColumns};
    return {{memory_, 4 * kPitch, 4}, kRows, kColumns};
  }
  void written_everywhere() { used_columns = kColumns; }
  int used_columns = kColumns;  // a clipped load left the others at 0; products skip them
  static constexpr int first_row() { return 0; }
  static constexpr int local_rows() { return kRows; }

 private:
  void turn() const {
    alignas(64) float by_row[kRows * kRowPitch];
    std::memcpy(by_row, memory_, sizeof by_row);
    detail::copy_columns<float, float>(memory_, kPitch, by_row, kRowPitch, kPitch, kColumns, kRows, kColumns);
    by_row_ = false;
  }

  static constexpr int kColumnSlots = kColumns * kPitch;
  static constexpr int kRowSlots = kRows * kRowPitch;
  static constexpr int kSlots = kColumnSlots > kRowSlots ? kColumnSlots : kRowSlots;
  alignas(64) mutable float memory_[kSlots];
  mutable bool by_row_ = false;
};

/// A block that will be a right operand. On GPUs its lanes hold other elements; here it is an ordinary block.
template <class T, int R, int C>
using simdgroup_right_block = simdgroup_matrix_block<T, R, C>;

/// One 8 x 8 matrix.
template <class T, int Columns, int Rows>
class simdgroup_matrix : public simdgroup_matrix_block<T, 1, 1> {
  static_assert(Columns == 8 && Rows == 8,
                "simdgroup_matrix: only 8 x 8 exists; simdgroup_matrix_block holds more");

 public:
  using simdgroup_matrix_block<T, 1, 1>::simdgroup_matrix_block;
  simdgroup_matrix() = default;
};

/// One value for each row of a block that is R matrices high.
template <int R>
class simdgroup_rows {
 public:
  using element_type = float;
  using lane_tile_storage = float;
  static constexpr int kRows = R * 8, kColumns = 1, kPitch = (kRows + kLanes - 1) / kLanes * kLanes;

  simdgroup_rows() {
    for (int i = 0; i < kPitch; i += kLanes) floats(detail::fresh<float>()).store(memory_ + i);
  }
  float* data() { return memory_; }
  const float* data() const { return memory_; }
  void written_everywhere() {}
  static constexpr int first_row() { return 0; }
  static constexpr int local_rows() { return kRows; }

 private:
  alignas(64) float memory_[kPitch];
};

/// A matrix whose elements are all v.
template <class T, int Columns, int Rows = Columns>
inline simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T v) {
  simdgroup_matrix<T, Columns, Rows> m;
  m.fill(static_cast<float>(v));
  return m;
}

/// Reads a block from device or threadgroup memory, unchecked: with o = origin and e = elements_per_row,
/// d(r, c) = src[(o.y + r) * e + o.x + c], or, transposed, src[(o.y + c) * e + o.x + r].
template <class T, int R, int C, class E>
inline void simdgroup_load(simdgroup_matrix_block<T, R, C>& d, const E* src,
                           std::int64_t elements_per_row = C * 8, matrix_origin origin = {},
                           bool transpose = false) {
  static_assert(std::is_same_v<T, E>,
                "simdgroup_load: memory and matrix have different element types; load converts");
  using Block = simdgroup_matrix_block<T, R, C>;
  const E* from = src + origin.y * elements_per_row + origin.x;
  if (transpose)
    detail::copy_rows<float, E>(d.columns_to_fill(), Block::kPitch, from, elements_per_row, Block::kColumns,
                                Block::kPitch, Block::kRows);
  else
    detail::copy_rows<float, E>(d.rows_to_fill(), Block::kRowPitch, from, elements_per_row, Block::kRows,
                                Block::kRowPitch, Block::kColumns);
}

/// Writes a block to memory, by the formulas of simdgroup_load.
template <class T, int R, int C, class E>
inline void simdgroup_store(const simdgroup_matrix_block<T, R, C>& a, E* dst,
                            std::int64_t elements_per_row = C * 8, matrix_origin origin = {},
                            bool transpose = false) {
  static_assert(std::is_same_v<T, E>,
                "simdgroup_store: memory and matrix have different element types; store converts");
  using Block = simdgroup_matrix_block<T, R, C>;
  E* to = dst + origin.y * elements_per_row + origin.x;
  if (transpose)
    detail::write_rows<float, E>(to, elements_per_row, a.data(), Block::kPitch, Block::kColumns, Block::kRows);
  else
    detail::write_columns<float, E>(to, elements_per_row, a.data(), Block::kPitch, Block::kRows,
                                    Block::kColumns);
}

/// d = a b + c, each with its own element type. Sums are chains of fused multiply-adds in float, starting from
/// c, k ascending, and rounded to d's type once. d may be the same object as a, b or c.
template <class Td, class Ta, class Tb, class Tc, int R, int K, int L, int C, int Rd, int Cd, int Rc, int Cc>
inline void simdgroup_multiply_accumulate(simdgroup_matrix_block<Td, Rd, Cd>& d,
                                          const simdgroup_matrix_block<Ta, R, K>& a,
                                          const simdgroup_matrix_block<Tb, L, C>& b,
                                          const simdgroup_matrix_block<Tc, Rc, Cc>& c) {
  static_assert(K == L && Rd == R && Cd == C && Rc == R && Cc == C,
                "simdgroup_multiply_accumulate: d and c must be R x C, a R x K and b K x C matrices");
  using Block = simdgroup_matrix_block<Td, R, C>;
  const void *at = &d, *old = &c;
  if (detail::is_same_object(d, a) || detail::is_same_object(d, b)) {
    simdgroup_matrix_block<Td, R, C> result;
    simdgroup_multiply_accumulate(result, a, b, c);
    d = result;
    return;
  }
  const float* from = c.data();
  float* sums = at == old ? d.data() : d.columns_to_fill();
  d.written_everywhere();
  if (at != old) std::memcpy(sums, from, sizeof(float) * Block::kColumns * Block::kPitch);
  detail::product<detail::product_of<float, float>>(a.as_left(), b.as_right(), sums, Block::kPitch,
                                                    Block::kPitch, Block::kColumns, true);
  detail::round_all<Td>(sums, Block::kColumns * Block::kPitch);
}

/// d = a b.
template <class Td, class Ta, class Tb, int R, int K, int L, int C, int Rd, int Cd>
inline void simdgroup_multiply(simdgroup_matrix_block<Td, Rd, Cd>& d, const simdgroup_matrix_block<Ta, R, K>& a,
                               const simdgroup_matrix_block<Tb, L, C>& b) {
  static_assert(K == L && Rd == R && Cd == C,
                "simdgroup_multiply: d must be R x C, a R x K and b K x C matrices");
  using Block = simdgroup_matrix_block<Td, R, C>;
  if (detail::is_same_object(d, a) || detail::is_same_object(d, b)) {
    simdgroup_matrix_block<Td, R, C> result;
    simdgroup_multiply(result, a, b);
    d = result;
    return;
  }
  float* sums = d.columns_to_fill();
  detail::product<detail::product_of<float, float>>(a.as_left(), b.as_right(), sums, Block::kPitch,
                                                    Block::kPitch, Block::kColumns, false);
  detail::round_all<Td>(sums, Block::kColumns * Block::kPitch);
}

// ---- ours ---------------------------------------------------------------------------------------------------

/// Fills a block from a tensor's first rows and columns, converted; elements outside the tensor become 0.
template <class T, int R, int C, class E, class X, class D>
inline void load(simdgroup_matrix_block<T, R, C>& block, const tensor<E, X, D>& source) {
  static_assert(X::rank() == 2, "load: give a tensor of rank 2");
  using Block = simdgroup_matrix_block<T, R, C>;
  const auto m = detail::matrix_of(source);
  float* data = block.columns_to_fill();
  block.used_columns = m.columns < Block::kColumns ? m.columns : Block::kColumns;
  detail::copy_columns<float, std::remove_cv_t<E>>(
      data, Block::kPitch, m.data, m.stride, Block::kPitch, Block::kColumns,
      m.rows < Block::kRows ? m.rows : Block::kRows, block.used_columns);
  if constexpr (!std::is_same_v<T, std::remove_cv_t<E>>)
    detail::round_all<T>(data, Block::kColumns * Block::kPitch);
}

/// load, for a mask or a bias: a tensor with an extent of 1 is repeated along it.
template <class T, int R, int C, class E, class X, class D>
inline void load_repeated(simdgroup_matrix_block<T, R, C>& block, const tensor<E, X, D>& source) {
  static_assert(X::rank() == 2, "load_repeated: give a tensor of rank 2");
  detail::load_repeated<simdgroup_matrix_block<T, R, C>>(block.columns_to_fill(), detail::matrix_of(source), 0);
}

/// Writes a block to a tensor, converted; elements outside the tensor are dropped.
template <class T, int R, int C, class E, class X, class D>
inline void store(const simdgroup_matrix_block<T, R, C>& block, const tensor<E, X, D>& destination) {
  static_assert(X::rank() == 2, "store: give a tensor of rank 2");
  using Block = simdgroup_matrix_block<T, R, C>;
  const auto m = detail::matrix_of(destination);
  detail::write_columns<float, E>(m.data, m.stride, block.data(), Block::kPitch,
                                  m.rows < Block::kRows ? m.rows : Block::kRows,
                                  m.columns < Block::kColumns ? m.columns : Block::kColumns);
}

/// Matrix columns first ... first + Columns - 1 of a block, as elements of T.
template <class T, int Columns, class From, int R, int C>
inline simdgroup_matrix_block<T, R, Columns> convert_columns(const simdgroup_matrix_block<From, R, C>& block,
                                                             int first) {
  static_assert(Columns <= C, "convert_columns: the block has fewer columns");
  simdgroup_matrix_block<T, R, Columns> result;
  constexpr int kPitch = simdgroup_matrix_block<T, R, Columns>::kPitch;
  const float* from = block.data() + first * 8 * kPitch;
  float* to = result.columns_to_fill();
  for (int i = 0; i < Columns * 8 * kPitch; i += kLanes)
    detail::rounded_to<T>(floats::load(from + i)).store(to + i);
  return result;
}

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
