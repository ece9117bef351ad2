#include "src/io/source.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/io/bytes.h"

namespace flashtile::io {
namespace {

TEST(Source, ReadsAnyPartOfAFile) {
  const std::string path = testing::TempDir() + "source_test.bin";
  std::ofstream(path, std::ios::binary) << "0123456789";
  const std::unique_ptr<Source> source = open_file(path);
  EXPECT_EQ(source->size(), 10u);
  EXPECT_EQ(source->name(), path);
  std::byte part[3];
  source->read(7, part, "tail");
  EXPECT_EQ(std::to_integer<char>(part[0]), '7');
  source->read(0, part, "head");
  EXPECT_EQ(std::to_integer<char>(part[2]), '2');
  source->read(10, {}, "nothing");
  std::filesystem::remove(path);
}

TEST(Source, RefusesReadsPastTheEndOfFilesAndMemory) {
  const std::string text = "0123";
  const std::unique_ptr<Source> source = memory_source(bytes_of(text), "q.npy");
  std::byte part[3];
  EXPECT_EQ(message_of([&] { source->read(2, part, "header"); }),
            "q.npy: cut short: header needs 3 bytes at offset 2; the file has 4");
  EXPECT_EQ(message_of([&] { source->read(~std::uint64_t{0}, part, "header"); }),
            "q.npy: cut short: header needs 3 bytes at offset 18446744073709551615; the file has 4");
}

TEST(Source, SaysWhyAFileCannotBeOpened) {
  EXPECT_EQ(message_of([] { open_file("/no/such/file.npy"); }),
            "/no/such/file.npy: cannot open: No such file or directory");
  EXPECT_EQ(message_of([] { open_file("/"); }), "/: is a folder; a file is expected");
  EXPECT_EQ(message_of([] { open_file("/dev/null"); }), "/dev/null: is a device; a file is expected");
}

TEST(Source, ReadsAPipeToItsEnd) {
  const std::string path = testing::TempDir() + "source_test.pipe." + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << "0123456789"; });
  const std::unique_ptr<Source> source = open_file(path);
  writer.join();
  EXPECT_EQ(source->size(), 10u);
  std::byte part[2];
  source->read(8, part, "tail");
  EXPECT_EQ(std::to_integer<char>(part[1]), '9');
  std::filesystem::remove(path);
}

TEST(Source, LittleEndianNumbers) {
  EXPECT_EQ(little_endian(bytes_of(le(0x0123456789abcdef, 8))), 0x0123456789abcdefu);
  EXPECT_EQ(little_endian(bytes_of(le(0xabcd, 2))), 0xabcdu);
}

}  // namespace
}  // namespace flashtile::io
