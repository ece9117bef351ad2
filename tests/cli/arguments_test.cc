#include "cli/arguments.h"

#include <gmock/gmock.h>

#include <sstream>

#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

Options parsed(const std::string& line) {
  const auto result = parse_arguments(words(line));
  if (const Exit* exit = std::get_if<Exit>(&result)) {
    ADD_FAILURE() << line << ": " << exit->error;
    return {};
  }
  return std::get<Options>(result);
}

Exit refused(const std::string& line) {
  const auto result = parse_arguments(words(line));
  if (const Exit* exit = std::get_if<Exit>(&result)) return *exit;
  ADD_FAILURE() << line << " was accepted";
  return {};
}
/// The message of a usage error.
std::string mistake(const std::string& line) {
  const Exit exit = refused(line);
  EXPECT_EQ(exit.code, kUsage) << line;
  EXPECT_EQ(exit.out, "") << line;
  return exit.error;
}

TEST(Arguments, DefaultsOfEachCommand) {
  const Options run = parsed("run x.npz");
  EXPECT_EQ(run.command, Command::run);
  EXPECT_EQ(run.op, Op::attention);
  EXPECT_EQ(run.file, "x.npz");
  EXPECT_EQ(run.device, Device::cpu());
  EXPECT_FALSE(run.dtype || run.causal || run.scale || run.json || run.quiet);
  EXPECT_THAT(run.ways, ElementsAre("auto"));
  EXPECT_THAT(parsed("check x.npz").ways, ElementsAre("all"));
  EXPECT_THAT(parsed("bench x.npz").ways, ElementsAre("all"));
  EXPECT_THAT(parsed("explain x.npz").ways, ElementsAre("auto"));
  EXPECT_EQ(parsed("info --json").command, Command::info);
}

TEST(Arguments, EveryOptionOfAttention) {
  const Options options = parsed(
      "check --shape 1,2,1,3,4,5 --shape 1,2,1,3,4,5,6 --seed 7 --dtype bf16 --layout bshd --causal "
      "bottom_right --mask boolean --bias random "
      "--scale -0.5 --way unfused,simdgroup --device cuda:1 --threads 3 --rows all --json --quiet --color "
      "never");
  EXPECT_THAT(options.shapes, ElementsAre(ElementsAre(1, 2, 1, 3, 4, 5, 5), ElementsAre(1, 2, 1, 3, 4, 5, 6)));
  EXPECT_EQ(options.seed, 7u);
  EXPECT_EQ(options.dtype, DType::bf16);
  EXPECT_EQ(options.layout, Layout::bshd);
  EXPECT_EQ(options.causal, CausalCorner::bottom_right);
  EXPECT_EQ(options.mask, "boolean");
  EXPECT_EQ(options.bias, "random");
  EXPECT_EQ(options.scale, -0.5f);
  EXPECT_THAT(options.ways, ElementsAre("unfused", "simdgroup"));
  EXPECT_EQ(options.device, Device::cuda(1));
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(options.rows, -1);
  EXPECT_TRUE(options.json && options.quiet);
  EXPECT_EQ(options.color, Color::never);
  EXPECT_EQ(parsed("check x.npz --rows 12").rows, 12);
}

TEST(Arguments, FilesOneByOne) {
  const Options options = parsed("run --q a.npy --k b.npy --v c.npy --out o.npy --lse l.npy");
  EXPECT_EQ(options.q + options.k + options.v + options.out + options.lse, "a.npyb.npyc.npyo.npyl.npy");
  const Options gemm = parsed("run --op gemm --a a.npy --b b.npy --dtype i8 --b-dtype int4");
  EXPECT_EQ(gemm.op, Op::gemm);
  EXPECT_EQ(gemm.a + gemm.b, "a.npyb.npy");
  EXPECT_EQ(gemm.dtype, DType::i8);
  EXPECT_EQ(gemm.b_dtype, DType::int4);
  EXPECT_THAT(parsed("run --op gemm --shape 3,0,5").shapes, ElementsAre(ElementsAre(3, 0, 5)));
}

