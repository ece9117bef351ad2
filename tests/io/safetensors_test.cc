#include "src/io/safetensors.h"

#include <gmock/gmock.h>

#include <sstream>

#include "tests/io/bytes.h"

namespace flashtile::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string safetensors(const std::string& header, const std::string& data) {
  return le(header.size(), 8) + header + data;
}

std::unique_ptr<TensorFile> open(const std::string& file) {
  return open_safetensors(memory_source(bytes_of(file), "t"));
}

std::string error_of(const std::string& header, const std::string& data = "") {
  const std::string file = safetensors(header, data);
  return message_of([&] { open(file); });
}
/// The error for one tensor "q" with these members.
std::string entry_error(const std::string& entry, const std::string& data = "") {
  return error_of("{\"q\":" + entry + "}", data);
}

TEST(Safetensors, ReadsHandmadeBytes) {
  const std::string file = safetensors(R"({"__metadata__":{"format":"pt"},)"
                                       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                       R"("a":{"dtype":"BF16","shape":[1,1],"data_offsets":[8,10]},)"
                                       R"("s":{"dtype":"I8","shape":[],"data_offsets":[10,11]},)"
                                       R"("e":{"dtype":"F16","shape":[0,5],"data_offsets":[11,11]}}   )",
                                       raw<float>({1, 2}) + std::string("\x80\x3f", 2) + "\x07");
  const std::unique_ptr<TensorFile> tensors = open(file);
  EXPECT_THAT(tensors->names(), testing::UnorderedElementsAre("a", "b", "s", "e"));
  EXPECT_THAT(values_of<float>(tensors->read("b")), ElementsAre(1, 2));
  EXPECT_EQ(static_cast<float>(values_of<bfloat>(tensors->read("a"))[0]), 1.0f);
  EXPECT_THAT(values_of<std::int8_t>(tensors->read("s")), ElementsAre(7));
  EXPECT_EQ(tensors->read("e").shape(), (Dims{0, 5}));
  EXPECT_EQ(message_of([&] { tensors->read("q"); }), "t: there is no tensor 'q'; the file holds a, b, e, s");
}

TEST(Safetensors, WritesGoldenBytes) {
  const std::vector<float> values{1, 2};
  std::ostringstream out;
  write_safetensors(out, std::vector<NamedView>{{"q", packed_view(values.data(), DType::f32, {2})}},
                    {{"seed", "3"}});
  const std::string header =
      R"({"__metadata__":{"seed":"3"},"q":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  EXPECT_EQ(out.str(), le(120, 8) + header + std::string(120 - header.size(), ' ') + raw(values));
}

TEST(Safetensors, RoundTripsEveryTypeItHasAndAlignsThem) {
  const std::string data(48, '\x35');
  std::vector<NamedView> views;
  for (const DType dtype :
       {DType::u8, DType::i8, DType::bf16, DType::f16, DType::f32, DType::i32, DType::f64, DType::i64}) {
    views.push_back({name(dtype), packed_view(data.data(), dtype, {3, 1})});
  }
  std::ostringstream out;
  write_safetensors(out, views);
  const std::string file = out.str();
  const std::unique_ptr<TensorFile> tensors = open(file);
  for (const NamedView& view : views) {
    const Tensor back = tensors->read(view.name);
    EXPECT_EQ(back.dtype(), view.view.dtype);
    EXPECT_EQ(back.shape(), view.view.shape);
    EXPECT_EQ(std::memcmp(back.data(), data.data(), back.size_bytes()), 0);
  }
  EXPECT_THAT(file, HasSubstr(R"("f64":{"data_offsets":[0,24])"));
}

TEST(Safetensors, WritesStridedViewsPacked) {
  const std::vector<float> values{0, 1, 2, 3};
  std::ostringstream out;
  write_safetensors(
      out, std::vector<NamedView>{{"q", packed_view(values.data(), DType::f32, {2, 2}).permuted({1, 0})}});
  const std::string file = out.str();
  EXPECT_THAT(values_of<float>(open(file)->read("q")), ElementsAre(0, 2, 1, 3));
}

