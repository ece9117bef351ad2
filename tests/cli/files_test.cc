// The program on files as people have them: other types, other names, other layouts, and files that are none.
#include <gmock/gmock.h>

#include "tests/cli/program.h"

namespace flashtile::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class FilesTest : public ProgramTest {
 protected:
  /// A .npy of these bytes.
  void write_npy(const std::string& name, const std::string& descr, const std::string& shape,
                 const std::string& data) const {
    const std::string dict = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "}";
    const std::string length{static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)};
    std::ofstream(path(name), std::ios::binary)
        << std::string("\x93NUMPY\x01\x00", 8) << length << dict << data;
  }
  template <class T>
  static std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
  }
  /// One head, one query, two keys of values 1 and 3: a mask that hides the second makes 1 of it.
  void write_inputs() const {
    write_npy("q.npy", "<f4", "(1, 1, 1, 1)", raw<float>({0}));
    write_npy("k.npy", "<f4", "(1, 1, 2, 1)", raw<float>({0, 0}));
    write_npy("v.npy", "<f4", "(1, 1, 2, 1)", raw<float>({1, 3}));
  }
  std::string qkv() const {
    return "--q " + path("q.npy") + " --k " + path("k.npy") + " --v " + path("v.npy") + " ";
  }
  /// What a run with these options computes.
  float result_of(const std::string& options) const {
    const Result result = flashtile("run " + qkv() + options + " --out " + path("o.npy"));
    EXPECT_EQ(result.code, 0) << options << ": " << result.error;
    return result.code == 0 ? *open(path("o.npy"))->read("").as<float>() : -1;
  }
};

TEST_F(FilesTest, MasksOfEveryType) {
  write_inputs();
  EXPECT_EQ(result_of(""), 2.0f);
  write_npy("i1.npy", "|i1", "(2,)", raw<std::int8_t>({-1, 0}));
  write_npy("i2.npy", "<i2", "(2,)", raw<std::int16_t>({256, 0}));
  write_npy("i4.npy", "<i4", "(2,)", raw<std::int32_t>({1, 0}));
  write_npy("i8.npy", "<i8", "(1, 1, 1, 2)", raw<std::int64_t>({std::int64_t{1} << 40, 0}));
  write_npy("u2.npy", "<u2", "(2,)", raw<std::uint16_t>({1, 0}));
  for (const char* mask : {"i1.npy", "i2.npy", "i4.npy", "i8.npy", "u2.npy"})
    EXPECT_EQ(result_of("--mask " + path(mask)), 1.0f) << mask;

  const std::vector<std::uint16_t> bf16{0, 0xff80};  // 0 and -inf
  write_npy("V2.npy", "<V2", "(2,)", raw(bf16));
  EXPECT_EQ(result_of("--mask " + path("V2.npy")), 1.0f);
  write_npy("b2.npy", "<u2", "(2,)", raw(bf16));
  EXPECT_EQ(result_of("--mask-dtype bf16 --mask " + path("b2.npy")), 1.0f);
  EXPECT_EQ(result_of("--mask-dtype bf16 --bias " + path("b2.npy")), 1.0f);

  write_npy("f8.npy", "<f8", "(2,)", raw<double>({0, -1e300}));
  EXPECT_EQ(result_of("--mask " + path("f8.npy")), 1.0f);
  EXPECT_THAT(flashtile("check " + qkv() + "--mask " + path("f8.npy")).error,
              HasSubstr("mask is f64 and is rounded to f32\n"));
  EXPECT_EQ(json_of("check " + qkv() + "--mask " + path("f8.npy"))[0]["notes"][0],
            "mask is f64 and is rounded to f32");

  const Result bias = flashtile("check " + qkv() + "--bias " + path("i4.npy"));
  EXPECT_EQ(bias.code, 2);
  EXPECT_THAT(bias.error, HasSubstr("a bias is made of floats, and --mask takes integers"));
  const Result typed = flashtile("check " + qkv() + "--mask-dtype f16 --mask " + path("i4.npy"));
  EXPECT_EQ(typed.code, 2);
  EXPECT_THAT(typed.error, HasSubstr("is a boolean mask; only a bias has a type"));
}

