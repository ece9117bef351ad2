#include "cli/arguments.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <sstream>

#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

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
      "bottom_right --mask boolean --bias random --mask-dtype f16 --out-dtype f32 --names q=query,mask=m "
      "--scale -0.5 --way unfused,simdgroup --device cuda:1 --threads 3 --rows all --json --quiet --color "
      "never");
  EXPECT_THAT(options.shapes, ElementsAre(ElementsAre(1, 2, 1, 3, 4, 5, 5), ElementsAre(1, 2, 1, 3, 4, 5, 6)));
  EXPECT_EQ(options.seed, 7u);
  EXPECT_EQ(options.dtype, DType::bf16);
  EXPECT_EQ(options.layout, Layout::bshd);
  EXPECT_EQ(options.causal, QueryOffset(CausalCorner::bottom_right));
  EXPECT_EQ(options.mask + options.bias, "booleanrandom");
  EXPECT_EQ(options.mask_dtype, DType::f16);
  EXPECT_EQ(options.out_dtype, DType::f32);
  EXPECT_THAT(options.names, ElementsAre(Pair("mask", "m"), Pair("q", "query")));
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
  const Options gemm =
      parsed("run --op gemm --a a.npy --b b.npy --c c.npy --alpha 2 --beta -0.5 --dtype i8 --b-dtype int4");
  EXPECT_EQ(gemm.c, "c.npy");
  EXPECT_EQ(gemm.alpha, 2.0f);
  EXPECT_EQ(gemm.beta, -0.5f);
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
  EXPECT_THAT(refused("--help").out, HasSubstr("Exit status: 0 done"));
  EXPECT_THAT(refused("--version").out, HasSubstr(FLASHTILE_VERSION));
  EXPECT_EQ(refused("version").out, refused("--version").out);
  EXPECT_EQ(refused("help").out, refused("--help").out);
  EXPECT_EQ(refused("help run").out, refused("run --help").out);
}

TEST(Arguments, EveryCommandSaysItsOptionsAndAnExample) {
  for (const char* command : {"run", "check", "bench", "explain"}) {
    const std::string help = refused(std::string("help ") + command).out;
    EXPECT_THAT(help, HasSubstr(std::string("  flashtile ") + command + " ")) << "an example";
    EXPECT_THAT(help, HasSubstr("--mask F"));
    EXPECT_THAT(help, Not(testing::ContainsRegex("INT|UINT|TEXT|NONNEGATIVE"))) << "CLI11's words for types";
  }
}

TEST(ArgumentErrors, Commands) {
  EXPECT_THAT(mistake(""), HasSubstr("a command is expected: info, run, check, bench, explain, metal, help"));
  EXPECT_EQ(mistake("chekc x.npz"), "there is no command 'chekc'; did you mean 'check'?\n");
  EXPECT_EQ(mistake("help rnu"), "there is no command 'rnu'; did you mean 'run'?\n");
  EXPECT_THAT(mistake("frobnicate"), HasSubstr("there is no command 'frobnicate'; there are info, run, check"));
  EXPECT_EQ(mistake("run x.npz --frobnicate"),
            "--frobnicate: run has no such option; flashtile help run lists them\n");
  EXPECT_EQ(mistake("run x.npz --thread 2"), "--thread: run has no such option; did you mean '--threads'?\n");
  EXPECT_EQ(mistake("check x.npz --out=o.npy"), "--out: check has no such option; did you mean '--op'?\n");
  EXPECT_EQ(mistake("run x.npz y.npz"), "'y.npz' is one word too many; flashtile help run lists the options\n");
  EXPECT_THAT(mistake("info x.npz"), HasSubstr("'x.npz' is one word too many"));
  EXPECT_THAT(mistake("--quiet run x.npz"), HasSubstr("--quiet"));
  EXPECT_EQ(mistake("completion tcsh"),
            "completion: 'tcsh' is none of bash, fish, zsh; did you mean 'bash'?\n");
}

