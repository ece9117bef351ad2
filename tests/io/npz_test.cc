#include "src/io/npz.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <sstream>

#include "src/io/npy.h"
#include "tests/io/bytes.h"

namespace flashtile::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What to write differently from a proper archive of one member.
struct Odd {
  std::string member_name = "q.npy";
  std::string local_name = "q.npy";
  int method = 0;
  int flags = 0;
  std::uint64_t size = ~std::uint64_t{0};  // unless given: the data's
  std::uint64_t stored_size = ~std::uint64_t{0};
  std::uint32_t crc_flip = 0;
  std::uint32_t central_signature = 0x02014b50, local_signature = 0x04034b50;
  std::uint64_t local_offset = 0;
  std::uint64_t directory_offset = ~std::uint64_t{0};
  std::uint64_t directory_size = ~std::uint64_t{0};
  int copies = 1;  // of the directory entry
  int members = 1;
  int disk = 0;
  std::string comment = {};
  bool zip64 = false;
};

std::string deflated(const std::string& data) {
  z_stream zlib{};
  EXPECT_EQ(deflateInit2(&zlib, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&zlib, static_cast<uLong>(data.size())), '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  zlib.avail_in = static_cast<uInt>(data.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

/// An archive of one member with this data.
std::string archive(const std::string& data, const Odd& odd = {}) {
  const std::string stored = odd.method == 8 ? deflated(data) : data;
  const std::uint64_t size = odd.size == ~std::uint64_t{0} ? data.size() : odd.size;
  const std::uint64_t stored_size = odd.stored_size == ~std::uint64_t{0} ? stored.size() : odd.stored_size;
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())) ^ odd.crc_flip;
  const auto common = [&](const std::string& name, std::size_t extra) {
    return le(20, 2) + le(static_cast<std::uint64_t>(odd.flags), 2) +
           le(static_cast<std::uint64_t>(odd.method), 2) + le(0, 4) + le(crc, 4) +
           (odd.zip64 ? le(0xffffffff, 4) + le(0xffffffff, 4) : le(stored_size, 4) + le(size, 4)) +
           le(name.size(), 2) + le(extra, 2);
  };
  const std::string local = le(odd.local_signature, 4) + common(odd.local_name, 0) + odd.local_name;

  // Another field stands first: it must be skipped.
  const std::string extra = odd.zip64 ? le(0x7777, 2) + le(2, 2) + "xx" + le(1, 2) + le(24, 2) + le(size, 8) +
                                            le(stored_size, 8) + le(0, 8)
                                      : "";
  std::string directory;
  for (int i = 0; i < odd.copies; ++i) {
    directory += le(odd.central_signature, 4) + le(20, 2) + common(odd.member_name, extra.size()) + le(0, 10) +
                 le(odd.zip64 ? 0xffffffff : odd.local_offset, 4) + odd.member_name + extra;
  }
  const std::uint64_t offset =
      odd.directory_offset == ~std::uint64_t{0} ? local.size() + stored.size() : odd.directory_offset;
  const std::uint64_t directory_size =
      odd.directory_size == ~std::uint64_t{0} ? directory.size() : odd.directory_size;
  const auto members = static_cast<std::uint64_t>(odd.members);
  std::string end64;
  if (odd.zip64) {
    end64 = le(0x06064b50, 4) + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(members, 8) + le(members, 8) +
            le(directory_size, 8) + le(offset, 8);
    end64 += le(0x07064b50, 4) + le(0, 4) + le(local.size() + stored.size() + directory.size(), 8) + le(1, 4);
  }
  const std::string end =
      le(0x06054b50, 4) + le(static_cast<std::uint64_t>(odd.disk), 2) + le(0, 2) + le(members, 2) +
      le(members, 2) +
      (odd.zip64 ? le(0xffffffff, 4) + le(0xffffffff, 4) : le(directory_size, 4) + le(offset, 4)) +
      le(odd.comment.size(), 2) + odd.comment;
  return local + stored + directory + end64 + end;
}

std::string array(const std::vector<float>& values) {
  return npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(values.size()) + ",)}",
             raw(values));
}

std::vector<float> read(const std::string& file, const ReadOptions& options = {}) {
  return values_of<float>(open_npz(memory_source(bytes_of(file), "t.npz"), options)->read("q"));
}
std::string error_of(const std::string& file, const ReadOptions& options = {}) {
  return message_of([&] { read(file, options); });
}

const std::vector<float> kValues{1, 2, 3};

