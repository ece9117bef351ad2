// Every way to multiply matrices on every device against the oracle: every row of the type table,
// transposes, ragged and empty sizes, alpha and beta. A way that declines must be expected to, below, and is
// skipped with its own reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "flashtile/error.h"
#include "flashtile/gemm.h"
#include "reference/bounds.h"
#include "reference/gemm.h"
#include "src/backends/cpu/isa.h"
#include "tests/ops/on_metal_emulated.h"

namespace flashtile::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Types {
  DType a, b, c;
};

/// The rows of the matmul2d type table, written out once more, and those that only CPUs have.
std::vector<Types> type_table() {
  constexpr DType f32 = DType::f32, f16 = DType::f16, bf16 = DType::bf16, i8 = DType::i8, u8 = DType::u8;
  std::vector<Types> rows = {{f32, f32, f32},
                             {f16, f32, f32},
                             {f32, f16, f32},
                             {bf16, f32, f32},
                             {f32, bf16, f32},
                             {i8, i8, DType::i32},
                             {u8, u8, DType::i32},
                             {i8, u8, DType::i32},
                             {u8, i8, DType::i32},
                             {i8, DType::int4, DType::i32},
                             {u8, DType::uint4, DType::i32}};
  for (const DType half_type : {f16, bf16}) {
    for (const DType c : {half_type, f32}) {
      rows.push_back({half_type, half_type, c});
      for (const DType byte : {i8, u8}) {
        rows.push_back({half_type, byte, c});
        rows.push_back({byte, half_type, c});
      }
      for (const DType nibble : {DType::int4, DType::uint4}) rows.push_back({half_type, nibble, c});
    }
    for (const DType byte : {i8, u8}) {
      if (half_type == f16) rows.insert(rows.end(), {{f32, byte, f32}, {byte, f32, f32}});
    }
  }
  for (const DType c : {f16, bf16, f32}) rows.insert(rows.end(), {{f16, bf16, c}, {bf16, f16, c}});
  return rows;
}

struct Sizes {
  std::int64_t m, n, k;
};

struct GemmCase {
  std::string name;
  Types types{DType::f32, DType::f32, DType::f32};
  Sizes size{1, 1, 1};
  bool transpose_a = false, transpose_b = false, transpose_c = false;  ///< columns are contiguous
  float alpha = 1.0f, beta = 0.0f;
  std::int64_t padding = 0;  ///< elements between lines
};
void PrintTo(const GemmCase& c, std::ostream* out) { *out << c.name; }

class Random {
 public:
  std::uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }
  double uniform() { return static_cast<double>(next() >> 8) / 8388608.0 - 1.0; }  // [-1, 1)
 private:
  std::uint32_t state_ = 7;
};

/// A matrix in memory, NaN or garbage around it, and its elements as doubles.
struct Matrix {
  Tensor memory;
  TensorView view;
  Tensor exact;  ///< f64, packed

  reference::Array2 array() const { return {exact.as<double>(), {exact.shape()[1], 1}}; }
};

Matrix matrix(DType dtype, std::int64_t rows, std::int64_t columns, bool transposed, std::int64_t padding,
              Random& random) {
  const bool nibbles = bits(dtype) == 4;
  const std::int64_t length = (transposed ? rows : columns) + padding, lines = transposed ? columns : rows;
  Tensor wide(DType::f64, {lines > 0 ? lines : 1, length > 0 ? length : 1});
  const bool integer = dtype == DType::i8 || dtype == DType::u8 || dtype == DType::i32 || nibbles;
  const double low = dtype == DType::i8 ? -128 : dtype == DType::int4 ? -8 : 0;
  const double high = dtype == DType::i8     ? 127
                      : dtype == DType::u8   ? 255
                      : dtype == DType::int4 ? 7
                      : dtype == DType::i32  ? 1000
                                             : 15;
  for (std::int64_t n = 0; n < wide.size(); ++n) {
    const double u = random.uniform();
    const bool inside = n % wide.shape()[1] < length - padding;
    wide.as<double>()[n] = integer ? std::floor(low + (u + 1) / 2 * (high - low + 1)) : inside ? u : kNaN;
  }
  Matrix result;
  result.memory = convert(wide, dtype);
  result.view = {
      result.memory.data(), dtype, {rows, columns}, transposed ? Dims{1, length} : Dims{length, 1}, {}};
  result.exact = convert(result.view, DType::f64);
  return result;
}