TEST(Safetensors, RefusesToWriteWhatItLacks) {
  const std::uint8_t pair = 0;
  const TensorView nibbles = packed_view(&pair, DType::int4, {2}), bytes = packed_view(&pair, DType::u8, {1});
  const auto refused = [](const std::vector<NamedView>& views) {
    std::ostringstream out;
    return message_of([&] { write_safetensors(out, views); }, ErrorCode::invalid_argument);
  };
  EXPECT_EQ(refused({{"q", nibbles}}), "write_safetensors: .safetensors has no type for int4");
  EXPECT_EQ(refused({{"q", bytes}, {"q", bytes}}), "write_safetensors: name 'q' is taken");
  EXPECT_EQ(refused({{"__metadata__", bytes}}), "write_safetensors: name '__metadata__' is taken");
}

TEST(Safetensors, TypesThatDTypeLacksAreOnlyRefusedWhenRead) {
  const std::string file =
      safetensors(R"({"i":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},)"
                  R"("r":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[8,9]}})",
                  std::string(9, '\0'));
  const std::unique_ptr<TensorFile> tensors = open(file);
  EXPECT_EQ(message_of([&] { tensors->read("i"); }),
            "t: tensor 'i' has dtype U64, which flashtile lacks; convert it to F32, F16 or BF16, or to I32, I8 "
            "or U8");
  EXPECT_EQ(message_of([&] { tensors->read("r"); }), "t: tensor 'r' has 9 dimensions; at most 8 are read");
}

TEST(Safetensors, IntegersOfAnyWidthAreAMaskWhenAsked) {
  const std::string file = safetensors(
      R"({"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]},)"
      R"("u":{"dtype":"U16","shape":[2,1],"data_offsets":[2,6]},)"
      R"("i":{"dtype":"U64","shape":[2],"data_offsets":[6,22]},)"
      R"("f":{"dtype":"BF16","shape":[1],"data_offsets":[22,24]}})",
      std::string("\0\1", 2) + le(0, 2) + le(0x100, 2) + le(std::uint64_t{1} << 63, 8) + le(0, 8) + "\x80\x3f");
  const auto tensors = open_safetensors(memory_source(bytes_of(file), "t"), {.integers_are_boolean = true});
  EXPECT_THAT(values_of<std::uint8_t>(tensors->read("b")), ElementsAre(0, 1));
  EXPECT_THAT(values_of<std::uint8_t>(tensors->read("u")), ElementsAre(0, 1));
  EXPECT_EQ(tensors->read("u").shape(), (Dims{2, 1}));
  EXPECT_THAT(values_of<std::uint8_t>(tensors->read("i")), ElementsAre(1, 0));
  EXPECT_EQ(tensors->read("f").dtype(), DType::bf16);
}

TEST(SafetensorsErrors, NothingButSpacesMayFollowTheHeader) {
  const std::string entry = R"({"q":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
  const std::string refused = "t: safetensors header: something follows the JSON; only spaces may";
  EXPECT_EQ(open(safetensors(entry + "   ", "x"))->names().size(), 1u);
  for (const std::string& tail : {std::string(3, '\0'), std::string(1, '\0') + "{\"q\": \"anything at all\"",
                                  std::string(1, '\0') + "}", std::string("anything"), std::string("\n")}) {
    EXPECT_EQ(error_of(entry + tail, "x"), refused) << tail;
  }
  EXPECT_EQ(error_of(entry + " }", "x").rfind("t: safetensors header: ", 0), 0u);  // the parser's own words
}

TEST(SafetensorsErrors, HeaderLength) {
  EXPECT_EQ(message_of([] { open("1234567"); }),
            "t: cut short: safetensors header length needs 8 bytes at offset 0; the file has 7");
  EXPECT_EQ(message_of([] { open(le(3, 8) + "{}"); }),
            "t: safetensors header length is 3; the file has 10 bytes and at most 100000000 are read");
  EXPECT_THAT(message_of([] { open(le(~std::uint64_t{0}, 8) + "{}"); }),
              StartsWith("t: safetensors header length is 18446744073709551615;"));
}

