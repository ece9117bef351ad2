// A user's program: one attention call whose answer is known, and one refused call. Exits
// 0 when both are right.
#include <flashtile/attention.h>
#include <flashtile/error.h>
#include <flashtile/launch.h>

#include <algorithm>
#include <cstdio>

using flashtile::DType;
using flashtile::Tensor;

int main() {
  // Two equal keys: the answer is the mean of the two values.
  const Tensor q(DType::f32, {1, 1, 1, 4}), k(DType::f32, {1, 1, 2, 4}), v(DType::f32, {1, 1, 2, 4});
  std::fill_n(q.as<float>(), 4, 1.0f);
  std::fill_n(k.as<float>(), 8, 1.0f);
  std::fill_n(v.as<float>(), 4, 1.0f);
  std::fill_n(v.as<float>() + 4, 4, 3.0f);
  const Tensor out = flashtile::attention(q, k, v);
  std::printf("mean of 1 and 3: %g\n", static_cast<double>(out.as<float>()[3]));
  if (out.as<float>()[3] != 2.0f) return 1;

  try {
    flashtile::attention(q, k, q);  // one value for two keys
  } catch (const flashtile::Error& error) {
    std::printf("refused: %s\n", error.what());
    return error.code() == flashtile::ErrorCode::invalid_argument ? 0 : 1;
  }
  return 1;
}
