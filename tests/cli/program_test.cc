// The program as its users run it: exit codes, what goes to which stream, files in and out.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "flashtile/attention.h"
#include "flashtile/gemm.h"
#include "src/io/tensor_file.h"
#include "tests/cli/program.h"

namespace flashtile::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const char* const kLayer = "examples/data/minilm_layer0.safetensors";
const char* const kSmall = "--shape 1,4,2,33,40,16,24";

TEST_F(ProgramTest, RunsEveryWayOnRealInput) {
  const Result result = flashtile(std::string("run ") + kLayer + " --way all --seconds 0");
  EXPECT_EQ(result.code, 0) << result.error;
  for (const WayInfo& way : attention_ways()) EXPECT_THAT(result.out, HasSubstr(way.name));
  EXPECT_THAT(result.out, AllOf(StartsWith(std::string(kLayer) + ": "), HasSubstr("Lq 331"),
                                HasSubstr("  ok\n"), HasSubstr("3972"), HasSubstr("of peak: share of "),
                                Not(HasSubstr("wrong")), Not(HasSubstr("\x1b"))));
  EXPECT_EQ(result.error, "");
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(ProgramTest, JsonHasItsKeys) {
  for (const Json& line : json_of("bench --seconds 0 --causal bottom_right " + std::string(kSmall))) {
    EXPECT_EQ(line["schema_version"], 2);
    EXPECT_EQ(line["version"], FLASHTILE_VERSION);
    for (const char* key : {"cpu", "date"}) EXPECT_TRUE(line[key].is_string()) << key;
    EXPECT_EQ(line["op"], "attention");
    EXPECT_EQ(line["device"], "cpu");
    EXPECT_EQ(line["dtype"], "f32");
    EXPECT_EQ(line["causal"], "bottom_right");
    EXPECT_EQ(line["mask"], nullptr);
    EXPECT_EQ(line["bias"], nullptr);
    const std::pair<const char*, int> sizes[] = {{"batch", 1},         {"query_heads", 4}, {"kv_heads", 2},
                                                 {"query_length", 33}, {"kv_length", 40},  {"head_dim", 16},
                                                 {"value_dim", 24}};
    for (const auto& [key, size] : sizes) EXPECT_EQ(line[key], size) << key;
    ASSERT_TRUE(line["way"].is_string());
    if (line["verdict"] == "declined") {
      EXPECT_TRUE(line["reason"].is_string());
      continue;
    }
    EXPECT_EQ(line["verdict"], "ok") << line;
    for (const char* key : {"median_ms", "min_ms", "spread", "tflops", "gbps", "peak_share", "peak_tflops",
                            "max_error", "error_bound"}) {
      EXPECT_TRUE(line[key].is_number()) << key << " in " << line;
    }
    EXPECT_GE(line["median_ms"], line["min_ms"]);
    EXPECT_GT(line["tflops"], 0);
    EXPECT_LE(line["max_error"], line["error_bound"]);
  }
}

TEST_F(ProgramTest, ChecksEveryTypeMaskAndLayout) {
  for (const char* options : {"--dtype f16 --causal top_left", "--dtype bf16 --mask boolean",
                              "--layout bshd --mask additive --causal bottom_right",
                              "--mask boolean --bias random", "--scale 0", "--shape 2,2,1,5,0,8"}) {
    const std::string shape = std::string(options).starts_with("--shape") ? "" : kSmall;
    const Result result = flashtile("check " + shape + " " + options);
    EXPECT_EQ(result.code, 0) << options << "\n" << result.out << result.error;
    EXPECT_THAT(result.out, HasSubstr("  ok\n"));
  }
}

TEST_F(ProgramTest, MatrixProducts) {
  for (const char* dtype :
       {"f32", "f16", "bf16", "i8", "u8", "bf16 --b-dtype f32", "u8 --b-dtype f16", "i8 --b-dtype u8",
        "u8 --b-dtype i8", "i8 --b-dtype int4", "u8 --b-dtype uint4", "f16 --b-dtype uint4"}) {
    const std::vector<Json> lines = json_of("check --op gemm --shape 33,18,65 --dtype " + std::string(dtype));
    int right = 0;
    for (const Json& line : lines) {
      EXPECT_NE(line["verdict"], "wrong") << line;
      right += line["verdict"] == "ok" ? 1 : 0;
      EXPECT_EQ(line["m"], 33);
      EXPECT_EQ(line["n"], 18);
      EXPECT_EQ(line["k"], 65);
    }
    EXPECT_GT(right, 0) << dtype;
  }
}

TEST_F(ProgramTest, WritesWhatTheLibraryComputes) {
  EXPECT_EQ(
      flashtile(std::string("run ") + kLayer + " --out " + path("o.npy") + " --lse " + path("lse.npz")).code,
      0);
  const auto file = open(kLayer);
  const Tensor expected = attention(file->read("q"), file->read("k"), file->read("v"));
  const Tensor out = open(path("o.npy"))->read("");
  ASSERT_EQ(out.shape(), expected.shape());
  EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size_bytes()), 0);
  EXPECT_EQ(open(path("lse.npz"))->read("lse").shape(), (Dims{1, 12, 331}));

  ASSERT_EQ(
      flashtile(std::string("run ") + kLayer + " --scores " + path("scores.npy") + " --score-stage biased")
          .code,
      0);
  const Tensor scores = open(path("scores.npy"))->read("");
  ASSERT_EQ(scores.shape(), (Dims{1, 12, 331, 331}));
  double sum = 0;
  for (std::int64_t j = 0; j < 331; ++j) sum += std::exp(static_cast<double>(scores.as<float>()[j]));
  EXPECT_NEAR(std::log(sum), static_cast<double>(open(path("lse.npz"))->read("lse").as<float>()[0]), 1e-4);
}