TEST_F(FilesTest, InputsOfOtherTypes) {
  write_inputs();
  write_npy("v.npy", "<f8", "(1, 1, 2, 1)", raw<double>({1, 3}));
  EXPECT_EQ(result_of(""), 2.0f);
  EXPECT_THAT(flashtile("check " + qkv()).error, HasSubstr("v is f64 and is rounded to f32\n"));
  EXPECT_THAT(flashtile("check --dtype f32 " + qkv()).error, Not(HasSubstr("f64")));
  write_npy("v.npy", "<i4", "(1, 1, 2, 1)", raw<std::int32_t>({1, 3}));
  EXPECT_EQ(result_of("--dtype f32"), 2.0f);
  const Result refused = flashtile("check " + qkv());
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.error,
              HasSubstr("v has dtype i32; attention takes f32, f16 and bf16: --dtype f32 converts it"));
}

TEST_F(FilesTest, TensorsOfOtherNames) {
  const std::vector<float> values{0, 0, 1, 3};
  const auto view = [&](int first, std::int64_t length) {
    return packed_view(&values[static_cast<std::size_t>(first)], DType::f32, {1, 1, length, 1});
  };
  const std::string file = path("layer.safetensors");
  io::write_tensor_file(
      file, std::vector<io::NamedView>{{"query", view(0, 1)}, {"key", view(0, 2)}, {"value", view(2, 2)}});
  const Result missing = flashtile("check " + file);
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(
      missing.error,
      HasSubstr(
          file +
          ": there is no tensor 'q'; the file holds key, query, value; --names q=NAME says which one to take"));
  EXPECT_EQ(flashtile("run " + file + " --names q=query,k=key,v=value --out " + path("o.npy")).code, 0);
  EXPECT_EQ(*open(path("o.npy"))->read("").as<float>(), 2.0f);
  // In files of their own, too, where one holds several.
  EXPECT_EQ(
      flashtile("check --q " + file + " --k " + file + " --v " + file + " --names q=query,k=key,v=value").code,
      0);
  const Result npy = flashtile("check " + path("o.npy"));
  EXPECT_EQ(npy.code, 4);
  EXPECT_THAT(npy.error, HasSubstr("the file holds one without a name; --q reads a file of its own"));
}

TEST_F(FilesTest, AMaskThatIsNotUsedIsNoted) {
  const std::vector<float> values{0, 0, 1, 3};
  const std::vector<std::uint8_t> attend{1, 0};
  const auto view = [&](int first, std::int64_t length) {
    return packed_view(&values[static_cast<std::size_t>(first)], DType::f32, {1, 1, length, 1});
  };
  const std::string file = path("qkv.npz");
  const TensorView mask = packed_view(attend.data(), DType::u8, {2});
  io::write_tensor_file(file, std::vector<io::NamedView>{{"q", view(0, 1)},
                                                         {"k", view(0, 2)},
                                                         {"v", view(2, 2)},
                                                         {"mask", mask},
                                                         {"attn_bias", view(0, 2)},
                                                         {"q_segments", view(0, 1)},
                                                         {"x", view(0, 1)}});
  const Result result = flashtile("check " + file);
  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(result.error, file + " also holds 'mask', which is not used; --mask " + file + " adds it\n" + file +
                              " also holds 'attn_bias', which is not used; --bias " + file +
                              " --names bias=attn_bias adds it\n" + file +
                              " also holds 'q_segments', which is not used; --q-segments " + file +
                              " adds it\n");
  EXPECT_EQ(json_of("check " + file)[0]["notes"].size(), 3u);
  const Result used = flashtile("run " + file + " --mask " + file + " --out " + path("o.npy"));
  EXPECT_THAT(used.error, Not(HasSubstr("'mask'")));
  EXPECT_EQ(*open(path("o.npy"))->read("").as<float>(), 1.0f);
  EXPECT_EQ(flashtile("check " + file + " --quiet").error, "");
}

