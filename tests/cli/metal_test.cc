// flashtile metal run, as its users run it: files in and out, messages and exit codes.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "src/metal_emulator/raw_array.h"

namespace flashtile::cli {
namespace {

using metal_emulator::RawArray;
using testing::AllOf;
using testing::HasSubstr;

struct Result {
  int code;
  std::string error;
};

class MetalProgram : public testing::Test {
 protected:
  MetalProgram() : folder_(testing::TempDir() + "metal_test." + std::to_string(getpid()) + "/") {
    const char* program = std::getenv("FLASHTILE_PROGRAM");  // ctest sets it
    program_ = program != nullptr ? program : "flashtile";
    std::filesystem::create_directories(folder_);
  }
  ~MetalProgram() override { std::filesystem::remove_all(folder_); }

  Result metal(const std::string& arguments) const {
    const std::string command =
        "cd '" + folder_ + "' && '" + program_ + "' metal " + arguments + " > out 2> error";
    const int status = std::system(command.c_str());
    std::ifstream file(folder_ + "error");
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, {std::istreambuf_iterator<char>(file), {}}};
  }
  void source(const std::string& text) const {
    std::ofstream(folder_ + "k.metal") << "#include <metal_stdlib>\nusing namespace metal;\n" << text;
  }
  void array(const std::string& name, const std::string& description, const std::vector<float>& values) const {
    RawArray array = metal_emulator::zeros(description);
    std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
    write_array(folder_ + name, array);
  }
  std::vector<float> floats(const std::string& name) const {
    const RawArray array = metal_emulator::read_array(folder_ + name);
    std::vector<float> values(array.bytes.size() / sizeof(float));
    std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
    return values;
  }

  const std::string folder_;
  std::string program_;
};

TEST_F(MetalProgram, RunsAKernelOnFiles) {
  source(
      "constant bool negate [[function_constant(20)]];\n"
      "kernel void scale(device const float* a [[buffer(0)]], device float* b [[buffer(1)]], constant float& "
      "by [[buffer(2)]],\n"
      "                  threadgroup float* t [[threadgroup(0)]], uint i [[thread_position_in_grid]]) {\n"
      "  t[i % 2] = a[i];\n  b[i] = (negate ? -1 : 1) * by * t[i % 2];\n}\n");
  array("a.npy", "float32,2,2", {1, 2, 3, 4});
  array("by.npy", "float32", {10});
  const Result result = metal(
      "run k.metal --buffer 0=a.npy --zeros 1=float32,2,2 --buffer 2=by.npy --constant 20=true --threadgroup "
      "0=16 "
      "--grid 2 --threads 2 --write 1=b.npy");
  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(floats("b.npy"), testing::ElementsAre(-10, -20, -30, -40));
  EXPECT_THAT(metal_emulator::read_array(folder_ + "b.npy").header, HasSubstr("(2,2,)"));
}

TEST_F(MetalProgram, ReportsViolationsAndCrashesWithKernelAndLine) {
  source(
      "kernel void k(device float* a [[buffer(0)]], uint i [[thread_position_in_grid]]) { a[i + 1] = 0; }\n");
  Result result = metal("run k.metal --zeros 0=float32,4 --threads 4");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(
      result.error,
      AllOf(HasSubstr("k.metal:3: error: store of 4 bytes at byte 16 of buffer 0, which has 16 bytes"),
            HasSubstr("[buffer.out_of_bounds]\n  in kernel k, thread (3, 0, 0) of threadgroup (0, 0, 0)")));
  // Without checks the pages around the buffer still stop it.
  result = metal("run k.metal --zeros 0=float32,4 --threads 4 --no-checks");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, AllOf(HasSubstr("k.metal:3: error: access at byte 16 of buffer 0"),
                                  HasSubstr("in kernel k, thread (3, 0, 0)")));
  source("kernel void k(device float* a [[buffer(0)]]) { for (int i = 0; a[0] == 0; i += 0) a[0] = i; }\n");
  result = metal("run k.metal --zeros 0=float32 --time-limit 3");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("was ended after 3 s"));
}

TEST_F(MetalProgram, ReportsFullStacksOfAnySize) {
  source(
      "kernel void k(device float* a [[buffer(0)]]) { volatile float big[200000]; for (int i = 0; i < 200000; "
      "++i) big[i] = i; a[0] = big[7]; }\n");
  const Result result = metal("run k.metal --zeros 0=float32");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, AllOf(HasSubstr("[stack.overflow]"), HasSubstr("in kernel k")));
}

TEST_F(MetalProgram, RefusesWhatItCannotRun) {
  source("kernel void k(device float* a [[buffer(0)]]) { a[0] = 1; }\nkernel void l() {}\n");
  EXPECT_THAT(metal("run k.metal --zeros 0=float32").error,
              HasSubstr("the file has no kernel \"\"; it has k, l"));
  EXPECT_EQ(metal("run k.metal --kernel k").code, 2);
  EXPECT_EQ(metal("run none.metal").code, 4);
  EXPECT_EQ(metal("run k.metal --kernel k --buffer 0=none.npy").code, 4);
  EXPECT_EQ(metal("run k.metal --kernel k --buffer none.npy").code, 2);
  EXPECT_THAT(metal("run k.metal --kernel k --zeros 0=float32 --write 1=b.npy").error,
              HasSubstr("buffer 1 is not bound"));
  EXPECT_THAT(metal("run k.metal --kernel k --zeros 0=float,3").error,
              HasSubstr("\"float\" is no type of zeros; there are bfloat16"));
  EXPECT_THAT(metal("run k.metal --kernel k --grid 2,0").error,
              HasSubstr("--grid 2,0: expected X, X,Y or X,Y,Z, each at least 1"));
  EXPECT_EQ(metal("run").code, 2);
  source("kernel void k(device float* a [[buffer(0)]]) { a[0] = oops; }\n");
  EXPECT_THAT(metal("run k.metal --zeros 0=float32").error, AllOf(HasSubstr("k.metal:3:"), HasSubstr("oops")));
}

}  // namespace
}  // namespace flashtile::cli