TEST_F(ProgramTest, ReadsEachFormatAndLayout) {
  const auto file = open(kLayer);
  std::vector<io::NamedView> tensors, transposed;
  std::vector<Tensor> kept;
  for (const char* name : {"q", "k", "v"}) {
    kept.push_back(file->read(name));
    tensors.push_back({name, kept.back()});
    transposed.push_back({name, kept.back().view().permuted({0, 2, 1, 3})});
    io::write_tensor_file(path(std::string(name) + ".npy"), std::span(&tensors.back(), 1));
  }
  io::write_tensor_file(path("qkv.npz"), tensors);
  io::write_tensor_file(path("bshd.safetensors"), transposed);
  const std::string way = " --way unfused --rows 1 --seconds 0 --out ";
  EXPECT_EQ(flashtile(std::string("run ") + kLayer + way + path("o0.npy")).code, 0);
  EXPECT_EQ(flashtile("run " + path("qkv.npz") + way + path("o1.npy")).code, 0);
  EXPECT_EQ(flashtile("run --q " + path("q.npy") + " --k " + path("k.npy") + " --v " + path("v.npy") + way +
                      path("o2.npy"))
                .code,
            0);
  EXPECT_EQ(flashtile("run " + path("bshd.safetensors") + " --layout bshd" + way + path("o3.npy")).code, 0);
  EXPECT_EQ(text_of(path("o0.npy")), text_of(path("o1.npy")));
  EXPECT_EQ(text_of(path("o0.npy")), text_of(path("o2.npy")));
  const Tensor plain = open(path("o0.npy"))->read(""), bshd = open(path("o3.npy"))->read("");
  EXPECT_EQ(bshd.shape(), (Dims{1, 331, 12, 32}));
  const Tensor back = copy_to(bshd.view().permuted({0, 2, 1, 3}), Device::cpu());
  EXPECT_EQ(std::memcmp(back.data(), plain.data(), plain.size_bytes()), 0);
}