TEST(Arguments, HelpAndVersionAreNoMistakes) {
  for (const char* line :
       {"--help", "run --help", "check --help", "bench --help", "explain --help", "info --help", "--version"}) {
    const Exit exit = refused(line);
    EXPECT_EQ(exit.code, kDone) << line;
    EXPECT_NE(exit.out, "") << line;
    EXPECT_EQ(exit.error, "") << line;
  }
  EXPECT_THAT(refused("--help").out, HasSubstr("Exit codes: 0 done"));
  EXPECT_THAT(refused("--version").out, HasSubstr(FLASHTILE_VERSION));
}

TEST(ArgumentErrors, Commands) {
  EXPECT_THAT(mistake(""), HasSubstr("subcommand is required"));
  EXPECT_THAT(mistake("frobnicate"), HasSubstr("subcommand is required"));
  EXPECT_THAT(mistake("run x.npz --frobnicate"), HasSubstr("--frobnicate"));
  EXPECT_THAT(mistake("run x.npz y.npz"), HasSubstr("y.npz"));
  EXPECT_THAT(mistake("info x.npz"), HasSubstr("x.npz"));
}

TEST(ArgumentErrors, Words) {
  EXPECT_EQ(mistake("run x.npz --op conv"), "--op: 'conv' is none of attention, gemm\n");
  EXPECT_EQ(mistake("run x.npz --dtype f64"), "--dtype: 'f64' is none of bf16, f16, f32, i8, u8\n");
  EXPECT_EQ(mistake("run x.npz --layout sbhd"), "--layout: 'sbhd' is none of bhsd, bshd\n");
  EXPECT_EQ(mistake("run x.npz --causal true"), "--causal: 'true' is none of bottom_right, top_left\n");
  EXPECT_EQ(mistake("run x.npz --color red"), "--color: 'red' is none of always, auto, never\n");
  EXPECT_THAT(mistake("run x.npz --device tpu"), HasSubstr("tpu"));
  EXPECT_EQ(mistake("check x.npz --rows some"), "--rows: 'some' is neither a number from 1 on nor all\n");
  EXPECT_EQ(mistake("check x.npz --rows 0"), "--rows: '0' is neither a number from 1 on nor all\n");
  EXPECT_EQ(mistake("check x.npz --rows 1x"), "--rows: '1x' is neither a number from 1 on nor all\n");
  EXPECT_EQ(mistake("run x.npz --way ,"), "--way: ',' is neither auto, all, nor names with commas between\n");
  EXPECT_EQ(mistake("run x.npz --way all,unfused"),
            "--way: 'all,unfused' is neither auto, all, nor names with commas between\n");
}

TEST(ArgumentErrors, Numbers) {
  EXPECT_THAT(mistake("run x.npz --threads 0"), HasSubstr("--threads"));
  EXPECT_THAT(mistake("run x.npz --threads two"), HasSubstr("--threads"));
  EXPECT_THAT(mistake("run x.npz --seed -1"), HasSubstr("--seed"));
  EXPECT_THAT(mistake("run x.npz --scale big"), HasSubstr("--scale"));
  EXPECT_THAT(mistake("bench x.npz --seconds -1"), HasSubstr("--seconds"));
}

TEST(ArgumentErrors, InputsComeFromOnePlace) {
  EXPECT_EQ(mistake("run"), "inputs: give one of FILE, --q, --k and --v, and --shape; 0 are given\n");
  EXPECT_EQ(mistake("run x.npz --shape 1,1,1,1,1,1"),
            "inputs: give one of FILE, --q, --k and --v, and --shape; 2 are given\n");
  EXPECT_EQ(mistake("run --q a.npy --k b.npy"), "inputs: --q, --k and --v go together\n");
  EXPECT_EQ(mistake("run --op gemm --a a.npy"), "inputs: --a and --b go together\n");
  EXPECT_EQ(mistake("run --op gemm"), "inputs: give one of FILE, --a and --b, and --shape; 0 are given\n");
  EXPECT_EQ(mistake("run x.npz --a a.npy"), "--a and --b are inputs of --op gemm\n");
  EXPECT_EQ(mistake("run x.npz --op gemm --q a.npy"), "--q, --k and --v are inputs of --op attention\n");
}

