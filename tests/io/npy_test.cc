#include "src/io/npy.h"

#include <gmock/gmock.h>

#include <sstream>

#include "tests/io/bytes.h"

namespace flashtile::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor read(const std::string& file, const ReadOptions& options = {}) {
  return read_npy(*memory_source(bytes_of(file), "q.npy"), options);
}
std::string error_of(const std::string& file) {
  return message_of([&] { read(file); });
}
/// The error for a header with this dict and no data.
std::string header_error(const std::string& dict) { return error_of(npy(dict, "")); }

std::string written(const TensorView& view) {
  std::ostringstream out;
  write_npy(out, view);
  EXPECT_EQ(out.str().size(), npy_size(view));
  return out.str();
}

TEST(Npy, WritesTheBytesThatNumpyWrites) {
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  const std::string file = written(packed_view(values.data(), DType::f32, {2, 3}));
  EXPECT_EQ(file.size(), 152u);
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  EXPECT_EQ(file, "\x93NUMPY" + std::string("\x01\x00\x76\x00", 4) + dict +
                      std::string(117 - dict.size(), ' ') + "\n" + raw(values));
}

TEST(Npy, DataStartsAtAMultipleOf64ForAnyShape) {
  const float value = 1;
  for (std::size_t rank = 0; rank <= kMaxRank; ++rank) {
    const TensorView view = packed_view(&value, DType::f32, Dims(std::vector<std::int64_t>(rank, 1)));
    const std::string file = written(view);
    EXPECT_EQ((file.size() - 4) % 64, 0u) << file;
    EXPECT_EQ(read(file).shape(), view.shape) << file;
  }
}

TEST(Npy, RoundTripsEveryTypeItHas) {
  const std::string data(48, '\x35');
  for (const DType dtype :
       {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i32, DType::i64}) {
    const TensorView view = packed_view(data.data(), dtype, {2, 3});
    const Tensor back = read(written(view), {.two_bytes_are_bf16 = dtype == DType::bf16});
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(back.shape(), view.shape);
    EXPECT_EQ(std::memcmp(back.data(), data.data(), back.size_bytes()), 0);
  }
}

TEST(Npy, WritesStridedViewsPacked) {
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  const TensorView view = packed_view(values.data(), DType::f32, {2, 3}).permuted({1, 0});
  const Tensor back = read(written(view));
  EXPECT_EQ(back.shape(), (Dims{3, 2}));
  EXPECT_THAT(values_of<float>(back), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Npy, RefusesToWriteFourBitTypes) {
  const std::uint8_t pair = 0;
  EXPECT_EQ(message_of([&] { written(packed_view(&pair, DType::int4, {2})); }, ErrorCode::invalid_argument),
            "write_npy: .npy has no type for int4");
}

TEST(Npy, ReadsVersions2And3) {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}";
  for (const char version : {'\x02', '\x03'}) {
    const std::string file =
        std::string("\x93NUMPY") + version + '\0' + le(dict.size(), 4) + dict + raw<float>({7});
    EXPECT_THAT(values_of<float>(read(file)), ElementsAre(7));
  }
}

TEST(Npy, ReadsHeadersWrittenInOtherWays) {
  const std::string data = raw<float>({1, 2});
  for (const char* dict : {"{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":False}",
                           "  { 'fortran_order' : False , 'shape' : ( 2 , ) , 'descr' : '=f4' , }  \n",
                           "{'descr': 'f4', 'fortran_order': False, 'shape': (1, 2)}"}) {
    EXPECT_THAT(values_of<float>(read(npy(dict, data))), ElementsAre(1, 2)) << dict;
  }
}

TEST(Npy, ReadsScalarsAndEmptyArrays) {
  EXPECT_EQ(read(npy("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", raw<double>({5}))).shape(),
            Dims{});
  EXPECT_EQ(read(npy("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 0, 2)}", "")).shape(),
            (Dims{3, 0, 2}));
}

