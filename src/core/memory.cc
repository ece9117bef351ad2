#include "src/core/memory.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>

namespace flashtile::inline v0_2::core {
namespace {

/// A dimension that more than one element lies along; only its stride is read.
struct Step {
  std::int64_t count;   ///< at least 1: the size of the dimension less one
  std::int64_t stride;  ///< in elements, or in bytes where a function says so
};
struct Steps {
  std::array<Step, kMaxRank> values;
  int size = 0;
  const Step* begin() const { return values.data(); }
  const Step* end() const { return values.data() + size; }
};

Steps steps_of(const TensorView& view) {
  Steps steps;
  for (int i = 0; i < view.rank(); ++i) {
    if (view.shape[i] > 1)
      steps.values[static_cast<std::size_t>(steps.size++)] = {view.shape[i] - 1, view.strides[i]};
  }
  return steps;
}

std::int64_t floor_divided(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// The bytes of a row that a view touches when memory is cut into rows of `length` bytes that start at its data;
/// nothing when its longer strides are no multiples of the length.
std::optional<Reach> columns_of(const Steps& steps, std::int64_t element, std::int64_t length) {
  Reach columns{0, element};
  for (const auto [count, stride] : steps) {
    if (std::abs(stride) >= length) {
      if (stride % length != 0) return std::nullopt;
    } else {
      (stride < 0 ? columns.begin : columns.end) += count * stride;
    }
  }
  return columns;
}

/// `distance` is that from a's data to b's; all strides are in bytes.
bool have_columns_of_their_own(const Steps& a, std::int64_t a_element, const Steps& b, std::int64_t b_element,
                               std::int64_t distance) {
  const auto apart_in_rows_of = [&](std::int64_t length) {
    const auto a_columns = columns_of(a, a_element, length), b_columns = columns_of(b, b_element, length);
    if (!a_columns || !b_columns) return false;
    const std::int64_t offset = (distance % length + b_columns->begin - a_columns->begin) % length;
    const std::int64_t first = offset < 0 ? offset + length : offset;  // of b's columns, counted from a's
    return first >= a_columns->end - a_columns->begin && length - first >= b_columns->end - b_columns->begin;
  };
  const auto apart_by_a_stride_of = [&](const Steps& steps) {
    return std::any_of(steps.begin(), steps.end(),
                       [&](const Step& s) { return s.stride != 0 && apart_in_rows_of(std::abs(s.stride)); });
  };
  return apart_by_a_stride_of(a) || apart_by_a_stride_of(b);
}

Steps in_bytes(Steps steps, std::int64_t element) {
  for (int i = 0; i < steps.size; ++i) steps.values[static_cast<std::size_t>(i)].stride *= element;
  return steps;
}

}  // namespace

bool has_no_elements(const TensorView& view) noexcept {
  return std::any_of(view.shape.begin(), view.shape.end(), [](std::int64_t size) { return size <= 0; });
}

std::optional<Reach> reach_of(const TensorView& view) noexcept {
  if (has_no_elements(view)) return Reach{};
  std::int64_t first = 0, last = 0;  // elements
  for (const auto [count, stride] : steps_of(view)) {
    std::int64_t distance;
    if (__builtin_mul_overflow(count, stride, &distance) ||
        __builtin_add_overflow(distance < 0 ? first : last, distance, distance < 0 ? &first : &last)) {
      return std::nullopt;
    }
  }
  const Block block = block_of(view.dtype);
  Reach reach;
  if (__builtin_mul_overflow(floor_divided(first, block.elements), block.bytes, &reach.begin) ||
      __builtin_mul_overflow(last / block.elements, block.bytes, &reach.end) ||
      __builtin_add_overflow(reach.end, block.bytes, &reach.end)) {
    return std::nullopt;
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 57;  // no processor has more addresses
  if (reach.begin < -kMost || reach.end > kMost) return std::nullopt;
  return reach;
}

bool may_overlap_itself(const TensorView& view) noexcept {
  if (has_no_elements(view)) return false;
  Steps steps = steps_of(view);
  std::sort(steps.values.begin(), steps.values.begin() + steps.size,
            [](const Step& a, const Step& b) { return std::abs(a.stride) < std::abs(b.stride); });
  std::int64_t spanned = 1;  // elements from the first of a block of the smaller dimensions to its end
  for (const auto [count, stride] : steps) {
    if (std::abs(stride) < spanned) return true;
    spanned += count * std::abs(stride);
  }
  return false;
}

bool may_overlap(const TensorView& a, Reach a_reach, const TensorView& b, Reach b_reach) noexcept {
  if (a.device != b.device || a.data == nullptr || b.data == nullptr) return false;
  const auto a_data = reinterpret_cast<std::uintptr_t>(a.data),
             b_data = reinterpret_cast<std::uintptr_t>(b.data);
  const auto address = [](std::uintptr_t data, std::int64_t offset) {
    return data + static_cast<std::uintptr_t>(offset);
  };
  if (address(a_data, a_reach.end) <= address(b_data, b_reach.begin)) return false;
  if (address(b_data, b_reach.end) <= address(a_data, a_reach.begin)) return false;
  if (has_no_elements(a) || has_no_elements(b)) return false;
  const Block a_block = block_of(a.dtype), b_block = block_of(b.dtype);
  if (a_block.elements != 1 || b_block.elements != 1) return true;  // shared bytes: their ranges have to do
  const std::int64_t a_element = a_block.bytes, b_element = b_block.bytes;
  return !have_columns_of_their_own(in_bytes(steps_of(a), a_element), a_element,
                                    in_bytes(steps_of(b), b_element), b_element,
                                    static_cast<std::int64_t>(b_data - a_data));
}

}  // namespace flashtile::inline v0_2::core