TEST_F(ProgramTest, ReadsMasksAndMatricesFromFiles) {
  const std::vector<std::uint8_t> attend{1, 0, 1};
  const std::vector<float> values(12, 0.5f);
  io::write_tensor_file(path("mask.npy"),
                        std::vector<io::NamedView>{{"", packed_view(attend.data(), DType::u8, {3})}});
  io::write_tensor_file(path("bias.npy"),
                        std::vector<io::NamedView>{{"", packed_view(values.data(), DType::f32, {4, 3})}});
  EXPECT_EQ(json_of("check --shape 1,1,1,4,3,8 --mask " + path("mask.npy"))[0]["mask"], "boolean");
  EXPECT_EQ(json_of("check --shape 1,1,1,4,3,8 --mask " + path("bias.npy"))[0]["bias"], "f32");
  const Json both =
      json_of("check --shape 1,1,1,4,3,8 --mask " + path("mask.npy") + " --bias " + path("bias.npy"))[0];
  EXPECT_EQ(both["mask"], "boolean");
  EXPECT_EQ(both["bias"], "f32");
  const std::vector<std::int64_t> lengths{0, 2};
  io::write_tensor_file(path("lengths.npy"),
                        std::vector<io::NamedView>{{"", packed_view(lengths.data(), DType::i64, {2})}});
  const Json padded = json_of("check --shape 2,1,1,4,3,8 --causal bottom_right --rows all --kv-lengths " +
                              path("lengths.npy") + " --q-lengths " + path("lengths.npy"))[0];
  EXPECT_EQ(padded["q_lengths"], "i64");
  EXPECT_EQ(padded["kv_lengths"], "i64");
  const Json offset = json_of("check --shape 2,1,1,4,3,8 --rows all --causal " + path("lengths.npy") +
                              " --query-offset " + path("lengths.npy"))[0];
  EXPECT_EQ(offset["causal"], "i64");
  EXPECT_EQ(offset["query_offset"], "i64");

  const std::vector<float> of_heads{0.5f, -0.25f};
  io::write_tensor_file(path("heads.npy"),
                        std::vector<io::NamedView>{{"", packed_view(of_heads.data(), DType::f32, {2})}});
  const Json heads = json_of("check --shape 2,2,1,4,3,8 --rows all --causal top_left --alibi-slopes " +
                             path("heads.npy") + " --sinks " + path("heads.npy"))[0];
  EXPECT_EQ(heads["alibi_slopes"], "f32");
  EXPECT_EQ(heads["sinks"], "f32");
  const std::vector<std::int32_t> starts{1, 4, 4, 9};
  io::write_tensor_file(path("starts.npy"),
                        std::vector<io::NamedView>{{"", packed_view(starts.data(), DType::i32, {4})}});
  const std::string packed = " --q-row-starts " + path("starts.npy");
  for (const std::string& line : {"check --shape 3,2,1,10,7,8 --rows all" + packed,
                                  "check --shape 3,2,1,10,9,8 --rows all --causal bottom_right --dtype bf16" +
                                      packed + " --kv-row-starts " + path("starts.npy")}) {
    for (const Json& row : json_of(line)) {
      EXPECT_EQ(row["q_row_starts"], "i32") << line;
      EXPECT_EQ(row["batch"], 3) << line;
    }
  }
  // Two pages of 3 keys an entry, of which all but one row are there; segments and blocks of the same sizes.
  const std::vector<std::int32_t> table{3, 0, 1, 2}, ids{1, 1, 5, 5, 2, 2, 2, 1, 1, 5, 5, 5, 2, 2};
  const std::vector<std::uint8_t> blocks{1, 0, 1, 1, 0, 1};
  io::write_tensor_file(path("table.npy"),
                        std::vector<io::NamedView>{{"", packed_view(table.data(), DType::i32, {2, 2})}});
  io::write_tensor_file(path("six.npy"),
                        std::vector<io::NamedView>{{"", packed_view(ids.data(), DType::i32, {2, 6})}});
  io::write_tensor_file(path("four.npy"),
                        std::vector<io::NamedView>{{"", packed_view(ids.data(), DType::i32, {2, 4})}});
  io::write_tensor_file(path("blocks.npy"),
                        std::vector<io::NamedView>{{"", packed_view(blocks.data(), DType::u8, {1, 1, 2, 3})}});
  const std::string six =
      "check --shape 2,2,1,4,6,8 --rows all --way tensor_ops --kv-lengths " + path("lengths.npy");
  const std::string segments = " --q-segments " + path("four.npy") + " --kv-segments " + path("six.npy");
  const std::string map = " --block-map " + path("blocks.npy") + " --q-block 3 --kv-block 2";
  EXPECT_EQ(json_of(six + " --block-table " + path("table.npy"))[0]["block_table"], "i32");
  // Random codes with scales of rows, of heads, and of a pool of pages; and codes of a file.
  std::vector<float> of_rows(16);
  for (std::size_t i = 0; i < of_rows.size(); ++i) of_rows[i] = 0.004f * static_cast<float>(i + 1);
  const std::vector<std::int8_t> codes(64, -3);
  io::write_tensor_file(path("one.npy"),
                        std::vector<io::NamedView>{{"", packed_view(of_rows.data(), DType::f32, {})}});
  io::write_tensor_file(path("rows.npy"), std::vector<io::NamedView>{
                                              {"", packed_view(of_rows.data(), DType::f32, {2, 2, 4, 1})}});
  io::write_tensor_file(path("pool.npy"), std::vector<io::NamedView>{
                                              {"", packed_view(of_rows.data(), DType::f32, {4, 3, 1, 1})}});
  io::write_tensor_file(path("codes.npy"),
                        std::vector<io::NamedView>{{"", packed_view(codes.data(), DType::i8, {1, 2, 4, 8})}});
  io::write_tensor_file(path("query.npy"), std::vector<io::NamedView>{
                                               {"", packed_view(of_rows.data(), DType::f32, {1, 2, 1, 8})}});
  for (const std::string& line :
       {"check --shape 2,2,2,3,4,8 --rows all --k-scales " + path("rows.npy") + " --v-scales " +
            path("heads.npy"),
        "check --shape 2,4,4,3,2,8 --layout bshd --rows all --k-scales " + path("rows.npy"),
        six + " --block-table " + path("table.npy") + " --k-scales " + path("pool.npy") + " --v-scales " +
            path("one.npy"),
        "check --q " + path("query.npy") + " --k " + path("codes.npy") + " --v " + path("codes.npy") +
            " --rows all --k-scales " + path("heads.npy") + " --v-scales " + path("one.npy")}) {
    EXPECT_EQ(json_of(line)[0]["k_scales"], "f32") << line;
  }
  EXPECT_EQ(json_of(six + segments)[0]["q_segments"], "i32");
  EXPECT_EQ(json_of(six + map)[0]["blocks"], (Json{3, 2}));
  EXPECT_EQ(json_of(six + segments + map + " --block-table " + path("table.npy"))[0]["kv_segments"], "i32");
  const Result uneven = flashtile("check --shape 2,2,1,4,7,8 --block-table " + path("table.npy"));
  EXPECT_EQ(uneven.code, 2) << uneven.error;
  EXPECT_THAT(uneven.error, HasSubstr("--block-table: its shape is (2, 2), and --shape has 7 keys"));
  const Result short_one = flashtile("check --shape 3,1,1,8,3,8" + packed);
  EXPECT_EQ(short_one.code, 2) << short_one.error;
  EXPECT_THAT(short_one.error, HasSubstr("row_starts.q[3] is 9; expected 0 ... 8"));
  const Json rounded_last = json_of("check --shape 1,1,1,4,3,8 --rows all --dtype bf16 --out-dtype f32")[0];
  EXPECT_EQ(rounded_last["out_dtype"], "f32");
  EXPECT_EQ(heads["out_dtype"], "f32");
  const Result long_one = flashtile("check --shape 2,1,1,4,1,8 --kv-lengths " + path("lengths.npy"));
  EXPECT_EQ(long_one.code, 2) << long_one.error;
  EXPECT_THAT(long_one.error, HasSubstr("lengths.kv[1] is 2; expected 0 ... 1"));
  const Result two = flashtile("check --shape 1,1,1,4,3,8 --mask additive --bias random");
  EXPECT_EQ(two.code, 2) << two.error;
  EXPECT_THAT(two.error, HasSubstr("--mask additive is a bias already, and --bias gives another one"));
  const Result bad = flashtile("check --shape 1,1,1,4,5,8 --mask " + path("mask.npy"));
  EXPECT_EQ(bad.code, 2) << bad.error;
  EXPECT_THAT(bad.error, HasSubstr("mask"));

  io::write_tensor_file(path("ab.npz"),
                        std::vector<io::NamedView>{{"a", packed_view(values.data(), DType::f32, {4, 3})},
                                                   {"b", packed_view(values.data(), DType::f32, {3, 2})}});
  EXPECT_EQ(flashtile("run --op gemm " + path("ab.npz") + " --seconds 0 --out " + path("c.npy")).code, 0);
  EXPECT_EQ(open(path("c.npy"))->read("").as<float>()[7], 0.75f);
}

