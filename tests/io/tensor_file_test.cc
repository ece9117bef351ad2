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
  EXPECT_EQ(refused("a.txt"), "write_tensor_file: 'a.txt' ends in none of .npy, .npz and .safetensors");
  EXPECT_EQ(refused(folder_ + "a.npy"),
            "write_tensor_file: " + folder_ + "a.npy: a .npy holds one tensor, found 2");
  EXPECT_EQ(message_of([&] { write_tensor_file("/no/such/a.npz", two); }),
            "/no/such/a.npz: cannot create: No such file or directory");
}

TEST_F(TensorFileTest, ANpyHasNoNames) {
  write_tensor_file(folder_ + "a.npy", std::vector<NamedView>{{"", view_}});
  const std::unique_ptr<TensorFile> file = open_tensor_file(open_file(folder_ + "a.npy"));
  EXPECT_EQ(message_of([&] { file->read("q"); }),
            folder_ + "a.npy: a .npy holds one array without a name; 'q' was asked for");
}

TEST_F(TensorFileTest, AnEmptyFileIsBad) {
  EXPECT_EQ(message_of([] { open_tensor_file(memory_source({}, "a.npz")); }),
            "a.npz: cut short: safetensors header length needs 8 bytes at offset 0; the file has 0");
}

}  // namespace
}  // namespace flashtile::io