TEST(ArgumentErrors, OptionsThatDoNotGoTogether) {
  for (const char* option :
       {"--causal top_left", "--mask m.npy", "--bias b.npy", "--scale 1", "--layout bshd", "--lse l.npy"}) {
    EXPECT_EQ(mistake("run x.npz --op gemm " + std::string(option)),
              "--causal, --mask, --bias, --scale, --layout and --lse are options of --op attention\n");
  }
  EXPECT_EQ(mistake("run x.npz --b-dtype f16"), "--b-dtype is an option of --op gemm\n");
  EXPECT_EQ(mistake("run x.npz --op gemm --dtype int4"), "--dtype: 'int4' is none of bf16, f16, f32, i8, u8\n");
  EXPECT_EQ(mistake("run x.npz --dtype i8"), "--dtype: attention takes f32, f16 and bf16\n");
  for (const char* rest : {"--way all", "--way unfused,simdgroup", "--shape 1,1,1,1,1,1 --shape 1,1,1,1,1,1"}) {
    const std::string input = std::string(rest).starts_with("--shape") ? "" : "x.npz ";
    EXPECT_EQ(mistake("run " + input + "--out o.npy " + rest),
              "--out and --lse take the result of one shape by one way\n");
  }
}

std::string shape_error(const std::string& text, Op op = Op::attention) {
  try {
    parse_shape(text, op);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  ADD_FAILURE() << text << " was accepted";
  return "";
}

TEST(Shapes, AreParsed) {
  EXPECT_THAT(parse_shape("1,2,3,4,5,6", Op::attention), ElementsAre(1, 2, 3, 4, 5, 6, 6));
  EXPECT_THAT(parse_shape("1,2,3,4,5,6,7", Op::attention), ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(parse_shape("0,9223372036854775807,1", Op::gemm), ElementsAre(0, INT64_MAX, 1));
}

TEST(Shapes, ErrorsSayTheForm) {
  for (const char* text : {"", ",", "1", "1,2,3,4,5", "1,2,3,4,5,6,7,8", "1,2,3,4,5,6,", "1,2,3,4,5,-6",
                           "1,2,3,4,5,6x", "1 ,2,3,4,5,6", "1,2,3,4,5,9223372036854775808", "1;2;3;4;5;6"}) {
    EXPECT_EQ(shape_error(text),
              "--shape: '" + std::string(text) + "' is not B,Hq,Hkv,Lq,Lkv,D or B,Hq,Hkv,Lq,Lkv,D,Dv");
  }
  EXPECT_EQ(shape_error("1,2", Op::gemm), "--shape: '1,2' is not M,N,K");
}

TEST(CommandLine, RepeatsTheCase) {
  for (const std::string line :
       {"check --shape 1,2,1,3,4,5,6 --seed 7 --dtype bf16 --layout bshd --causal top_left --mask boolean "
        "--bias random "
        "--scale 0.25 --device cuda:0 "
        "--threads 3 --way unfused",
        "check x.npz --way simdgroup", "check --q a.npy --k b.npy --v c.npy --way simdgroup",
        "check --op gemm --shape 1,2,3 --seed 0 --way a.b",
        "check --op gemm --shape 1,2,3 --seed 0 --dtype u8 --b-dtype uint4 --way tensor_ops"}) {
    const Options options = parsed(line);
    EXPECT_EQ(command_line(options, options.shapes.empty() ? std::vector<std::int64_t>{} : options.shapes[0],
                           options.ways[0]),
              "flashtile " + line);
  }
}

}  // namespace
}  // namespace flashtile::cli