TEST(ArgumentErrors, Words) {
  EXPECT_EQ(mistake("run x.npz --op conv"), "--op: 'conv' is none of attention, gemm\n");
  EXPECT_EQ(mistake("run x.npz --dtype q8"),
            "--dtype: 'q8' is none of bf16, f16, f32, i8, u8; did you mean 'i8'?\n");
  EXPECT_EQ(mistake("run x.npz --dtype float32"),
            "--dtype: 'float32' is none of bf16, f16, f32, i8, u8; did you mean 'f32'?\n");
  EXPECT_THAT(mistake("run x.npz --dtype fp16"), HasSubstr("did you mean 'f16'?"));
  EXPECT_EQ(mistake("run x.npz --layout sbhd"),
            "--layout: 'sbhd' is none of bhsd, bshd; did you mean 'bshd'?\n");
  EXPECT_EQ(mistake("run x.npz --causal true"), "--causal: 'true' is none of bottom_right, top_left\n");
  EXPECT_EQ(mistake("run x.npz --query-offset top"),
            "--query-offset: 'top' is none of bottom_right, top_left\n");
  EXPECT_EQ(mistake("run x.npz --color red"), "--color: 'red' is none of always, auto, never\n");
  EXPECT_THAT(mistake("run x.npz --device tpu"), HasSubstr("tpu"));
  EXPECT_EQ(mistake("check x.npz --rows some"), "--rows: 'some' is neither a number from 1 on nor all\n");
  EXPECT_EQ(mistake("check x.npz --rows 0"), "--rows: '0' is neither a number from 1 on nor all\n");
  EXPECT_EQ(mistake("check x.npz --rows 1x"), "--rows: '1x' is neither a number from 1 on nor all\n");
  EXPECT_EQ(mistake("run x.npz --names q"), "--names: 'q' is not of the form q=NAME\n");
  EXPECT_EQ(mistake("run x.npz --names q="), "--names: 'q=' is not of the form q=NAME\n");
  EXPECT_EQ(
      mistake("run x.npz --names a=x"),
      "--names: 'a' is none of q, k, v, mask, bias, causal, query_offset, q_lengths, kv_lengths, "
      "q_row_starts, kv_row_starts, block_table, q_segments, kv_segments, block_map, alibi_slopes, sinks, "
      "k_scales, v_scales\n");
  EXPECT_EQ(mistake("run x.npz --op gemm --names b=x,b=y"), "--names: 'b' is given twice\n");
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
  EXPECT_EQ(mistake("run"), "inputs: give one of FILE, --q, --k and --v, --model, and --shape; 0 are given\n");
  EXPECT_EQ(mistake("run x.npz --shape 1,1,1,1,1,1"),
            "inputs: give one of FILE, --q, --k and --v, --model, and --shape; 2 are given\n");
  EXPECT_EQ(mistake("run --q a.npy --k b.npy"), "inputs: --q, --k and --v go together\n");
  EXPECT_EQ(mistake("run --op gemm --a a.npy"), "inputs: --a and --b go together\n");
  EXPECT_EQ(mistake("run --op gemm"), "inputs: give one of FILE, --a and --b, and --shape; 0 are given\n");
  EXPECT_EQ(mistake("check --q - --k - --v v.npy"),
            "inputs: 2 of them are -, but standard input can be read once\n");
  EXPECT_EQ(mistake("check - --mask -"), "inputs: 2 of them are -, but standard input can be read once\n");
}

TEST(ArgumentErrors, OutputsGoToTwoPlaces) {
  EXPECT_EQ(mistake("run x.npz --out - --lse -"),
            "--out and --lse: standard output takes one of them; give the other one a file\n");
  EXPECT_EQ(mistake("run x.npz --scores s.npz --lse s.npz"),
            "--lse and --scores: 's.npz' takes one of them; give two files\n");
  EXPECT_EQ(mistake("run x.npz --scores s.npz --score-stage softmax"),
            "--score-stage: 'softmax' is none of biased, capped, probabilities, raw\n");
  EXPECT_EQ(mistake("run x.npz --out o.npz --lse o.npz"),
            "--out and --lse: 'o.npz' takes one of them; give two files\n");
}

