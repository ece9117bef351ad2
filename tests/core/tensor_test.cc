// Shapes and views: what they say of themselves, and what they refuse.
#include "flashtile/tensor.h"

#include <gtest/gtest.h>

#include <limits>

#include "flashtile/error.h"

namespace flashtile {
namespace {

template <class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    return e.what();
  }
  return "no error";
}

TEST(Dims, PrintsLikeATuple) {
  EXPECT_EQ(to_string(Dims{}), "()");
  EXPECT_EQ(to_string(Dims{7}), "(7,)");
  EXPECT_EQ(to_string(Dims{2, -3}), "(2, -3)");
}

TEST(Dims, HoldsUpTo8) {
  EXPECT_EQ((Dims{1, 2, 3, 4, 5, 6, 7, 8}).rank(), 8);
  EXPECT_EQ(message_of([] { Dims{1, 2, 3, 4, 5, 6, 7, 8, 9}; }), "tensor: rank is 9; at most 8 is supported");
  EXPECT_NE((Dims{1, 2}), (Dims{1, 2, 0}));
}

TEST(ElementCount, IsCheckedIn64Bits) {
  EXPECT_EQ(element_count(Dims{}), 1);
  EXPECT_EQ(element_count(Dims{3, 4}), 12);
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  EXPECT_EQ(element_count(Dims{kHuge, kHuge, 0}), 0) << "a zero anywhere empties it";
  EXPECT_EQ(message_of([] { element_count(Dims{kHuge, kHuge}); }),
            "tensor: element count: 1099511627776 x 1099511627776 does not fit 64 bits");
  EXPECT_EQ(message_of([] { element_count(Dims{2, -1}); }), "tensor: shape (2, -1) has a negative size");
}

TEST(PackedStrides, AreRowMajor) {
  EXPECT_EQ(packed_strides(Dims{2, 3, 4}), (Dims{12, 4, 1}));
  EXPECT_EQ(packed_strides(Dims{2, 0, 4}).rank(), 3);
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  EXPECT_EQ(packed_strides(Dims{0, kHuge, kHuge}), (Dims{0, kHuge, 1})) << "strides that nobody reads";
}

TEST(View, PermutesDimensions) {
  float memory[24];
  const TensorView v = packed_view(memory, DType::f32, {2, 3, 4});
  const TensorView p = v.permuted({2, 0, 1});
  EXPECT_EQ(p.shape, (Dims{4, 2, 3}));
  EXPECT_EQ(p.strides, (Dims{1, 12, 4}));
  EXPECT_EQ(p.data, v.data);
  for (const Dims& wrong : {Dims{0, 1}, Dims{0, 1, 1}, Dims{0, 1, 3}, Dims{0, 1, -1}}) {
    EXPECT_EQ(message_of([&] { v.permuted(wrong); }),
              "permuted: order " + to_string(wrong) + " is not a permutation of the 3 dimensions of (2, 3, 4)");
  }
}

TEST(View, SlicesADimension) {
  float memory[24];
  const TensorView v = packed_view(memory, DType::f32, {2, 3, 4});
  const TensorView s = v.sliced(1, 1, 3);
  EXPECT_EQ(s.shape, (Dims{2, 2, 4}));
  EXPECT_EQ(s.data, memory + 4);
  EXPECT_EQ(v.sliced(0, 2, 2).shape[0], 0);
  EXPECT_EQ(message_of([&] { v.sliced(1, 2, 4); }), "sliced: [2, 4) of dimension 1 is not inside (2, 3, 4)");
  EXPECT_EQ(message_of([&] { v.sliced(1, 2, 1); }), "sliced: [2, 1) of dimension 1 is not inside (2, 3, 4)");
  EXPECT_EQ(message_of([&] { v.sliced(3, 0, 1); }), "sliced: [0, 1) of dimension 3 is not inside (2, 3, 4)");
  EXPECT_EQ(message_of([&] { v.sliced(0, -1, 1); }), "sliced: [-1, 1) of dimension 0 is not inside (2, 3, 4)");
}

TEST(View, SlicesThatReachTooFarAreRefused) {
  float element;
  TensorView v = packed_view(&element, DType::f32, {3});
  v.strides[0] = std::numeric_limits<std::int64_t>::max() / 2;
  EXPECT_EQ(message_of([&] { v.sliced(0, 1, 2); }),
            "sliced: offset in bytes: 4611686018427387903 x 4 does not fit 64 bits");
  EXPECT_EQ(v.sliced(0, 3, 3).data, &element) << "no elements";
  v.data = nullptr;
  EXPECT_EQ(v.sliced(0, 1, 2).data, nullptr) << "a plan's view has no memory";
}

TEST(View, A4BitSliceStartsAtAByte) {
  std::uint8_t memory[8];
  const TensorView v = packed_view(memory, DType::int4, {16});
  EXPECT_EQ(v.sliced(0, 6, 9).data, memory + 3);
  EXPECT_EQ(message_of([&] { v.sliced(0, 3, 9); }),
            "sliced: a 4-bit slice must start at a whole byte, not at element 3");
}

}  // namespace
}  // namespace flashtile