TEST_F(ProgramTest, StandardInputAndOutput) {
  const Result result = flashtile("run - --out - --seconds 0", std::string("cat ") + kLayer + " |");
  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, StartsWith("\x93NUMPY"));
  EXPECT_EQ(result.out.size(), 128u + 12 * 331 * 32 * 4);
  EXPECT_THAT(result.error, HasSubstr("max error"));
}

TEST_F(ProgramTest, MalformedFilesAreExitCode4) {
  const std::string good = text_of(kLayer);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{100}, std::size_t{1000}, good.size() - 1}) {
    std::ofstream(path("cut.safetensors"), std::ios::binary) << good.substr(0, size);
    const Result result = flashtile("run " + path("cut.safetensors"));
    EXPECT_EQ(result.code, 4) << size;
    EXPECT_THAT(result.error, StartsWith("flashtile: " + path("cut.safetensors") + ": "));
    EXPECT_EQ(result.out, "");
  }
  std::ofstream(path("noise.npz"), std::ios::binary) << "PK\3\4 and nothing of the kind";
  EXPECT_EQ(flashtile("check " + path("noise.npz")).code, 4);
  EXPECT_EQ(flashtile("check " + path("missing.npz")).code, 4);
  EXPECT_EQ(flashtile(std::string("run ") + kLayer + " --out /no/such/folder/o.npy").code, 4);
  const Result json = flashtile("run " + path("missing.npz") + " --json");
  EXPECT_EQ(json.code, 4);
  EXPECT_EQ(json.error, "");
  const Json error = Json::parse(json.out);
  EXPECT_EQ(error["error"]["code"], "bad_file");
  EXPECT_EQ(error["error"]["message"], path("missing.npz") + ": cannot open: No such file or directory");
  EXPECT_EQ(error["exit_code"], 4);
}