TEST(Npy, ReadsFortranOrderAsRowMajor) {
  const Tensor tensor = read(
      npy("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3)}", raw<std::int32_t>({0, 3, 1, 4, 2, 5})));
  EXPECT_EQ(tensor.shape(), (Dims{2, 3}));
  EXPECT_THAT(values_of<std::int32_t>(tensor), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Npy, SwapsBigEndianData) {
  const Tensor tensor = read(npy("{'descr': '>i4', 'fortran_order': False, 'shape': (2,)}",
                                 std::string("\0\0\1\2\xff\xff\xff\xfe", 8)));
  EXPECT_THAT(values_of<std::int32_t>(tensor), ElementsAre(258, -2));
}

TEST(Npy, ReadsBooleansAsBytes) {
  EXPECT_THAT(values_of<std::uint8_t>(read(
                  npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", std::string("\1\0\1", 3)))),
              ElementsAre(1, 0, 1));
}

TEST(Npy, ReadsBf16AndTwoByteIntegersAsThatOnlyWhenAsked) {
  for (const std::string descr : {"<u2", "|V2", "<V2", "bfloat16"}) {
    const std::string file =
        npy("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (1,)}", std::string("\x80\x3f", 2));
    EXPECT_EQ(static_cast<float>(*read(file, {.two_bytes_are_bf16 = true}).as<bfloat>()), 1.0f) << descr;
    if (descr == "<u2") {
      EXPECT_EQ(error_of(file),
                "q.npy: dtype '<u2' (uint16) is not read; if it holds bfloat16, ask for that (--dtype bf16)");
    } else {
      EXPECT_EQ(static_cast<float>(*read(file).as<bfloat>()), 1.0f) << descr;
    }
  }
}

TEST(Npy, IntegersOfAnyWidthAreAMaskWhenAsked) {
  const auto mask = [](const std::string& descr, const std::string& data, const char* order = "False") {
    return read(npy("{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': (2, 2)}", data),
                {.integers_are_boolean = true});
  };
  const auto attended = testing::Each(testing::Ne(0));
  for (const std::string width : {"1", "2", "4", "8"}) {
    const int bytes = std::stoi(width);
    for (const std::string sign : {"i", "u"}) {
      const std::string low = le(1, bytes),
                        high = std::string(static_cast<std::size_t>(bytes - 1), '\0') + "\x80";
      const std::vector<std::uint8_t> values =
          values_of<std::uint8_t>(mask("<" + sign + width, low + le(0, bytes) + high + low));
      EXPECT_EQ(values[1], 0) << sign << width;
      EXPECT_THAT((std::vector{values[0], values[2], values[3]}), attended) << sign << width;
    }
  }
  EXPECT_THAT(values_of<std::uint8_t>(mask(">i4", le(0, 4) + le(1, 4) + le(0, 8))), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(values_of<std::uint8_t>(mask("<i8", le(0, 8) + le(1, 8) + le(0, 16), "True")),
              ElementsAre(0, 0, 1, 0));
  EXPECT_EQ(mask("<f8", std::string(32, '\0')).dtype(), DType::f64);
  // With both options a two-byte integer is bf16: somebody said so.
  EXPECT_EQ(read(npy("{'descr': '<u2', 'fortran_order': False, 'shape': ()}", "\x80\x3f"),
                 {.two_bytes_are_bf16 = true, .integers_are_boolean = true})
                .dtype(),
            DType::bf16);
}

TEST(NpyErrors, NameTheFileAndTheFault) {
  EXPECT_EQ(error_of("\x93NUM"),
            "q.npy: cut short: npy magic and version needs 8 bytes at offset 0; the file has 4");
  EXPECT_EQ(error_of("not an npy file"), "q.npy: does not start with the npy magic");
  EXPECT_EQ(error_of(std::string("\x93NUMPY\x04\x00", 8)),
            "q.npy: npy version is 4.0; 1.0, 2.0 and 3.0 are known");
  EXPECT_EQ(error_of(std::string("\x93NUMPY\x01\x01", 8)),
            "q.npy: npy version is 1.1; 1.0, 2.0 and 3.0 are known");
  EXPECT_EQ(error_of(std::string("\x93NUMPY\x01\x00\x76", 9)),
            "q.npy: cut short: npy header length needs 2 bytes at offset 8; the file has 9");
  EXPECT_EQ(error_of(std::string("\x93NUMPY\x02\x00", 8) + le(1 << 20, 4)),
            "q.npy: npy header length is 1048576; at most 65535 is read");
  EXPECT_EQ(error_of(std::string("\x93NUMPY\x01\x00\x76\x00{", 11)),
            "q.npy: cut short: npy header needs 118 bytes at offset 10; the file has 11");
}

TEST(NpyErrors, HeaderIsParsedStrictly) {
  const std::string good = "'descr': '<f4', 'fortran_order': False, 'shape': (0,)";
  EXPECT_EQ(header_error(""), "q.npy: npy header: '{' is expected at character 0");
  EXPECT_EQ(header_error("{" + good), "q.npy: npy header: '}' is expected at character 54");
  EXPECT_EQ(header_error("{" + good + "} x"), "q.npy: npy header: there is text after the closing brace");
  EXPECT_EQ(header_error("{}"), "q.npy: npy header: key 'descr' is missing");
  EXPECT_EQ(header_error("{'descr': '<f4', 'fortran_order': False}"),
            "q.npy: npy header: key 'shape' is missing");
  EXPECT_EQ(header_error("{'descr': '<f4', 'shape': ()}"), "q.npy: npy header: key 'fortran_order' is missing");
  EXPECT_EQ(
      header_error("{" + good + ", 'descr': '<f4'}"),
      "q.npy: npy header: key 'descr' is unknown or given twice; descr, fortran_order and shape are expected");
  EXPECT_EQ(
      header_error("{" + good + ", 'extra': 1}"),
      "q.npy: npy header: key 'extra' is unknown or given twice; descr, fortran_order and shape are expected");
  EXPECT_EQ(header_error("{descr: '<f4'}"), "q.npy: npy header: a key is expected in quotes at character 1");
  EXPECT_EQ(header_error("{'descr': '<f4"), "q.npy: npy header: descr is expected in quotes at character 10");
  EXPECT_EQ(header_error("{'descr' '<f4'}"), "q.npy: npy header: ':' is expected at character 9");
  EXPECT_EQ(header_error("{'descr': [('a', '<f4')]}"),
            "q.npy: npy header: descr is a structured type; only plain numbers can be read");
  EXPECT_EQ(header_error("{'fortran_order': 0}"), "q.npy: npy header: fortran_order is neither True nor False");
  EXPECT_EQ(header_error("{'shape': 3}"), "q.npy: npy header: '(' is expected at character 10");
  EXPECT_EQ(header_error("{'shape': (-3,)}"), "q.npy: npy header: a size is expected at character 11");
  EXPECT_EQ(header_error("{'shape': (3"), "q.npy: npy header: ')' is expected at character 12");
  EXPECT_EQ(header_error("{'shape': (9223372036854775808,)}"),
            "q.npy: npy header: a size of shape does not fit 64 bits");
  EXPECT_EQ(header_error("{'shape': (1,1,1,1,1,1,1,1,1)}"),
            "q.npy: npy header: shape has more than 8 dimensions");
}

TEST(NpyErrors, TypesThatCannotBeReadAreNamed) {
  for (const auto& [descr, name] : {std::pair{"|O", " (Python objects)"},
                                    {"<f16", " (float128)"},
                                    {"<u8", " (uint64)"},
                                    {"<c8", " (complex64)"},
                                    {"", ""},
                                    {"<", ""},
                                    {"|V1", ""},
                                    {"<i999999", ""}}) {
    EXPECT_EQ(header_error("{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (0,)}"),
              "q.npy: dtype '" + std::string(descr) + "'" + name +
                  " is not read; convert it to float32, float16, int32, int8, uint8 or bool (numpy's astype)");
  }
}

TEST(NpyErrors, ShapeMustFitTheDataExactly) {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";
  EXPECT_EQ(error_of(npy(dict, std::string(23, '\0'))),
            "q.npy: shape (2, 3) of <f4 needs 24 bytes of data; the file has 23");
  EXPECT_EQ(error_of(npy(dict, std::string(25, '\0'))),
            "q.npy: shape (2, 3) of <f4 needs 24 bytes of data; the file has 25");
  EXPECT_EQ(header_error("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,4)}"),
            "q.npy: shape (4611686018427387904, 4) overflows 64 bits");
  // Empty, but its strides would overflow.
  EXPECT_EQ(header_error("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904,4)}"),
            "q.npy: shape (0, 4611686018427387904, 4) overflows 64 bits");
}

}  // namespace
}  // namespace flashtile::io