TEST(ArgumentErrors, OptionsThatDoNotGoTogether) {
  for (const char* option :
       {"--causal top_left", "--window -1,3", "--query-offset 2", "--softcap 3", "--mask m.npy", "--bias b.npy",
        "--q-lengths n.npy", "--kv-lengths n.npy", "--q-row-starts n.npy", "--mask-dtype f16",
        "--out-dtype f32", "--scale 1", "--layout bshd", "--q q.npy"}) {
    const std::string name = std::string(option).substr(0, std::string(option).find(' '));
    EXPECT_EQ(mistake("run x.npz --op gemm " + std::string(option)),
              name + " is an option of --op attention\n");
  }
  for (const char* option : {"--a a.npy", "--c c.npy", "--b-dtype f16", "--alpha 2", "--beta 1"}) {
    const std::string name = std::string(option).substr(0, std::string(option).find(' '));
    EXPECT_EQ(mistake("run x.npz " + std::string(option)), name + " is an option of --op gemm\n");
  }
  EXPECT_EQ(mistake("run x.npz --op gemm --lse l.npy"), "--lse is an option of --op attention\n");
  EXPECT_EQ(mistake("run x.npz --mask-dtype bf16"), "--mask-dtype: there is no --mask and no --bias\n");
  EXPECT_EQ(mistake("run x.npz --op gemm --c c.npy"), "--c is read only where --beta is given and not 0\n");
  EXPECT_EQ(mistake("run x.npz --op gemm --beta 1"), "--beta 1: give --c, the matrix that it multiplies\n");
  EXPECT_EQ(mistake("run --op gemm --shape 1,1,1 --beta 1 --c c.npy"),
            "--c: with --shape all matrices are random\n");
  EXPECT_EQ(mistake("run x.npz --op gemm --dtype int4"), "--dtype: 'int4' is none of bf16, f16, f32, i8, u8\n");
  EXPECT_EQ(mistake("run x.npz --dtype i8"), "--dtype: attention takes f32, f16 and bf16\n");
  for (const char* rest : {"--way all", "--way unfused,simdgroup", "--shape 1,1,1,1,1,1 --shape 1,1,1,1,1,1"}) {
    const std::string input = std::string(rest).starts_with("--shape") ? "" : "x.npz ";
    EXPECT_EQ(mistake("run " + input + "--out o.npy " + rest),
              "--out takes the result of one shape by one way; name it with --way\n");
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

/// The line that repeats the first shape by the first way.
std::string repeated(const Options& options) {
  return command_line(options, options.shapes.empty() ? std::vector<std::int64_t>{} : options.shapes[0],
                      options.ways[0]);
}

class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    unsetenv("FLASHTILE_MAX_ISA");
    unsetenv("FLASHTILE_THREADS");
  }
  ~CommandLine() override {
    for (const auto& [variable, value] : before_) {
      if (value) setenv(variable, value->c_str(), 1);
    }
  }

 private:
  static std::optional<std::string> value_of(const char* variable) {
    const char* value = std::getenv(variable);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }
  const std::pair<const char*, std::optional<std::string>> before_[2] = {
      {"FLASHTILE_MAX_ISA", value_of("FLASHTILE_MAX_ISA")},
      {"FLASHTILE_THREADS", value_of("FLASHTILE_THREADS")}};
};

TEST_F(CommandLine, RepeatsTheCase) {
  for (const std::string line :
       {"check --mask boolean --bias random --shape 1,2,1,3,4,5,6 --seed 7 --dtype bf16 --mask-dtype f16 "
        "--out-dtype f32 --layout bshd "
        "--causal top_left --query-offset -3 --window -1,7 --scale 0.25 --softcap 30 --device cuda:0 --threads "
        "3 --way unfused",
        "check x.npz --way simdgroup",
        "check --q a.npy --k b.npy --v c.npy --names q=query,v=value --way simdgroup",
        "check x.npz --causal o.npy --kv-lengths n.npy --q-lengths n.npy --query-offset ./o --way simdgroup",
        "check --op gemm --shape 1,2,3 --seed 0 --alpha 2 --beta 0.5 --way a.b",
        "check --op gemm --a a.npy --b b.npy --c c.npy --beta 1 --way a.b",
        "check --op gemm --shape 1,2,3 --seed 0 --dtype u8 --b-dtype uint4 --way tensor_ops"}) {
    EXPECT_EQ(repeated(parsed(line)), "flashtile " + line);
  }
}

TEST_F(CommandLine, IsQuotedForAShell) {
  const auto result = parse_arguments(
      {"check", "my file.npz", "--mask", "it's.npy", "--bias=-b.npy", "--kv-lengths", "n.npy", "--way", "all"});
  EXPECT_EQ(repeated(std::get<Options>(result)),
            "flashtile check 'my file.npz' --mask 'it'\\''s.npy' --bias ./-b.npy --kv-lengths n.npy --way all");
}

TEST_F(CommandLine, CarriesTheEnvironmentThatItDependsOn) {
  setenv("FLASHTILE_MAX_ISA", "avx2", 1);
  setenv("FLASHTILE_THREADS", "3", 1);
  EXPECT_EQ(repeated(parsed("check x.npz --way all")),
            "FLASHTILE_MAX_ISA=avx2 FLASHTILE_THREADS=3 flashtile check x.npz --way all");
  unsetenv("FLASHTILE_MAX_ISA");
  unsetenv("FLASHTILE_THREADS");
}

}  // namespace
}  // namespace flashtile::cli