TEST_F(FilesTest, AForgottenLayoutIsGuessed) {
  std::vector<float> values(2 * 7 * 8 * 4);
  for (const auto& [name, length] : {std::pair{"q", 5}, {"k", 7}, {"v", 7}}) {
    write_npy(std::string(name) + ".npy", "<f4", "(2, " + std::to_string(length) + ", 8, 4)",
              raw(std::vector<float>(static_cast<std::size_t>(2 * length * 8 * 4), 1.0f)));
  }
  const Result forgotten = flashtile("check " + qkv());
  EXPECT_EQ(forgotten.code, 2);
  EXPECT_THAT(forgotten.error, HasSubstr("; the shapes fit --layout bshd (batch, length, heads, size)\n"));
  EXPECT_EQ(flashtile("check --layout bshd " + qkv()).code, 0);
}

TEST_F(FilesTest, FilesThatAreNoTensorsAreTold) {
  write_inputs();
  for (const auto& [content, what] : {std::pair<std::string, std::string>{"1.0 2.0\n", "this is a text file; "},
                                      {"PAR1" + std::string(60, '\0'), "this is a Parquet file; "},
                                      {"<!DOCTYPE html>", "this is an HTML page"},
                                      {"", "is empty; "}}) {
    std::ofstream(path("q.npy"), std::ios::binary) << content;
    const Result result = flashtile("check " + qkv());
    EXPECT_EQ(result.code, 4) << what;
    EXPECT_THAT(result.error, HasSubstr("q.npy: " + what));
  }
}

TEST_F(FilesTest, ProductsWithAnOldC) {
  write_npy("a.npy", "<f4", "(1, 2)", raw<float>({1, 2}));
  write_npy("b.npy", "<f4", "(2, 1)", raw<float>({3, 4}));
  write_npy("c.npy", "<f4", "(1, 1)", raw<float>({100}));
  const std::string files = " --a " + path("a.npy") + " --b " + path("b.npy") + " ";
  const auto product = [&](const std::string& options) {
    const Result result = flashtile("run --op gemm" + files + options + " --seconds 0 --out " + path("o.npy"));
    EXPECT_EQ(result.code, 0) << result.error;
    return *open(path("o.npy"))->read("").as<float>();
  };
  EXPECT_EQ(product(""), 11.0f);
  EXPECT_EQ(product("--alpha 2"), 22.0f);
  EXPECT_EQ(product("--alpha 2 --beta 0.5 --c " + path("c.npy")),
            72.0f);  // also after it was measured many times
  for (const char* options :
       {"--alpha -0.5 --beta 3", "--beta 1 --dtype i8", "--beta 1 --dtype bf16 --b-dtype f32"}) {
    for (const Json& line : json_of("check --op gemm --shape 5,7,9 " + std::string(options)))
      EXPECT_NE(line["verdict"], "wrong") << line;
  }
  const Result shape = flashtile("check --op gemm" + files + "--beta 1 --c " + path("a.npy"));
  EXPECT_EQ(shape.code, 2);
  EXPECT_THAT(shape.error, HasSubstr("c has shape (1, 2); (M, N) = (1, 1) is expected"));
}

TEST_F(FilesTest, FourBitMatricesOfAnyWidth) {
  for (const char* shape : {"2,7,32", "3,1,5", "1,9,1", "4,8,16"}) {
    for (const char* types :
         {"--dtype i8 --b-dtype int4", "--dtype u8 --b-dtype uint4", "--dtype f16 --b-dtype int4"}) {
      const std::vector<Json> lines = json_of(std::string("check --op gemm --shape ") + shape + " " + types);
      EXPECT_TRUE(
          std::any_of(lines.begin(), lines.end(), [](const Json& line) { return line["verdict"] == "ok"; }))
          << shape << types;
      for (const Json& line : lines) EXPECT_NE(line["verdict"], "wrong") << line;
    }
  }
  write_npy("a.npy", "|i1", "(1, 2)", raw<std::int8_t>({1, 10}));
  write_npy("b.npy", "|i1", "(2, 3)", raw<std::int8_t>({1, 2, 3, 4, 5, -6}));
  EXPECT_EQ(flashtile("run --op gemm --a " + path("a.npy") + " --b " + path("b.npy") +
                      " --b-dtype int4 --out " + path("c.npy"))
                .code,
            0);
  const Tensor c = open(path("c.npy"))->read("");
  EXPECT_EQ(std::vector(c.as<std::int32_t>(), c.as<std::int32_t>() + 3),
            (std::vector<std::int32_t>{41, 52, -57}));
}

}  // namespace
}  // namespace flashtile::cli
