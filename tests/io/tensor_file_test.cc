#include "src/io/tensor_file.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/io/bytes.h"

namespace flashtile::io {
namespace {

using testing::ElementsAre;

class TensorFileTest : public testing::Test {
 protected:
  TensorFileTest() : folder_(testing::TempDir() + "tensor_file_test/") {
    std::filesystem::create_directory(folder_);
  }
  ~TensorFileTest() override { std::filesystem::remove_all(folder_); }

  const std::string folder_;
  const std::vector<float> values_{1, 2, 3, 4};
  const TensorView view_ = packed_view(values_.data(), DType::f32, {2, 2});
};

TEST_F(TensorFileTest, WritesAndReadsEachFormatByItsEnding) {
  for (const std::string& path : {folder_ + "a.npz", folder_ + "a.safetensors"}) {
    write_tensor_file(path, std::vector<NamedView>{{"q", view_}, {"k", view_.sliced(0, 1, 2)}});
    const std::unique_ptr<TensorFile> file = open_tensor_file(open_file(path));
    EXPECT_THAT(file->names(), testing::UnorderedElementsAre("q", "k"));
    EXPECT_THAT(values_of<float>(file->read("q")), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(values_of<float>(file->read("k")), ElementsAre(3, 4));
    EXPECT_TRUE(file->contains("q"));
    EXPECT_FALSE(file->contains("v"));
  }
  write_tensor_file(folder_ + "a.npy", std::vector<NamedView>{{"q", view_}});
  EXPECT_THAT(values_of<float>(open_tensor_file(open_file(folder_ + "a.npy"))->read("")),
              ElementsAre(1, 2, 3, 4));
}

TEST_F(TensorFileTest, ContentDecidesTheFormatThatIsRead) {
  write_tensor_file(folder_ + "a.npz", std::vector<NamedView>{{"q", view_}});
  std::filesystem::rename(folder_ + "a.npz", folder_ + "a.npy");
  EXPECT_THAT(open_tensor_file(open_file(folder_ + "a.npy"))->names(), ElementsAre("q"));
}

TEST_F(TensorFileTest, RefusesWhatItCannotWrite) {
  const std::vector<NamedView> two{{"q", view_}, {"k", view_}};
  const auto refused = [&](const std::string& path) {
    return message_of([&] { write_tensor_file(path, two); }, ErrorCode::invalid_argument);
  };
  EXPECT_EQ(refused("a.txt"),
            "'a.txt' ends in none of .npy, .npz and .safetensors; the ending says which format is written");
  EXPECT_EQ(refused(folder_ + "a.npy"),
            "write_tensor_file: " + folder_ + "a.npy: a .npy holds one tensor, found 2");
  EXPECT_EQ(message_of([&] { write_tensor_file("/no/such/a.npz", two); }),
            "/no/such/a.npz: cannot write into the folder /no/such: No such file or directory");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "a.npy"));
}

TEST_F(TensorFileTest, OutputIsCheckedBeforehandByTheSameRules) {
  check_output("-");
  check_output("a.npy");
  check_output(folder_ + "a.npz");
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(message_of([&] { check_output("o.pt"); }, ErrorCode::invalid_argument),
            "'o.pt' ends in none of .npy, .npz and .safetensors; the ending says which format is written");
  EXPECT_EQ(message_of([&] { check_output("/no/such/a.npz"); }),
            "/no/such/a.npz: cannot write into the folder /no/such: No such file or directory");
  std::filesystem::create_directory(folder_ + "b.npy");
  EXPECT_EQ(message_of([&] { check_output(folder_ + "b.npy"); }),
            folder_ + "b.npy: is a folder; a file's name is expected");
}

TEST_F(TensorFileTest, AFileIsReplacedAsAWholeOrNotAtAll) {
  const std::string path = folder_ + "a.npy";
  write_tensor_file(path, std::vector<NamedView>{{"", view_}});
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const std::vector<NamedView> none_for_it{{"", packed_view(values_.data(), DType::int4, {2, 2})}};
  message_of([&] { write_tensor_file(path, none_for_it); }, ErrorCode::invalid_argument);
  EXPECT_THAT(values_of<float>(open_tensor_file(open_file(path))->read("")), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);  // no part is left behind

  std::filesystem::create_symlink("a.npy", folder_ + "link.npy");
  write_tensor_file(folder_ + "link.npy", std::vector<NamedView>{{"", view_.sliced(0, 1, 2)}});
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "link.npy"));
  EXPECT_THAT(values_of<float>(open_tensor_file(open_file(path))->read("")), ElementsAre(3, 4));
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(TensorFileTest, ANpyHasNoNames) {
  write_tensor_file(folder_ + "a.npy", std::vector<NamedView>{{"", view_}});
  const std::unique_ptr<TensorFile> file = open_tensor_file(open_file(folder_ + "a.npy"));
  EXPECT_EQ(message_of([&] { file->read("q"); }),
            folder_ + "a.npy: there is no tensor 'q'; the file holds one without a name");
}