TEST(Npz, ReadsStoredAndDeflatedMembers) {
  EXPECT_EQ(read(archive(array(kValues))), kValues);
  EXPECT_EQ(read(archive(array(kValues), {.method = 8})), kValues);
  std::vector<float> many(100'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i * 7919 % 10007);
  EXPECT_EQ(read(archive(array(many), {.method = 8})), many);
}

TEST(Npz, ReadsZip64) { EXPECT_EQ(read(archive(array(kValues), {.method = 8, .zip64 = true})), kValues); }

TEST(Npz, ReadsArchivesWithAComment) {
  EXPECT_EQ(read(archive(array(kValues), {.comment = std::string(65535, 'c')})), kValues);
  EXPECT_EQ(read(archive(array(kValues), {.comment = "PK\5\6 is no end record"})), kValues);
}

TEST(Npz, IgnoresMembersThatAreNotArrays) {
  std::ostringstream out;
  const TensorView view = packed_view(kValues.data(), DType::f32, {3});
  write_npz(out, std::vector<NamedView>{{"q", view}, {"readme", view}});
  std::string file = out.str();
  for (std::size_t at; (at = file.find("readme.npy")) != std::string::npos;) file.replace(at, 10, "readme.txt");
  EXPECT_THAT(open_npz(memory_source(bytes_of(file), "t"))->names(), ElementsAre("q"));
}

TEST(Npz, RoundTrips) {
  const std::vector<std::int32_t> numbers{4, 5};
  std::ostringstream out;
  write_npz(out, std::vector<NamedView>{{"q", packed_view(kValues.data(), DType::f32, {3})},
                                        {"", packed_view(numbers.data(), DType::i32, {2, 1})}});
  const std::string file = out.str();
  const std::unique_ptr<TensorFile> tensors = open_npz(memory_source(bytes_of(file), "t"));
  EXPECT_THAT(tensors->names(), ElementsAre("q", ""));
  EXPECT_EQ(values_of<float>(tensors->read("q")), kValues);
  EXPECT_EQ(values_of<std::int32_t>(tensors->read("")), numbers);
  EXPECT_EQ(tensors->read("").shape(), (Dims{2, 1}));
}

TEST(Npz, WritesTheBytesOfAStoredZip) {
  std::ostringstream out, member;
  const TensorView view = packed_view(kValues.data(), DType::f32, {3});
  write_npy(member, view);
  write_npz(out, std::vector<NamedView>{{"q", view}});
  std::string expected = archive(member.str());
  // Dated 1980-01-01, and made by version 2.0: the only fields where the test's archive has zeros.
  const std::size_t central = 30 + 5 + member.str().size();
  expected.replace(12, 2, le(0x21, 2));
  expected.replace(central + 14, 2, le(0x21, 2));
  EXPECT_EQ(out.str(), expected);
}

TEST(Npz, RefusesToWriteANameTwice) {
  std::ostringstream out;
  const TensorView view = packed_view(kValues.data(), DType::f32, {3});
  EXPECT_EQ(message_of([&] { write_npz(out, std::vector<NamedView>{{"q", view}, {"q", view}}); },
                       ErrorCode::invalid_argument),
            "write_npz: name 'q' is given twice");
  TensorView huge = view;
  huge.shape = {1, std::int64_t{1} << 30};
  huge.strides = {0, 0};
  EXPECT_EQ(
      message_of([&] { write_npz(out, std::vector<NamedView>{{"h", huge}}); }, ErrorCode::invalid_argument),
      "write_npz: 'h' does not fit in 4 GiB; write .safetensors");
}

TEST(NpzErrors, EndRecord) {
  const std::string good = archive(array(kValues));
  EXPECT_EQ(error_of("PK"), "t.npz: zip: too short for an end record");
  EXPECT_EQ(error_of(good.substr(0, good.size() - 1)),
            "t.npz: zip: no end record; the file is cut short or no archive");
  EXPECT_EQ(error_of(archive(array(kValues), {.disk = 1})),
            "t.npz: zip: the archive is split over several files");
  std::string locator = archive(array(kValues), {.zip64 = true});
  locator.replace(locator.size() - 22 - 12, 8, le(1, 8));
  EXPECT_EQ(error_of(locator), "t.npz: zip: the zip64 locator points to no end record");
}

TEST(NpzErrors, Directory) {
  const std::string data = array(kValues);
  EXPECT_EQ(error_of(archive(data, {.directory_offset = 1 << 20})),
            "t.npz: zip: the directory lies outside the file");
  EXPECT_EQ(error_of(archive(data, {.members = 2})), "t.npz: zip: the directory claims 2 members in 51 bytes");
  EXPECT_EQ(error_of(archive(data, {.directory_size = 0x7fffffff})),
            "t.npz: zip: the directory claims 1 members in 2147483647 bytes");
  EXPECT_EQ(error_of(archive(data, {.directory_size = 50})), "t.npz: zip: the directory is cut short");
  EXPECT_EQ(error_of(archive(data, {.member_name = std::string(50, 'x'), .directory_size = 92, .members = 2})),
            "t.npz: zip: the directory is cut short");
  EXPECT_EQ(error_of(archive(data, {.central_signature = 1})), "t.npz: zip: the directory has a broken entry");
  EXPECT_EQ(error_of(archive(data, {.copies = 2, .members = 2})), "t.npz: zip: member 'q.npy' is there twice");
}

TEST(NpzErrors, Members) {
  const std::string data = array(kValues);
  EXPECT_EQ(error_of(archive(data, {.flags = 1})), "t.npz: zip: member 'q.npy' is encrypted");
  EXPECT_EQ(error_of(archive(data, {.method = 12})),
            "t.npz: zip: member 'q.npy' has compression method 12; stored and deflated are read");
  EXPECT_EQ(error_of(archive(data, {.size = 5})), "t.npz: zip: member 'q.npy' is stored with two sizes");
  EXPECT_EQ(error_of(archive(data, {.local_signature = 1})), "t.npz: zip: member 'q.npy' has no local header");
  EXPECT_EQ(error_of(archive(data, {.local_name = "k.npy"})),
            "t.npz: zip: member 'q.npy' has another name locally");
  EXPECT_EQ(error_of(archive(data, {.size = 1000, .stored_size = 1000})),
            "t.npz: zip: member 'q.npy' lies outside the file");
  EXPECT_THAT(error_of(archive(data, {.local_offset = 0xfffffff0})),
              HasSubstr("t.npz: cut short: zip local header needs 30 bytes"));
  const std::string other = archive(data, {.member_name = "k.npy", .local_name = "k.npy"});
  EXPECT_EQ(error_of(other), "t.npz: there is no tensor 'q'; the file holds k");
}

TEST(NpzErrors, ArchivesOfOtherThings) {
  EXPECT_EQ(error_of(archive("x", {.member_name = "word/document.xml", .local_name = "word/document.xml"})),
            "t.npz: this is a zip archive without .npy members, so no .npz; numpy.savez writes one");
  EXPECT_EQ(
      error_of(archive("x", {.member_name = "model/data.pkl", .local_name = "model/data.pkl"})),
      "t.npz: this is a PyTorch checkpoint; convert its tensors with Python, by safetensors.torch.save_file");
}

TEST(NpzErrors, Zip64) {
  std::string file = archive(array(kValues), {.zip64 = true});
  const std::size_t extra = file.find(le(0x7777, 2));
  std::string broken = file;
  broken.replace(extra + 2, 2, le(60000, 2));
  EXPECT_EQ(error_of(broken), "t.npz: zip: member 'q.npy' has a broken extra field");
  broken = file;
  broken.replace(extra + 8, 2, le(16, 2));
  EXPECT_EQ(error_of(broken), "t.npz: zip: member 'q.npy' lacks a zip64 size");
}

TEST(NpzErrors, Data) {
  const std::string data = array(kValues);
  EXPECT_EQ(error_of(archive(data, {.crc_flip = 1})),
            "t.npz:q.npy: zip: the CRC-32 does not match; the data is damaged");
  EXPECT_EQ(error_of(archive(data, {.method = 8, .crc_flip = 1})),
            "t.npz:q.npy: zip: the CRC-32 does not match; the data is damaged");
  EXPECT_EQ(error_of(archive("not an array")), "t.npz:q.npy: does not start with the npy magic");
  const std::string longer = array({1, 2, 3, 4});
  EXPECT_EQ(error_of(archive(data + "x", {.method = 8, .size = data.size()})),
            "t.npz:q.npy: zip: there is more compressed data than its size says");
  EXPECT_EQ(error_of(archive(longer.substr(0, data.size()), {.method = 8, .size = longer.size()})),
            "t.npz:q.npy: zip: the compressed data ends early");
  std::string broken = archive(data, {.method = 8});
  broken.replace(35, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(error_of(broken), "t.npz:q.npy: zip: the compressed data is broken");
}

TEST(NpzErrors, BombsAreRefusedBeforeMemoryIsTaken) {
  const std::string data = array(kValues);
  EXPECT_THAT(error_of(archive(data, {.method = 8, .size = std::uint64_t{1} << 31})),
              HasSubstr("t.npz: zip: member 'q.npy' claims 2147483648 bytes from"));
  EXPECT_THAT(error_of(archive(data, {.method = 8, .size = std::uint64_t{1} << 60, .zip64 = true})),
              HasSubstr("that is refused"));
  const std::string zeros = array(std::vector<float>(100'000));
  EXPECT_EQ(read(archive(zeros, {.method = 8})).size(), 100'000u);
  EXPECT_THAT(error_of(archive(zeros, {.method = 8}), {.max_inflated_bytes = 1000}),
              HasSubstr("that is refused"));
}

}  // namespace
}  // namespace flashtile::io
