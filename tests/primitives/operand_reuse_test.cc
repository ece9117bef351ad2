// A tile that one product made, or a clipped load, as an operand of a product.
#include "tests/primitives/cooperative_tensor_kernel.h"

namespace flashtile::test {
namespace {

using mode = matmul2d_descriptor::mode;

template <class T>
struct Chain {
  const T* a;  // 32 x 16
  const T* b;  // 16 x 48
  const T* c;  // 48 x 16
  float* out;  // 32 x 16
};
/// (A B) C without a trip to memory: the first product's tile becomes the second one's left operand, as
/// elements of T.
template <class T, class Scope>
struct ChainLeft {
  static FT_FUNCTION void run(const Chain<T>& p) {
    using First = matmul2d<matmul2d_descriptor{32, 48, 16}, Scope>;
    using Second =
        matmul2d<matmul2d_descriptor{32, 16, 48, false, false, false, mode::multiply_accumulate}, Scope>;
    Matrix<const T> a(p.a, dextents<int, 2>(16, 32)), b(p.b, dextents<int, 2>(48, 16)),
        c(p.c, dextents<int, 2>(16, 48));
    First first;
    Second second;
    auto s = first.template get_destination_cooperative_tensor<decltype(a), decltype(b), float>();
    first.run(a, b, s);
    static_assert(Second::template is_compatible_as_left_input<T, T, float, decltype(s)>());
    auto left = second.template get_left_input_cooperative_tensor<T, T, float>(s);
    auto d = second.template get_destination_cooperative_tensor<decltype(left), decltype(c), float>();
    map_elements(d, [](auto) { return 1.0f; });
    second.run(left, c, d);
    Matrix<float> out(p.out, dextents<int, 2>(16, 32));
    d.store(out);
  }
};
/// C^T's product as the right operand: A (B C).
template <class T>
struct ChainRight {
  static FT_FUNCTION void run(const Chain<T>& p) {
    using First = matmul2d<matmul2d_descriptor{16, 16, 48}, execution_simdgroup>;
    using Second = matmul2d<matmul2d_descriptor{32, 16, 16}, execution_simdgroup>;
    Matrix<const T> a(p.a, dextents<int, 2>(16, 32)), b(p.b, dextents<int, 2>(48, 16)),
        c(p.c, dextents<int, 2>(16, 48));
    First first;
    Second second;
    auto s = first.template get_destination_cooperative_tensor<decltype(b), decltype(c), float>();
    first.run(b, c, s);
    static_assert(Second::template is_compatible_as_right_input<T, T, float, decltype(s)>());
    auto right = second.template get_right_input_cooperative_tensor<T, T, float>(s);
    auto d = second.template get_destination_cooperative_tensor<decltype(a), decltype(right), float>();
    second.run(a, right, d);
    Matrix<float> out(p.out, dextents<int, 2>(16, 32));
    d.store(out);
  }
};
/// Small integers keep every step exact but the rounding of the inner product to T.
template <class T>
void check_chain(bool left, int simdgroups) {
  const auto a = random_values<T>(32 * 16, 29, small_value<T>),
             b = random_values<T>(16 * 48, 31, small_value<T>),
             c = random_values<T>(48 * 16, 37, small_value<T>);
  const Array<T> da(a), db(b), dc(c);
  const Array<float> out(32 * 16, -1.0f);
  const Chain<T> p{da.data(), db.data(), dc.data(), out.data()};
  if (!left)
    run<Body<ChainRight<T>, Chain<T>>>(p);
  else if (simdgroups == 1)
    run<Body<ChainLeft<T, execution_simdgroup>, Chain<T>>>(p);
  else
    run<Body<ChainLeft<T, execution_simdgroups<4>>, Chain<T>, 4>>(p);
  const auto found = out.read();
  const auto inner = [](const std::vector<T>& x, const std::vector<T>& y, int i, int j, int k, int xs, int ys) {
    float sum = 0.0f;
    for (int t = 0; t < k; ++t)
      sum += static_cast<float>(x[static_cast<std::size_t>(i * xs + t)]) *
             static_cast<float>(y[static_cast<std::size_t>(t * ys + j)]);
    return static_cast<float>(static_cast<T>(sum));
  };
  for (int i = 0; i < 32; ++i) {
    for (int j = 0; j < 16; ++j) {
      float expected = left ? 1.0f : 0.0f;
      if (left) {
        for (int t = 0; t < 48; ++t)
          expected +=
              inner(a, b, i, t, 16, 16, 48) * static_cast<float>(c[static_cast<std::size_t>(t * 16 + j)]);
      } else {
        for (int t = 0; t < 16; ++t)
          expected +=
              static_cast<float>(a[static_cast<std::size_t>(i * 16 + t)]) * inner(b, c, t, j, 48, 48, 16);
      }
      EXPECT_EQ(found[static_cast<std::size_t>(i * 16 + j)], expected) << i << ' ' << j;
    }
  }
}
TEST(CooperativeTensor, ADestinationBecomesALeftInput) {
  check_chain<float>(true, 1);
  check_chain<half>(true, 1);
  check_chain<bfloat>(true, 1);
  check_chain<half>(true, 4);
}
TEST(CooperativeTensor, ADestinationBecomesARightInput) {
  check_chain<float>(false, 1);
  check_chain<half>(false, 1);
}

// A left tile that was clipped when loaded leaves out what it lacks: NaN in the right
// operand's matching rows is not met.
struct Clipped {
  const float* a;  // 16 x 5
  const float* b;  // 16 x 16, NaN from row 5 on
  float* out;
};
struct SkipPadding {
  static FT_FUNCTION void run(const Clipped& p) {
    using Product = matmul2d<matmul2d_descriptor{16, 16, 16}, execution_simdgroup>;
    Product product;
    Matrix<const float> a(p.a, dextents<int, 2>(5, 16)), b(p.b, dextents<int, 2>(16, 16));
    auto left = product.get_left_input_cooperative_tensor<float, float, float>();
    left.load(a);
    auto d = product.get_destination_cooperative_tensor<decltype(left), decltype(b), float>();
    product.run(left, b, d);
    Matrix<float> out(p.out, dextents<int, 2>(16, 16));
    d.store(out);
  }
};
#if !defined(__CUDACC__)  // a promise of the CPU: elsewhere the padding is multiplied
TEST(CooperativeTensor, ProductsSkipWhatAClippedLoadLeftEmpty) {
  const auto a = random_values<float>(16 * 5, 41, small_value<float>);
  auto b = random_values<float>(16 * 16, 43, small_value<float>);
  for (std::size_t i = 5 * 16; i < b.size(); ++i) b[i] = NAN;
  const Array<float> da(a), db(b), out(256, -1.0f);
  run<Body<SkipPadding, Clipped>>({da.data(), db.data(), out.data()});
  const auto found = out.read();
  for (std::size_t i = 0; i < 256; ++i) {
    float expected = 0.0f;
    for (std::size_t t = 0; t < 5; ++t) expected += a[i / 16 * 5 + t] * b[t * 16 + i % 16];
    EXPECT_EQ(found[i], expected);
  }
}
#endif

}  // namespace
}  // namespace flashtile::test