TEST_F(TensorFileTest, AMissingTensorListsThoseThatAreThere) {
  const auto missing = [&](int tensors) {
    std::vector<NamedView> views;
    for (int i = 0; i < tensors; ++i) views.push_back({"t" + std::to_string(i), view_});
    write_tensor_file(folder_ + "a.npz", views);
    return open_tensor_file(open_file(folder_ + "a.npz"))->missing("q");
  };
  EXPECT_EQ(missing(0), "there is no tensor 'q'; the file holds none");
  EXPECT_EQ(missing(3), "there is no tensor 'q'; the file holds t0, t1, t2");
  EXPECT_THAT(missing(22), testing::EndsWith("t18, t19 and 2 more"));
}

TEST_F(TensorFileTest, OtherFilesAreToldByTheirFirstBytes) {
  const auto told = [](const std::string& bytes) {
    return message_of([&] { open_tensor_file(memory_source(bytes_of(bytes), "f")); });
  };
  const std::string convert = "convert its tensors with Python, by numpy.savez or safetensors";
  const std::string nul(64, '\0');
  EXPECT_EQ(told(""), "f: is empty; .npy, .npz, .safetensors and .gguf can be read");
  EXPECT_EQ(
      told("1.0 2.0\n3.0 4.0\n"),
      "f: this is a text file; .npy, .npz, .safetensors and .gguf can be read; numpy.loadtxt and numpy.save "
      "convert tables");
  EXPECT_EQ(told("{\"q\": [1, 2]}").rfind("f: this is a text file; ", 0), 0u);
  EXPECT_EQ(told("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 132\n"),
            "f: this is a Git LFS pointer and not the file itself; run git lfs pull");
  EXPECT_EQ(told("/annex/objects/SHA256E-s5--0.npy\n"),
            "f: this is a git-annex pointer and not the file itself; run git annex get");
  EXPECT_EQ(told("\x89HDF\r\n\x1a\n" + nul), "f: this is an HDF5 file; " + convert);
  EXPECT_EQ(told("MATLAB 5.0 MAT-file, Platform: GLNXA64"), "f: this is a MATLAB file; " + convert);
  EXPECT_EQ(told("PAR1" + nul), "f: this is a Parquet file; " + convert);
  EXPECT_EQ(told("\x80\x04\x95" + nul), "f: this is a Python pickle; " + convert);
  EXPECT_EQ(told("\x80\x02\x8a\x0a" + nul),
            "f: this is a Python pickle, perhaps an old PyTorch checkpoint; " + convert);
  EXPECT_EQ(told("\x1f\x8b\x08" + nul), "f: this is compressed by gzip; unpack it first");
  EXPECT_EQ(told("\x28\xb5\x2f\xfd" + nul), "f: this is compressed by zstd; unpack it first");
  EXPECT_EQ(told("\xfd"
                 "7zXZ" +
                 nul),
            "f: this is compressed by xz; unpack it first");
  EXPECT_EQ(told("BZh9" + nul), "f: this is compressed by bzip2; unpack it first");
  for (const char* page : {"<!DOCTYPE html><html>", "\n <HTML><head>"})
    EXPECT_EQ(told(page), "f: this is an HTML page, as a failed download leaves it; download the file again");
  EXPECT_EQ(told("\1\2\3\xff" + nul),
            "f: starts with 01 02 03 ff 00 00 00 00, which no tensor file does; .npy, .npz, .safetensors "
            "and .gguf can be read");
  EXPECT_EQ(told("\1").rfind("f: starts with 01, ", 0), 0u);
}

}  // namespace
}  // namespace flashtile::io