TEST_F(ProgramTest, MistakesAreExitCode2) {
  const std::string small = kSmall;
  for (const std::string& arguments :
       std::vector<std::string>{"", "run", "run --shape 1,2", "run --shape 1,3,2,5,5,8",
                                "run --causal left " + small, "run --way no_such_way " + small,
                                "explain --shape 9223372036854775807,1,1,9,9,9", "run --out o.pt " + small}) {
    const Result result = flashtile(arguments);
    EXPECT_EQ(result.code, 2) << arguments << result.error;
    EXPECT_THAT(result.error, StartsWith("flashtile: ")) << arguments;
    EXPECT_EQ(result.out, "");
  }
  const Result json = flashtile("run --json");
  EXPECT_EQ(json.code, 2);
  EXPECT_EQ(Json::parse(json.out)["error"]["code"], "invalid_argument");
  EXPECT_EQ(flashtile(std::string("run ") + kSmall, "FLASHTILE_MAX_ISA=sse9").code, 2);
}

TEST_F(ProgramTest, WhatThisVersionDoesNotTakeIsExitCode3) {
  for (const char* command : {"run", "check", "bench", "explain"}) {
    const Result result = flashtile(std::string(command) + " --shape 1,1,1,4,4,640");
    EXPECT_EQ(result.code, 3) << command;
    EXPECT_THAT(result.out + result.error, HasSubstr("q has head_dim 640; this version takes 1 ... 576"));
  }
}

TEST_F(ProgramTest, WhatThisMachineLacksIsExitCode3) {
  const Result metal = flashtile(std::string("run --device metal ") + kSmall);
  EXPECT_EQ(metal.code, 3) << metal.error;
  for (const WayInfo& way : attention_ways()) {
    if (way.built) continue;
    const Result result = flashtile("run --way " + way.name + " " + kSmall);
    EXPECT_EQ(result.code, 3) << result.error;
  }
  // 400 TB of queries, more than any process can address; AddressSanitizer stops the program at such a request
  // unless it is told not to.
  const Result huge =
      flashtile("run --shape 1,1,1,100000000000000,1,1 --rows 1", "ASAN_OPTIONS=allocator_may_return_null=1");
  EXPECT_EQ(huge.code, 3) << huge.error;
}

