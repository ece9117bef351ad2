#include <flashtile/attention.h>

#include <algorithm>

// 0 when attention over equal values is that value.
int main() {
  const flashtile::Tensor x(flashtile::DType::f32, {1, 1, 7, 16});
  std::fill_n(x.as<float>(), x.size(), 0.5f);
  const flashtile::Tensor out = flashtile::attention(x, x, x);
  return std::all_of(out.as<float>(), out.as<float>() + out.size(), [](float u) { return u == 0.5f; }) ? 0 : 1;
}
