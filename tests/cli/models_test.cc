#include "cli/models.h"

#include <gtest/gtest.h>

#include <set>

#include "cli/job.h"
#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

Options parsed(const std::vector<std::string>& arguments) {
  const auto result = parse_arguments(arguments);
  if (const Exit* exit = std::get_if<Exit>(&result)) throw Error(ErrorCode::invalid_argument, exit->error);
  return std::get<Options>(result);
}

std::string mistake_in(const std::vector<std::string>& arguments) {
  const auto result = parse_arguments(arguments);
  const Exit* exit = std::get_if<Exit>(&result);
  return exit == nullptr ? "" : exit->error;
}

std::string refusal(const std::vector<std::string>& arguments, ErrorCode code) {
  try {
    calls_of(parsed(arguments));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

/// The names of the list's first column.
std::set<std::string> models() {
  std::set<std::string> names;
  const std::string list = list_of_models();
  for (std::size_t at = list.find('\n') + 1; list[at] != '\n'; at = list.find('\n', at) + 1)
    names.insert(list.substr(at, list.find(' ', at) - at));
  return names;
}

TEST(Models, AreListed) {
  EXPECT_EQ(models(),
            (std::set<std::string>{"minilm", "bert-large", "whisper-large-v3", "vit-l-16", "sam-vit-h",
                                   "sd-1.5-unet", "llama-3.1-8b", "llama-3.1-70b", "gemma-2-9b", "gemma-3-12b",
                                   "qwen2.5-7b", "qwen3-8b", "gpt-oss-20b", "deepseek-v3"}));
  const auto listed = parse_arguments({"bench", "--models"});
  ASSERT_TRUE(std::holds_alternative<Exit>(listed));
  EXPECT_EQ(std::get<Exit>(listed).code, kDone);
  EXPECT_EQ(std::get<Exit>(listed).out, list_of_models());
}

/// Every call of every model has a way on CPUs.
TEST(Models, HaveCallsThatCanBePlanned) {
  int calls = 0;
  for (const std::string& model : models()) {
    for (const char* phase : {"prefill", "chunk", "decode"}) {
      std::vector<Options> found;
      try {
        found = calls_of(parsed({"explain", "--model", model, "--phase", phase}));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << error.what();
        continue;
      }
      for (const Options& call : found) {
        EXPECT_FALSE(jobs_of(call, Values::unused)[0]()->plan("").way.empty()) << model << " " << phase;
        ++calls;
      }
    }
  }
  EXPECT_EQ(calls, 12 + 10 * 3 + 2 + 3);  // encoders, text models, Whisper's decoding, DeepSeek
}

TEST(Models, GemmaHasTwoKindsOfLayers) {
  const std::vector<Options> calls = calls_of(parsed({"bench", "--model", "gemma-2-9b", "--phase", "chunk"}));
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].layers, "global");
  EXPECT_FALSE(calls[0].window.has_value());
  EXPECT_EQ(calls[1].layers, "window");
  EXPECT_EQ(calls[1].window->left, 4095);
  EXPECT_EQ(calls[1].softcap, 50.0f);
  EXPECT_EQ(calls[1].dtype, DType::bf16);
  EXPECT_EQ(calls[1].shapes, (std::vector<std::vector<std::int64_t>>{{1, 16, 8, 512, 8192, 256, 256}}));
  EXPECT_EQ(calls[1].causal, QueryOffset(CausalCorner::bottom_right));
}

/// The call of a model is one of the command line: what it prints to repeat it says the same.
TEST(Models, AreSpelledAsShapes) {
  const Options latent =
      calls_of(parsed({"bench", "--model", "deepseek-v3", "--phase", "decode", "--dtype", "f32"})).at(0);
  EXPECT_EQ(command_line(latent, latent.shapes[0], "flash.cpu"),
            "flashtile check --shape 1,128,1,1,8192,576,512 --seed 0 --v-in-k --dtype f32 --causal "
            "bottom_right --scale "
            "0.13523377 --way flash.cpu");
}

TEST(Models, RefuseWhatTheyCannotBe) {
  EXPECT_NE(refusal({"bench", "--model", "gemma-2"}, ErrorCode::invalid_argument).find("gemma-2-9b"),
            std::string::npos);
  EXPECT_NE(refusal({"bench", "--model", "minilm", "--phase", "decode"}, ErrorCode::invalid_argument)
                .find("minilm has no decode"),
            std::string::npos);
  EXPECT_NE(refusal({"bench", "--model", "minilm", "--phase", "x"}, ErrorCode::invalid_argument)
                .find("'x' is none of"),
            std::string::npos);
  EXPECT_NE(mistake_in({"bench", "--model", "minilm", "--window", "3,3"}).find("--window: --model says"),
            std::string::npos);
  EXPECT_NE(mistake_in({"bench", "--model", "minilm", "--shape", "1,1,1,1,1,1"}).find("2 are given"),
            std::string::npos);
  EXPECT_NE(mistake_in({"bench", "--phase", "decode", "--shape", "1,1,1,1,1,1"}).find("there is no --model"),
            std::string::npos);
  EXPECT_NE(mistake_in({"bench", "--v-in-k", "q.npz"}).find("there is no --shape"), std::string::npos);
}

TEST(Models, HaveSinks) {
  const Options call = calls_of(parsed({"bench", "--model", "gpt-oss-20b", "--phase", "decode"})).at(1);
  EXPECT_EQ(call.window->left, 127);
  const std::string line = command_line(call, call.shapes[0], "unfused");
  EXPECT_NE(line.find(" --sinks random"), std::string::npos) << line;
  const Options small = parsed({"check", "--shape", "2,4,1,3,5,16", "--sinks", "random", "--way", "unfused"});
  const std::unique_ptr<Job> job = jobs_of(small)[0]();
  job->prepare("unfused")();
  EXPECT_TRUE(job->verify(-1, [](std::int64_t) {}).right());
  EXPECT_EQ(job->describe()["sinks"], "f32");
}

/// Values that lie in the keys' rows are these: the oracle and the ways read the same memory.
TEST(Models, ValuesLieInKeys) {
  Options options =
      parsed({"check", "--shape", "2,4,1,3,5,24,16", "--v-in-k", "--dtype", "f32", "--way", "unfused"});
  const std::unique_ptr<Job> job = jobs_of(options)[0]();
  job->prepare("unfused")();
  EXPECT_TRUE(job->verify(-1, [](std::int64_t) {}).right());
  EXPECT_EQ(job->work().bytes, 4.0 * (2 * 4 * 3 * (24 + 16) + 2 * 5 * 24));
  options = parsed({"check", "--shape", "2,4,1,3,5,16,24", "--v-in-k"});
  EXPECT_THROW(jobs_of(options)[0](), Error);
}

}  // namespace
}  // namespace flashtile::cli