TEST_F(ProgramTest, RunsOnAGpu) {
  const Json info = json_of("info")[0];
  if (info["devices"].back()["device"] == "cpu") GTEST_SKIP() << "this machine has no CUDA device";
  const Result run = flashtile(std::string("run ") + kLayer + " --device cuda:0 --way all --seconds 0");
  EXPECT_EQ(run.code, 0) << run.error;
  for (const char* way : {"tensor_ops", "simdgroup", "unfused"}) {
    EXPECT_THAT(run.out, testing::ContainsRegex(std::string("\n") + way + " [^\n]*  ok\n")) << way;
  }
  EXPECT_THAT(run.out, Not(HasSubstr("wrong")));
  const Json line =
      json_of(std::string("check --device cuda:0 --way tensor_ops --causal top_left ") + kSmall)[0];
  EXPECT_EQ(line["device"], "cuda:0");
  EXPECT_EQ(line["verdict"], "ok");
  const std::string out = path("gpu.npy");
  EXPECT_EQ(flashtile("run --device cuda --out " + out + " " + kSmall).code, 0);
  EXPECT_EQ(open(out)->read("").shape(), (Dims{1, 4, 33, 24}));
}

TEST_F(ProgramTest, ExplainsWithoutComputing) {
  const std::string huge = "--shape 64,16,16,1000000,1000000,128";  // half a terabyte each: no memory is taken
  EXPECT_EQ(flashtile("explain " + huge).code, 0);
  const Result small = flashtile(std::string("explain ") + kSmall);
  EXPECT_EQ(small.code, 0) << small.error;
  EXPECT_THAT(small.out, AllOf(HasSubstr("\nattention by "), HasSubstr("kernel: "), HasSubstr("  then: "),
                               Not(testing::EndsWith("\n\n"))));
  const Json plan = json_of(std::string("explain ") + kSmall)[0];
  EXPECT_TRUE(plan["way"].is_string());
  EXPECT_EQ(plan["refused"].size() + plan["after"].size(), attention_ways().size() - 1);
  EXPECT_EQ(plan["query_length"], 33);
  EXPECT_EQ(plan["schema_version"], 2);
  EXPECT_EQ(json_of("explain --op gemm --shape 5,6,7 --way all").size(), gemm_ways().size());
}

TEST_F(ProgramTest, InfoNamesWhatThereIs) {
  const Result text = flashtile("info");
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, AllOf(StartsWith("flashtile " FLASHTILE_VERSION), HasSubstr("device   cpu: "),
                              HasSubstr("way      gemm ")));
  const Json info = json_of("info")[0];
  EXPECT_EQ(info["version"], FLASHTILE_VERSION);
  EXPECT_EQ(info["devices"][0]["device"], "cpu");
  EXPECT_EQ(info["ways"]["attention"].size(), attention_ways().size());
  EXPECT_TRUE(info["environment"].contains("FLASHTILE_MAX_ISA"));
  for (const char* library : {"cblas", "onednn", "cuda"}) EXPECT_TRUE(info["libraries"][library].is_boolean());
  const Result wrong = flashtile("info", "FLASHTILE_MAX_ISA=sse9");
  EXPECT_EQ(wrong.code, 0);
  EXPECT_THAT(wrong.out, HasSubstr("sse9"));
}

TEST_F(ProgramTest, ColorsAndNotesObeyTheirOptions) {
  const std::string check = std::string("check --way unfused ") + kSmall;
  EXPECT_THAT(flashtile(check + " --color always").out, HasSubstr("\x1b["));
  EXPECT_THAT(flashtile(check).out, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(flashtile(check).out, HasSubstr("max error: "));
  const Result quiet = flashtile(check + " --quiet");
  EXPECT_EQ(quiet.error, "");
  EXPECT_EQ(std::count(quiet.out.begin(), quiet.out.end(), '\n'), 2);  // the words of the table, and its row
}

TEST_F(ProgramTest, LostOutputIsExitCode5) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  for (const std::string& arguments :
       {std::string("info"), std::string("--help"), std::string("check --json --way unfused ") + kSmall,
        std::string("run --out - --way unfused ") + kSmall}) {
    const std::string error = path("lost");
    const int status = std::system((program_ + " " + arguments + " > /dev/full 2> " + error).c_str());
    EXPECT_EQ(WEXITSTATUS(status), 5) << arguments;
    EXPECT_THAT(text_of(error), HasSubstr("standard output could not be written")) << arguments;
  }
}

TEST_F(ProgramTest, ACallForAFileDoesNothingElse) {
  const std::string run = std::string("run ") + kSmall + " --out " + path("o.npy");
  const Json line = json_of(run)[0];
  EXPECT_EQ(line["verdict"], "ok");
  EXPECT_FALSE(line.contains("median_ms") || line.contains("peak_share"));
  const Json timed = json_of(run + " --seconds 0")[0];  // asked for
  EXPECT_TRUE(timed.contains("median_ms"));
  EXPECT_FALSE(timed.contains("peak_share"));
  EXPECT_EQ(flashtile(std::string("run ") + kSmall + " --out " + path("no/o.npy")).code, 4);
  EXPECT_EQ(flashtile("run missing.npz --out o.pt").code, 2);  // seen before anything is read
}

