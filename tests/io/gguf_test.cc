#include "src/io/gguf.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/io/bytes.h"

namespace flashtile::io {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

std::string text(const std::string& value) { return le(value.size(), 8) + value; }

/// A key with a value of the type with this number.
std::string value(const std::string& key, std::uint32_t type, const std::string& bytes) {
  return text(key) + le(type, 4) + bytes;
}

/// A list whose elements have the type with this number.
std::string list(const std::string& key, std::uint32_t type, std::uint64_t count, const std::string& elements) {
  return value(key, 9, le(type, 4) + le(count, 8) + elements);
}

/// A line of the directory; sizes with the contiguous one first.
std::string tensor(const std::string& name, const std::vector<std::uint64_t>& sizes, std::uint32_t type,
                   std::uint64_t offset) {
  return text(name) + le(sizes.size(), 4) + raw(sizes) + le(type, 4) + le(offset, 8);
}

std::string gguf(const std::vector<std::string>& values, const std::vector<std::string>& tensors,
                 const std::string& data = "", std::size_t alignment = 32) {
  std::string file = "GGUF" + le(3, 4) + le(tensors.size(), 8) + le(values.size(), 8);
  for (const auto* parts : {&values, &tensors})
    for (const std::string& part : *parts) file += part;
  if (!data.empty()) file.append((alignment - file.size() % alignment) % alignment, '\0');
  return file + data;
}

std::unique_ptr<GgufFile> open(const std::string& file, const ReadOptions& options = {}) {
  return open_gguf(memory_source(bytes_of(file), "t"), options);
}

std::string error_of(const std::string& file) {
  return message_of([&] { open(file); });
}
/// The error for one tensor.
std::string tensor_error(const std::string& line, const std::string& data = "") {
  return error_of(gguf({}, {line}, data));
}

std::string half_bytes(float value) { return le(half(value).bits, 2); }

TEST(Gguf, ReadsHandmadeBytes) {
  const std::string file =
      gguf({},
           {tensor("m", {2, 3}, 0, 0), tensor("b", {1, 1}, 30, 32), tensor("s", {}, 24, 64),
            tensor("e", {5, 0}, 1, 96)},
           raw<float>({1, 2, 3, 4, 5, 6}) + std::string(8, '\0') + std::string("\x80\x3f", 2) +
               std::string(30, '\0') + "\x07" + std::string(31, '\0'));
  const std::unique_ptr<GgufFile> found = open(file);
  EXPECT_THAT(found->names(), ElementsAre("m", "b", "s", "e"));
  EXPECT_THAT(values_of<float>(found->read("m")), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(found->read("m").shape(), (Dims{3, 2}));  // two contiguous elements in each of three rows
  EXPECT_EQ(static_cast<float>(values_of<bfloat>(found->read("b"))[0]), 1.0f);
  EXPECT_THAT(values_of<std::int8_t>(found->read("s")), ElementsAre(7));
  EXPECT_EQ(found->read("s").shape(), Dims{});
  EXPECT_EQ(found->read("e").shape(), (Dims{0, 5}));
  EXPECT_EQ(message_of([&] { found->read("q"); }), "t: there is no tensor 'q'; the file holds m, b, s, e");
}

/// 16 bytes whose low nibbles are 0 ... 15 and high ones 15 ... 0.
std::string nibbles() {
  std::string bytes;
  for (int i = 0; i < 16; ++i) bytes += static_cast<char>(i | (15 - i) << 4);
  return bytes;
}

TEST(Gguf, BlocksBecomeFloats) {
  std::string q8(32, '\0');
  for (int i = 0; i < 32; ++i) q8[static_cast<std::size_t>(i)] = static_cast<char>(i * 8 - 128);
  const std::string file = gguf(
      {}, {tensor("q8_0", {32}, 8, 0), tensor("q4_0", {32, 2}, 2, 64), tensor("q4_1", {64}, 3, 128)},
      half_bytes(0.5f) + q8 + std::string(30, '\0') +                                       //
          half_bytes(2) + nibbles() + half_bytes(-1) + nibbles() + std::string(28, '\0') +  //
          half_bytes(0.25f) + half_bytes(-3) + nibbles() + half_bytes(0) + half_bytes(0x1p-24f) + nibbles());
  const std::unique_ptr<GgufFile> found = open(file);
  const std::vector<float> bytes = values_of<float>(found->read("q8_0"));
  const std::vector<float> four = values_of<float>(found->read("q4_0")),
                           least = values_of<float>(found->read("q4_1"));
  EXPECT_EQ(found->read("q4_0").shape(), (Dims{2, 32}));
  for (std::size_t i = 0; i < 32; ++i) {
    const auto at = static_cast<float>(i), nibble = i < 16 ? at : 31 - at;
    EXPECT_EQ(bytes[i], 0.5f * (at * 8 - 128)) << i;
    EXPECT_EQ(four[i], 2 * (nibble - 8)) << i;
    EXPECT_EQ(four[32 + i], 8 - nibble) << i;
    EXPECT_EQ(least[i], 0.25f * nibble - 3) << i;
    EXPECT_EQ(least[32 + i], 0x1p-24f) << i;  // the smallest subnormal half
  }
}

TEST(Gguf, ValuesOfEveryType) {
  const std::unique_ptr<GgufFile> found = open(gguf(
      {value("u8", 0, "\xff"), value("i8", 1, "\xff"), value("u16", 2, le(0xffff, 2)),
       value("i16", 3, le(0xffff, 2)), value("u32", 4, le(0xffffffff, 4)), value("i32", 5, le(0xffffffff, 4)),
       value("f32", 6, raw<float>({0.1f})), value("yes", 7, "\1"), value("text", 8, text("a\xc3\xa4")),
       value("u64", 10, le(5, 8)), value("large", 10, le(~std::uint64_t{0}, 8)),
       value("i64", 11, le(~std::uint64_t{0}, 8)), value("f64", 12, raw<double>({0.1})),
       list("texts", 8, 2, text("x") + text("")), list("i32s", 5, 2, le(7, 4) + le(0xfffffffe, 4)),
       list("none", 6, 0, ""), list("yeses", 7, 2, std::string("\0\1", 2))},
      {}));
  const auto& file = *found;
  EXPECT_EQ(file.integer("u8"), 255);
  EXPECT_EQ(file.integer("i8"), -1);
  EXPECT_EQ(file.integer("u16"), 0xffff);
  EXPECT_EQ(file.integer("i16"), -1);
  EXPECT_EQ(file.integer("u32"), 0xffffffff);
  EXPECT_EQ(file.integer("i32"), -1);
  EXPECT_EQ(file.number("f32"), double{0.1f});
  EXPECT_EQ(file.integer("yes"), 1);
  EXPECT_EQ(file.text("text"), "a\xc3\xa4");
  EXPECT_EQ(file.integer("u64"), 5);
  EXPECT_EQ(file.number("u64"), 5.0);
  EXPECT_EQ(file.number("large"), 0x1p64);
  EXPECT_EQ(file.integer("i64"), -1);
  EXPECT_EQ(file.number("f64"), 0.1);
  EXPECT_THAT(file.texts("texts"), ElementsAre("x", ""));
  EXPECT_THAT(file.numbers("i32s"), ElementsAre(7, -2));
  EXPECT_THAT(file.numbers("none"), ElementsAre());
  EXPECT_THAT(file.numbers("yeses"), ElementsAre(0, 1));
  EXPECT_TRUE(file.has_value("text"));
  EXPECT_FALSE(file.has_value("tex"));
  EXPECT_EQ(message_of([&] { file.integer("x"); }), "t: there is no key 'x'");
  EXPECT_EQ(message_of([&] { file.number("x"); }), "t: there is no key 'x'");
  EXPECT_EQ(message_of([&] { file.integer("large"); }), "t: the value of key 'large' is no integer");
  EXPECT_EQ(message_of([&] { file.number("text"); }), "t: the value of key 'text' is no number");
  EXPECT_EQ(message_of([&] { file.text("u8"); }), "t: the value of key 'u8' is no text");
  EXPECT_EQ(message_of([&] { file.texts("i32s"); }), "t: the value of key 'i32s' is no list of texts");
  EXPECT_EQ(message_of([&] { file.numbers("texts"); }), "t: the value of key 'texts' is no list of numbers");
}

TEST(Gguf, ADirectoryLongerThanWhatIsReadAtOnce) {
  std::string tokens;
  for (int i = 0; i < 30000; ++i) tokens += text("token" + std::to_string(i));
  const std::string file = gguf({list("tokens", 8, 30000, tokens),
                                 value("long", 8, text(std::string(200000, 'x'))), value("after", 4, le(3, 4))},
                                {tensor("q", {1}, 0, 0)}, raw<float>({4}));
  const auto found = open(file);
  EXPECT_EQ(found->texts("tokens")[29999], "token29999");
  EXPECT_EQ(found->text("long").size(), 200000u);
  EXPECT_EQ(found->integer("after"), 3);
  EXPECT_THAT(values_of<float>(found->read("q")), ElementsAre(4));
}

TEST(Gguf, AnAlignmentOfItsOwn) {
  const std::string file =
      gguf({value("general.alignment", 4, le(64, 4))}, {tensor("k", {1}, 0, 64), tensor("q", {1}, 0, 0)},
           raw<float>({1}) + std::string(60, '\0') + raw<float>({2}), 64);
  EXPECT_THAT(values_of<float>(open(file)->read("q")), ElementsAre(1));
  EXPECT_THAT(values_of<float>(open(file)->read("k")), ElementsAre(2));
}

TEST(Gguf, IntegersOfAnyWidthAreAMaskWhenAsked) {
  const std::string file =
      gguf({}, {tensor("a", {2}, 24, 0), tensor("b", {2}, 27, 32), tensor("f", {1}, 1, 64)},
           std::string("\0\1", 2) + std::string(30, '\0') + le(std::uint64_t{1} << 63, 8) + le(0, 8) +
               std::string(16, '\0') + half_bytes(2));
  const auto found = open(file, {.integers_are_boolean = true});
  EXPECT_THAT(values_of<std::uint8_t>(found->read("a")), ElementsAre(0, 1));
  EXPECT_THAT(values_of<std::uint8_t>(found->read("b")), ElementsAre(1, 0));
  EXPECT_EQ(found->read("f").dtype(), DType::f16);
  EXPECT_THAT(values_of<std::int64_t>(open(file)->read("b")),
              ElementsAre(std::numeric_limits<std::int64_t>::min(), 0));
}

TEST(Gguf, TypesThatAreNotReadAreOnlyRefusedWhenAskedFor) {
  const auto found =
      open(gguf({}, {tensor("i", {1}, 25, 0), tensor("k", {256}, 12, 32)}, std::string(200, '\0')));
  EXPECT_EQ(message_of([&] { found->read("i"); }),
            "t: tensor 'i' has type I16, which flashtile lacks; convert it to I8 or I32");
  EXPECT_EQ(
      message_of([&] { found->read("k"); }),
      "t: tensor 'k' has type 12 of ggml, which is not read; convert it to F32, F16, BF16, Q8_0, Q4_0 or Q4_1");
}

TEST(GgufErrors, WhatIsNoGguf) {
  EXPECT_EQ(error_of("GGU"), "t: cut short: the first word needs 4 bytes at offset 0; the file has 3");
  EXPECT_EQ(error_of("GGML" + le(3, 4) + le(0, 16)), "t: is no GGUF file");
  EXPECT_EQ(error_of("GGUF" + le(1, 4) + le(0, 16)),
            "t: is of GGUF's version 1; 2 and 3, little-endian, are read");
  EXPECT_EQ(error_of("GGUF" + le(3 << 24, 4) + le(0, 16)),
            "t: is of GGUF's version 50331648; 2 and 3, little-endian, are read");
}

TEST(GgufErrors, EveryPlaceToBeCutShort) {
  const std::string whole = gguf({value("key", 8, text("value")), list("list", 4, 2, le(1, 4) + le(2, 4))},
                                 {tensor("q", {1, 2}, 0, 0), tensor("k", {32}, 8, 32)},
                                 raw<float>({1, 2}) + std::string(24, '\0') + std::string(34, '\1'));
  EXPECT_EQ(open(whole)->names().size(), 2u);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(error_of(whole.substr(0, size)), HasSubstr("cut short")) << size;
}

TEST(GgufErrors, CountsThatTheFileCannotHold) {
  const std::uint64_t most = ~std::uint64_t{0};
  EXPECT_EQ(error_of("GGUF" + le(3, 4) + le(most, 8) + le(0, 8)),
            "t: cut short: the length of the list of tensors is 18446744073709551615; 8 bytes are left");
  EXPECT_EQ(error_of("GGUF" + le(3, 4) + le(0, 8) + le(1, 8)),
            "t: cut short: the length of the list of values is 1; 0 bytes are left");
  EXPECT_EQ(error_of(gguf({le(most, 8)}, {})),
            "t: cut short: the length of a key is 18446744073709551615; 0 bytes are left");
  EXPECT_EQ(error_of(gguf({list("k", 4, most / 2, le(0, 4))}, {})),
            "t: cut short: the length of a list is 9223372036854775807; 4 bytes are left");
}

TEST(GgufErrors, Values) {
  EXPECT_EQ(error_of(gguf({value("k", 4, le(0, 4)), value("k", 4, le(0, 4))}, {})),
            "t: key 'k' is there twice");
  EXPECT_EQ(error_of(gguf({value("k", 13, le(0, 8))}, {})), "t: key 'k' has a value of the unknown type 13");
  EXPECT_EQ(error_of(gguf({list("k", 9, 1, le(0, 16))}, {})),
            "t: key 'k' has a list of lists, which is not read");
  for (const std::string& wrong :
       {value("general.alignment", 4, le(0, 4)), value("general.alignment", 4, le(48, 4)),
        value("general.alignment", 5, le(0x80000000, 4)), value("general.alignment", 8, text("32"))})
    EXPECT_EQ(error_of(gguf({wrong}, {})), "t: general.alignment is no power of two");
}

TEST(GgufErrors, Tensors) {
  const std::uint64_t large = std::uint64_t{1} << 32;
  EXPECT_EQ(error_of(gguf({}, {tensor("q", {1}, 0, 0), tensor("q", {1}, 0, 32)}, std::string(36, '\0'))),
            "t: tensor 'q' is there twice");
  EXPECT_EQ(tensor_error(tensor("q", std::vector<std::uint64_t>(9, 1), 0, 0)),
            "t: tensor 'q' has 9 dimensions; at most 8 are read");
  for (const std::vector<std::uint64_t>& sizes : {std::vector<std::uint64_t>{~std::uint64_t{0}},
                                                  {large, large},
                                                  {large, large, 0},
                                                  {std::uint64_t{1} << 60}})
    EXPECT_EQ(tensor_error(tensor("q", sizes, 1, 0)), "t: tensor 'q' has a shape that overflows 64 bits");
  EXPECT_EQ(tensor_error(tensor("q", {48, 2}, 3, 0)),
            "t: tensor 'q' has rows of 48 elements; Q4_1 has blocks of 32");
  EXPECT_EQ(tensor_error(tensor("q", {}, 8, 0), "x"),
            "t: tensor 'q' has rows of 1 elements; Q8_0 has blocks of 32");
  EXPECT_EQ(tensor_error(tensor("q", {1}, 0, 4), std::string(8, '\0')),
            "t: tensor 'q' begins at 4, which is no multiple of 32");
  EXPECT_EQ(tensor_error(tensor("q", {2}, 0, 0), std::string(7, '\0')),
            "t: cut short: tensor 'q' begins at 0 and has 8 bytes; the file has 7 of data");
  EXPECT_EQ(tensor_error(tensor("q", {2}, 0, std::uint64_t{1} << 63), std::string(8, '\0')),
            "t: cut short: tensor 'q' begins at 9223372036854775808 and has 8 bytes; the file has 8 of data");
  EXPECT_EQ(error_of(gguf({}, {tensor("a", {9}, 0, 0), tensor("b", {1}, 0, 32)}, std::string(64, '\0'))),
            "t: tensor 'b' begins at 32, inside of the one before it");
}

}  // namespace
}  // namespace flashtile::io