reference::Format format_of(DType dtype) {
  return dtype == DType::f16    ? reference::kFloat16
         : dtype == DType::bf16 ? reference::kBfloat16
                                : reference::kFloat32;
}

std::vector<GemmCase> gemm_cases() {
  std::vector<GemmCase> all;
  for (const Types& t : type_table()) {
    const std::string types = std::string(name(t.a)) + "_" + name(t.b) + "_" + name(t.c);
    for (int turn = 0; turn < 4; ++turn) {
      all.push_back({.name = "Types_" + types + "_" + "nt"[turn / 2] + "nt"[turn % 2],
                     .types = t,
                     .size = {70, 134, 150},
                     .transpose_a = turn / 2 == 1,
                     .transpose_b = turn % 2 == 1});
    }
    all.push_back({.name = "Accumulate_" + types, .types = t, .size = {65, 18, 33}, .beta = 1.0f});
    all.push_back(
        {.name = "Padded_" + types, .types = t, .size = {9, 21, 40}, .transpose_b = true, .padding = 6});
  }
  for (const Sizes& s : std::vector<Sizes>{{1, 1, 1},
                                           {1, 200, 64},
                                           {200, 1, 64},
                                           {1, 1, 500},
                                           {63, 127, 129},
                                           {64, 128, 128},
                                           {65, 129, 1},
                                           {5, 7, 1000},
                                           {128, 300, 2}}) {
    for (const auto& [a, b] : {std::pair{DType::f32, DType::f32}, std::pair{DType::f16, DType::f16}}) {
      all.push_back({.name = "Sizes_" + std::to_string(s.m) + "_" + std::to_string(s.n) + "_" +
                             std::to_string(s.k) + "_" + name(a),
                     .types = {a, b, DType::f32},
                     .size = s});
    }
  }
  // Deeper than what any way keeps of A in a cache, and more rows and columns than one task has.
  for (const Types& t : {Types{DType::f32, DType::f32, DType::f32}, Types{DType::bf16, DType::bf16, DType::f32},
                         Types{DType::i8, DType::i8, DType::i32}, Types{DType::u8, DType::u8, DType::i32},
                         Types{DType::i8, DType::u8, DType::i32}, Types{DType::u8, DType::i8, DType::i32}}) {
    for (const bool turned : {false, true}) {
      const std::string name_end =
          std::string(name(t.a)) + (t.a == t.b ? "" : name(t.b)) + (turned ? "_turned" : "");
      all.push_back({.name = "Deep_" + name_end,
                     .types = t,
                     .size = {37, 70, 4229},
                     .transpose_a = turned,
                     .transpose_b = !turned});
      all.push_back({.name = "Large_" + name_end,
                     .types = t,
                     .size = {1061, 1050, 19},
                     .transpose_a = turned,
                     .transpose_b = turned});
    }
  }
  // Sizes on both sides of every tile's edges, in each of the four transposes, lines apart or not.
  Random sizes;
  for (int turn = 0; turn < 48; ++turn) {
    const auto size = [&] {
      constexpr std::int64_t kEdges[] = {8, 16, 32, 48, 64, 96, 128, 192};
      return kEdges[sizes.next() >> 29] + static_cast<std::int64_t>(sizes.next() >> 24) % 5 - 2;
    };
    all.push_back({.name = "Transposes_" + std::to_string(turn),
                   .types = turn / 4 % 3 == 0   ? Types{DType::f32, DType::f32, DType::f32}
                            : turn / 4 % 3 == 1 ? Types{DType::f16, DType::f16, DType::f32}
                                                : Types{DType::bf16, DType::bf16, DType::bf16},
                   .size = {size(), size(), size()},
                   .transpose_a = turn % 2 == 1,
                   .transpose_b = turn / 2 % 2 == 1,
                   .alpha = turn % 3 == 0 ? 1.0f : -0.75f,
                   .beta = turn % 5 == 0 ? 0.5f : 0.0f,
                   .padding = turn % 7});
  }
  for (const Sizes& s : std::vector<Sizes>{{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {0, 0, 0}}) {
    for (const float beta : {0.0f, 0.5f}) {
      all.push_back({.name = "Empty_" + std::to_string(s.m) + std::to_string(s.n) + std::to_string(s.k) +
                             (beta == 0 ? "" : "_beta"),
                     .size = s,
                     .beta = beta});
    }
  }
  for (const auto& [alpha, beta] :
       {std::pair{2.0f, 0.0f}, std::pair{-0.5f, 0.25f}, std::pair{1.0f, -1.0f}, std::pair{0.0f, 3.0f}}) {
    for (const DType c : {DType::f32, DType::f16}) {
      all.push_back({.name = "Factors_" + std::to_string(all.size()),
                     .types = {DType::f16, DType::f16, c},
                     .size = {40, 150, 77},
                     .alpha = alpha,
                     .beta = beta});
    }
    all.push_back(
        {.name = "Factors_" + std::to_string(all.size()), .size = {40, 150, 77}, .alpha = alpha, .beta = beta});
  }
  for (int turn = 0; turn < 8; ++turn) {
    all.push_back({.name = "ColumnMajorC_" + std::to_string(turn),
                   .size = {30, 70, 50},
                   .transpose_a = (turn & 1) != 0,
                   .transpose_b = (turn & 2) != 0,
                   .transpose_c = true,
                   .alpha = 1.5f,
                   .beta = (turn & 4) != 0 ? 1.0f : 0.0f,
                   .padding = 3});
  }
  return all;
}

bool is_small(const GemmCase& c) { return c.size.m * c.size.n * c.size.k <= 1'500'000; }

/// Why a way cannot run a product, in its own words.
struct Reason {
  std::string text;
  bool holds;  ///< for this product
};

/// The reasons that a way may give for one product. Ways that are not here run everything.
std::vector<Reason> reasons_of(const std::string& way, const GemmCase& c, Device device) {
  const auto [a, b, out] = c.types;
  const bool bytes = a == DType::i8 || a == DType::u8;
  const bool mixed_bytes = bytes && (b == DType::i8 || b == DType::u8) && a != b;
  const bool empty = c.size.k == 0 || c.alpha == 0;
  if (way == "panels") {  // it has bytes where the processor multiplies them
    const bool runs = (a == b || mixed_bytes) && (!bytes || backend::best_isa() >= backend::Isa::avx512_bf16);
    return {{"it is for CPUs", device.type != DeviceType::cpu},
            {"no kernel is compiled for these element types and this instruction set", !runs}};
  }
  if (way == "tensor_ops")
    return {{"no kernel is compiled for this device, these element types",
             mixed_bytes && device.type != DeviceType::cpu}};
  if (way == "simdgroup")
    return {{"no kernel is compiled for this device, these element types", a != b || bytes}};
  if (way == "vendor.cblas") {
    return {{"it is for CPUs", device.type != DeviceType::cpu},
            {"CBLAS multiplies f32 with f32 only", !(a == DType::f32 && b == a && out == a)},
            {"CBLAS may read C where K = 0", empty},
            {"cannot be loaded", device.type == DeviceType::cpu}};  // it may not be installed
  }
  if (way == "vendor.cublas") {
    const auto in_words = [&](std::int64_t line) { return (line + c.padding) % 4 == 0; };
    const bool aligned =
        in_words(c.transpose_a ? c.size.m : c.size.k) && in_words(c.transpose_b ? c.size.k : c.size.n);
    return {{"it is for NVIDIA GPUs", device.type != DeviceType::cuda},
            {"cuBLAS multiplies operands of one type", a != b},
            {"cuBLAS needs i8 lines aligned to 4 bytes", a == DType::i8 && !aligned},
            {"cuBLAS multiplies f32, f16, bf16 and i8", a == DType::u8},
            {"cuBLAS takes no empty products", empty},
            {"libcublas", device.type == DeviceType::cuda}};  // which may not be installed
  }
  return {};
}

/// Is this refusal for a reason that holds?
bool may_decline(const std::string& refusal, const std::vector<Reason>& reasons) {
  return std::any_of(reasons.begin(), reasons.end(), [&](const Reason& reason) {
    return reason.holds && refusal.find(reason.text) != std::string::npos;
  });
}

/// Computes a product on a device; on another than the CPU, on copies of all the matrices' memory.
void run_on(Device device, const Matrix& out, const Matrix& a, const Matrix& b, const GemmOptions& options) {
  if (device == Device::cpu()) return gemm(out.view, a.view, b.view, options);
  const auto there = [&](const Matrix& matrix) { return copy_to(matrix.memory, device); };
  const auto view_of = [&](const Matrix& matrix, const Tensor& memory) {
    TensorView view = matrix.view;
    view.data = memory.data();
    view.device = device;
    return view;
  };
  const Tensor device_out = there(out), device_a = there(a), device_b = there(b);
  gemm(view_of(out, device_out), view_of(a, device_a), view_of(b, device_b), options);
  Queue::default_for(device).synchronize();
  const Tensor back = copy_to(device_out, Device::cpu());
  std::memcpy(out.memory.data(), back.data(), back.size_bytes());
}

class GemmParity : public ::testing::TestWithParam<std::tuple<GemmCase, std::string, Device>> {};

TEST_P(GemmParity, AgreesWithTheOracle) {
  const auto& [c, way, device] = GetParam();
  Random random;
  const Matrix a = matrix(c.types.a, c.size.m, c.size.k, c.transpose_a, c.padding, random);
  const Matrix b = matrix(c.types.b, c.size.k, c.size.n, c.transpose_b, c.padding, random);
  const Matrix out = matrix(c.types.c, c.size.m, c.size.n, c.transpose_c, c.padding, random);
  const Tensor before = copy_to(out.memory, Device::cpu());
  if (c.beta == 0 && c.types.c != DType::i32) {  // the old content is not read
    const Tensor nothing =
        convert(packed_view(std::vector<double>(static_cast<std::size_t>(out.memory.size()), kNaN).data(),
                            DType::f64, {out.memory.size()}),
                c.types.c);
    for (std::int64_t i = 0; i < c.size.m; ++i) {
      for (std::int64_t j = 0; j < c.size.n; ++j) {
        const std::int64_t at = i * out.view.strides[0] + j * out.view.strides[1], bytes = bits(c.types.c) / 8;
        std::memcpy(static_cast<std::byte*>(out.view.data) + at * bytes, nothing.data(),
                    static_cast<std::size_t>(bytes));
      }
    }
  }
  try {
    run_on(device, out, a, b, {.alpha = c.alpha, .beta = c.beta, .way = way});
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    ASSERT_TRUE(may_decline(e.what(), reasons_of(way, c, device))) << "unexpected refusal: " << e.what();
    GTEST_SKIP() << e.what();
  }
  const Tensor found = convert(out.view, DType::f64);
  for (std::int64_t i = 0; i < c.size.m; ++i) {
    for (std::int64_t j = 0; j < c.size.n; ++j) {
      const reference::GemmElement e =
          reference::gemm_element(a.array(), b.array(), out.array(), c.size.k, static_cast<double>(c.alpha),
                                  static_cast<double>(c.beta), i, j);
      const double value = found.as<double>()[i * c.size.n + j];
      if (c.types.c == DType::i32)
        ASSERT_EQ(static_cast<std::int32_t>(value), reference::wrapped(e.value)) << "at " << i << ", " << j;
      else
        ASSERT_LE(std::fabs(value - e.value),
                  reference::gemm_bound(c.size.k, e.value, e.magnitude, format_of(c.types.c)))
            << "at " << i << ", " << j;
    }
  }
  // What lies between the lines is as it was.
  const std::int64_t length = before.shape()[1];
  const std::size_t bytes = static_cast<std::size_t>(bits(c.types.c) / 8);
  for (std::int64_t n = 0; n < before.size(); ++n) {
    if (n % length < length - c.padding) continue;
    ASSERT_EQ(
        std::memcmp(static_cast<std::byte*>(before.data()) + static_cast<std::size_t>(n) * bytes,
                    static_cast<std::byte*>(out.memory.data()) + static_cast<std::size_t>(n) * bytes, bytes),
        0);
  }
}

std::string test_name(const ::testing::TestParamInfo<GemmParity::ParamType>& info) {
  const auto& [c, way, device] = info.param;
  return as_test_name(c.name + "_" + way + "_" + name(device));
}
INSTANTIATE_TEST_SUITE_P(Gemm, GemmParity,
                         ::testing::Combine(::testing::ValuesIn(cases_under_test(gemm_cases(), 5, is_small)),
                                            ::testing::ValuesIn(built(gemm_ways())),
                                            ::testing::ValuesIn(devices_under_test())),
                         test_name);

/// f16 in, f32 out: products are exact in float32, so only the order of sums counts.
class GemmOnDevice : public ::testing::TestWithParam<Device> {};

TEST_P(GemmOnDevice, HalfProductsIntoFloatAreWithin3e7OfTheLargestElement) {
  for (const Sizes& s : std::vector<Sizes>{
           {64, 64, 64}, {64, 128, 64}, {128, 64, 64}, {128, 128, 64}, {64, 64, 128}, {256, 192, 128}}) {
    for (const char* way : {"tensor_ops", "simdgroup"}) {
      Random random;
      const Matrix a = matrix(DType::f16, s.m, s.k, false, 0, random),
                   b = matrix(DType::f16, s.k, s.n, false, 0, random),
                   c = matrix(DType::f32, s.m, s.n, false, 0, random);
      run_on(GetParam(), c, a, b, {.way = way});
      double error = 0, largest = 0;
      for (std::int64_t i = 0; i < s.m; ++i) {
        for (std::int64_t j = 0; j < s.n; ++j) {
          const double exact = reference::gemm_element(a.array(), b.array(), {}, s.k, 1.0, 0.0, i, j).value;
          const double found = static_cast<double>(c.memory.as<float>()[i * s.n + j]);
          error = std::fmax(error, std::fabs(found - exact));
          largest = std::fmax(largest, std::fabs(exact));
        }
      }
      EXPECT_LE(error / largest, 3e-7) << way << " " << s.m << "x" << s.n << "x" << s.k;
    }
  }
}

TEST_P(GemmOnDevice, IntegersWrapAt32Bits) {
  // 255 * 255 * 40000 passes 2^31.
  const std::int64_t k = 40000;
  Random random;
  const Matrix a = matrix(DType::u8, 1, k, false, 0, random), b = matrix(DType::u8, k, 1, false, 0, random),
               c = matrix(DType::i32, 1, 1, false, 0, random);
  std::fill_n(a.memory.as<std::uint8_t>(), k, std::uint8_t{255});
  std::fill_n(b.memory.as<std::uint8_t>(), k, std::uint8_t{255});
  run_on(GetParam(), c, a, b, {});
  EXPECT_EQ(c.memory.as<std::int32_t>()[0], reference::wrapped(255.0 * 255.0 * 40000.0));
  EXPECT_LT(c.memory.as<std::int32_t>()[0], 0);
}

INSTANTIATE_TEST_SUITE_P(Gemm, GemmOnDevice, ::testing::ValuesIn(devices_under_test()), [](const auto& tested) {
  std::string text = name(tested.param);
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return text;
});

}  // namespace
}  // namespace flashtile::test