TEST_F(ProgramTest, HelpVersionAndTheManual) {
  EXPECT_EQ(flashtile("version").out, flashtile("--version").out);
  EXPECT_THAT(flashtile("help bench").out, HasSubstr("flashtile bench --shape"));
  EXPECT_THAT(flashtile("chekc").error, HasSubstr("did you mean 'check'?"));
  const std::string page = flashtile("manual").out;
  EXPECT_THAT(page, AllOf(StartsWith(".TH FLASHTILE 1"), HasSubstr(".SH \"FLASHTILE run\""),
                          HasSubstr("\\-\\-mask F"), HasSubstr("Exit status"), Not(HasSubstr("\n\n"))));
  EXPECT_THAT(flashtile("completion zsh").out, StartsWith("#compdef flashtile"));
  EXPECT_THAT(flashtile("completion fish").out, HasSubstr("complete -c flashtile"));
}

TEST_F(ProgramTest, BashCompletesWords) {
  if (std::system("command -v bash > /dev/null") != 0) GTEST_SKIP() << "this machine has no bash";
  std::ofstream(path("completion")) << flashtile("completion bash").out;
  const auto completed = [&](const std::string& words, int at) {
    const std::string out = path("words");
    const std::string script = ". " + path("completion") + "; COMP_WORDS=(flashtile " + words +
                               "); COMP_CWORD=" + std::to_string(at) + "; _flashtile; echo ${COMPREPLY[@]}";
    EXPECT_EQ(std::system(("bash -c '" + script + "' > " + out).c_str()), 0);
    return text_of(out);
  };
  EXPECT_EQ(completed("ch", 1), "check\n");
  EXPECT_EQ(completed("run --mask", 2), "--mask --mask-dtype\n");
  EXPECT_EQ(completed("run --causal bo", 3), "bottom_right\n");
  EXPECT_EQ(completed("run file", 2), "\n");
}

/// What a command shows on a terminal that is its standard error.
std::string shown_on_terminal(const std::string& command) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) return "";
  const std::string name = ptsname(terminal);
  const int held = ::open(name.c_str(), O_RDWR | O_NOCTTY);  // reading ends when nobody holds it
  std::string shown;
  std::thread reader([&] {
    char part[4096];
    for (ssize_t size; (size = read(terminal, part, sizeof(part))) > 0;)
      shown.append(part, static_cast<std::size_t>(size));
  });
  EXPECT_EQ(std::system((command + " > /dev/null 2> " + name).c_str()), 0);
  close(held);
  reader.join();
  close(terminal);
  return shown;
}

TEST_F(ProgramTest, ProgressIsForTerminalsThatCan) {
  const std::string check = program_ + " check --shape 1,4,4,600,600,64 --way unfused,flash.cpu";
  const auto start = std::chrono::steady_clock::now();
  const std::string shown = shown_on_terminal("TERM=xterm " + check);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  int updates = 0;
  for (std::size_t at = 0; (at = shown.find("\r\x1b[K", at)) != std::string::npos; ++at) ++updates;
  EXPECT_GT(updates, 0);
  EXPECT_LE(updates, 10 * seconds + 8);  // and each step of two ways once
  EXPECT_THAT(shown, testing::ContainsRegex("unfused: compared with the oracle: [0-9]+ of 2400 rows"));
  for (const std::string& quiet :
       {"TERM=dumb " + check, "TERM=xterm " + check + " --quiet", "TERM=xterm " + check + " --json"})
    EXPECT_EQ(shown_on_terminal(quiet), "") << quiet;
}

TEST_F(ProgramTest, SeedsMakeTheInputs) {
  const std::string check = std::string("check --way unfused ") + kSmall + " --seed ";
  EXPECT_EQ(json_of(check + "1")[0]["max_error"], json_of(check + "1")[0]["max_error"]);
  EXPECT_NE(json_of(check + "1")[0]["max_error"], json_of(check + "2")[0]["max_error"]);
}

}  // namespace
}  // namespace flashtile::cli