TEST(SafetensorsErrors, HeaderIsStrictJson) {
  EXPECT_EQ(error_of(" {}"), "t: safetensors header: does not start with '{'");
  EXPECT_EQ(error_of(""), "t: safetensors header: does not start with '{'");
  EXPECT_THAT(error_of("{"), StartsWith("t: safetensors header: "));
  EXPECT_THAT(error_of("{} {}"), StartsWith("t: safetensors header: "));
  EXPECT_THAT(error_of("{\"\xff\":1}"), StartsWith("t: safetensors header: "));
  EXPECT_EQ(
      error_of(
          R"({"q":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"q":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})",
          "x"),
      "t: safetensors header: key 'q' is there twice");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1],"shape":[2],"data_offsets":[0,2]})", "xx"),
            "t: safetensors header: key 'shape' is there twice");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[[1]],"data_offsets":[0,1]})", "x"),
            "t: safetensors header: nested deeper than 3 levels");
  EXPECT_EQ(error_of(R"({"__metadata__":{"a":1}})"),
            "t: safetensors header: __metadata__ must map strings to strings");
  EXPECT_EQ(error_of(R"({"__metadata__":[]})"),
            "t: safetensors header: __metadata__ must map strings to strings");
}

TEST(SafetensorsErrors, Entries) {
  EXPECT_EQ(entry_error("1"), "t: tensor 'q' needs exactly dtype, shape and data_offsets");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1]})"),
            "t: tensor 'q' needs exactly dtype, shape and data_offsets");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1],"offsets":[0,1]})"),
            "t: tensor 'q' needs exactly dtype, shape and data_offsets");
  EXPECT_EQ(entry_error(R"({"dtype":8,"shape":[1],"data_offsets":[0,1]})"),
            "t: tensor 'q' has a dtype that is no string");
  EXPECT_EQ(entry_error(R"({"dtype":"F12","shape":[1],"data_offsets":[0,1]})"),
            "t: tensor 'q' has the unknown dtype 'F12'");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":1,"data_offsets":[0,1]})"),
            "t: tensor 'q' has a shape that is no array");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})"),
            "t: tensor 'q' shape holds -1; a size is expected");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1.5],"data_offsets":[0,1]})"),
            "t: tensor 'q' shape holds 1.5; a size is expected");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]})"),
            "t: tensor 'q' has a shape that overflows 64 bits");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]})"),
            "t: tensor 'q' has a shape that overflows 64 bits");
  EXPECT_EQ(entry_error(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})", "xx"),
            "t: tensor 'q' does not fill whole bytes");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})"),
            "t: tensor 'q' needs two data_offsets");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1],"data_offsets":[0,"1"]})"),
            "t: tensor 'q' data_offsets holds \"1\"; a size is expected");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", "xxxx"),
            "t: tensor 'q' needs 8 bytes; data_offsets are [0,4]");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", "xxxx"),
            "t: tensor 'q' needs 8 bytes; data_offsets are [8,0]");
}

TEST(SafetensorsErrors, RangesMustCoverTheData) {
  const auto two = [](const std::string& first, const std::string& second, const std::string& data) {
    return error_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + first +
                        R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}",
                    data);
  };
  EXPECT_EQ(two("[0,2]", "[3,5]", "xxxxx"),
            "t: tensor 'b' begins at 3; 2 is expected, without holes or overlaps");
  EXPECT_EQ(two("[0,2]", "[1,3]", "xxx"),
            "t: tensor 'b' begins at 1; 2 is expected, without holes or overlaps");
  EXPECT_EQ(two("[0,2]", "[0,2]", "xx"), "t: tensor 'b' begins at 0; 2 is expected, without holes or overlaps");
  EXPECT_EQ(two("[0,2]", "[2,4]", "xxx"), "t: the tensors cover 4 bytes of data; the file has 3");
  EXPECT_EQ(two("[0,2]", "[2,4]", "xxxxx"), "t: the tensors cover 4 bytes of data; the file has 5");
}

}  // namespace
}  // namespace flashtile::io
