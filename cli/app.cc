#include "cli/app.h"

#include <sstream>

#include "cli/text.h"

namespace flashtile::cli {
namespace {

constexpr const char* kAbout =
    "Exact attention and matrix products, by every way that this machine has. A way is one implementation: "
    "ours, or "
    "that of a library that is installed. Each result is compared with a float64 oracle.";

constexpr const char* kFooter =
    "Tables go to standard output, notes and progress to standard error. With --json each result is one JSON "
    "object on "
    "a line of standard output, and so is an error.\n\n"
    "Exit status: 0 done, 1 a result is wrong, 2 the command line is wrong, 3 not supported by this build or "
    "on this "
    "machine, 4 a file cannot be read or written, 5 an internal error, or standard output could not be "
    "written.\n\n"
    "Environment: FLASHTILE_THREADS (as --threads); FLASHTILE_MAX_ISA (scalar, avx2, avx512, ...: the best "
    "instruction "
    "set that kernels may use); NO_COLOR; TERM=dumb (no colours and no progress).\n\n"
    "flashtile help COMMAND lists the options of a command.";

constexpr const char* kInputs = "Inputs";
constexpr const char* kWork = "What runs";
constexpr const char* kOutput = "Output";

/// Help that fits a terminal: CLI11 leaves long lines to who writes them.
class Help final : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return paragraphs(app->get_description());
  }
  std::string make_footer(const CLI::App* app) const override { return "\n" + paragraphs(app->get_footer()); }
  std::string make_option_desc(const CLI::Option* option) const override {
    return joined(wrapped(option->get_description(), kColumns - get_column_width(), 0));
  }

 private:
  static std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
    return text;
  }
  /// Each line is a paragraph; those that begin with a space stay as they are.
  static std::string paragraphs(const std::string& text) {
    std::istringstream lines(text);
    std::string result;
    for (std::string line; std::getline(lines, line);)
      result += (line.starts_with(' ') ? line : joined(wrapped(line, kColumns, 0))) + "\n";
    return result;
  }
};

CLI::Option* quiet_range(CLI::Option* option, double low, double high) {
  return option->check(CLI::Range(low, high).description(""));  // CLI11's own words for a range say little
}

void add_output_options(CLI::App& command, Options& options, Texts& texts) {
  command.add_flag("--json", options.json, "one JSON object a line")->group(kOutput);
  command.add_option("--color", texts.color, "auto (default), always or never")
      ->type_name("WHEN")
      ->group(kOutput);
  command.add_flag("--quiet", options.quiet, "only the rows of the table: no titles, notes or progress")
      ->group(kOutput);
}

void add_input_options(CLI::App& command, Options& options, Texts& texts) {
  command
      .add_option("FILE", options.file,
                  ".npz, .safetensors or .gguf that holds q, k, v (gemm: a, b); - is standard input, in all "
                  "file options")
      ->type_name("")
      ->group(kInputs);
  command.add_option("--op", texts.op, "attention (default) or gemm")->type_name("OP")->group(kInputs);
  command
      .add_option(
          "--shape", texts.shapes,
          "random inputs of this shape instead of files; may be repeated. Attention: batch, query heads, KV "
          "heads, queries, keys, head size[, value size]; gemm: M,N,K")
      ->type_name("B,Hq,Hkv,Lq,Lkv,D[,Dv]")
      ->allow_extra_args(false)
      ->group(kInputs);
  command
      .add_option("--model", options.model,
                  "random inputs as a model's attention layers have them: a name that --models lists")
      ->type_name("NAME")
      ->group(kInputs);
  command.add_option("--phase", texts.phase, "of --model: prefill (default), chunk or decode")
      ->type_name("PHASE")
      ->group(kInputs);
  command.add_flag("--models", options.models, "list the models and their calls")->group(kInputs);
  command.add_option("--seed", options.seed, "of random inputs (0)")
      ->type_name("N")
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->group(kInputs);
  command
      .add_option("--names", texts.names,
                  "what the tensors are called in their files, where that is not q, k, v, ...")
      ->type_name("q=NAME,k=NAME,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kInputs);
  command
      .add_option(
          "--dtype", texts.dtype,
          "f32, f16, bf16 (gemm also i8, u8): converts inputs; two-byte integers of a .npy are taken for bf16")
      ->type_name("TYPE")
      ->group(kInputs);
}

void add_attention_options(CLI::App& command, Options& options, Texts& texts) {
  const auto file = [&](const char* name, std::string& path, const char* about) {
    command.add_option(name, path, about)->type_name("F")->group(kAttentionGroup);
  };
  file("--q", options.q, "queries, a file of their own");
  file("--k", options.k, "keys, a file of their own");
  file("--v", options.v, "values, a file of their own");
  command.add_option("--layout", texts.layout, "of q, k, v and out: bhsd (default) or bshd")
      ->type_name("ORDER")
      ->group(kAttentionGroup);
  command
      .add_flag("--v-in-k", options.v_in_k,
                "with --shape: v is the first Dv elements of each row of k, as in latent attention")
      ->group(kAttentionGroup);
  command
      .add_option("--causal", texts.causal,
                  "top_left or bottom_right: where the diagonal starts if Lq is not Lkv; or the first query's "
                  "position; or "
                  "a file of one position of each batch entry")
      ->type_name("CORNER")
      ->group(kAttentionGroup);
  command
      .add_option("--window", texts.window,
                  "how many keys before and after its position a query sees; -1: no limit")
      ->type_name("LEFT,RIGHT")
      ->group(kAttentionGroup);
  command
      .add_option("--query-offset", texts.query_offset, "the first query's position, for --window; as --causal")
      ->type_name("CORNER")
      ->group(kAttentionGroup);
  file("--mask", options.mask,
       "a file: bool or integers (a query attends where they are not 0), or floats (a bias); or boolean, "
       "additive: random");
  file("--bias", options.bias,
       "a file of floats that are added to the scores, beside a boolean --mask; or random");
  const auto tensor = [&](const char* name, const char* about) {
    command.add_option(option_of(name), options.tensors[name], about)->type_name("F")->group(kAttentionGroup);
  };
  tensor("q_lengths",
         "a file of integers: how many rows of q are there in each batch entry; the others are padding");
  tensor("kv_lengths", "the same for rows of k and v");
  tensor(
      "q_row_starts",
      "a file of integers (B + 1): where packed sequences begin in q (Tq, Hq, D); --shape is of all rows then");
  tensor("kv_row_starts", "the same in k (Tk, Hkv, D) and v (Tk, Hkv, Dv)");
  tensor("block_table",
         "a file of i32 (B, most): the pages of each batch entry; k and v are (pages, page size, Hkv, D), "
         "--kv-lengths says how many rows are there, and --shape is of all rows of an entry");
  tensor("q_segments", "a file of i32 (B, Lq): a query attends only to keys with its id");
  tensor("kv_segments", "a file of i32 (B, Lkv): the ids of keys");
  tensor("block_map",
         "a file of bool or u8 (1 or B, 1 or Hq, blocks of queries, blocks of keys): 0 hides a block");
  command.add_option("--q-block", options.q_block, "queries of a block of --block-map")
      ->type_name("N")
      ->group(kAttentionGroup);
  command.add_option("--kv-block", options.kv_block, "keys of a block of --block-map")
      ->type_name("N")
      ->group(kAttentionGroup);
  tensor("alibi_slopes", "a file of f32, (Hq) or (B, Hq): scores lose slope |position of the query - key|");
  tensor("sinks", "a file of f32 (Hq): a further logit of each row, without a value; or random");
  tensor(
      "k_scales",
      "a file of f32 or f16 that elements of k are multiplied with: one number, one a head, or of k's "
      "dimensions, each 1 "
      "or as long, and the last the number of scales of a row; k is taken as its file has it, or of random i8");
  tensor("v_scales", "the same for v");
  command
      .add_option("--mask-dtype", texts.mask_dtype,
                  "f32, f16, bf16: of a bias; two-byte integers of a .npy are then taken for bf16")
      ->type_name("TYPE")
      ->group(kAttentionGroup);
  command.add_option("--out-dtype", texts.out_dtype, "of the result: f32, or the inputs' type (default)")
      ->type_name("TYPE")
      ->group(kAttentionGroup);
  command.add_option("--scale", texts.scale, "of the scores (1/sqrt(D))")
      ->type_name("X")
      ->group(kAttentionGroup);
  command.add_option("--softcap", texts.softcap, "scores become X tanh(score / X); 0: off (default)")
      ->type_name("X")
      ->group(kAttentionGroup);
}

void add_gemm_options(CLI::App& command, Options& options, Texts& texts) {
  const auto file = [&](const char* name, std::string& path, const char* about) {
    command.add_option(name, path, about)->type_name("F")->group(kGemmGroup);
  };
  file("--a", options.a, "the left matrix, a file of its own");
  file("--b", options.b, "the right matrix, a file of its own");
  file("--c", options.c, "what beta multiplies; its type is the result's");
  command
      .add_option("--b-dtype", texts.b_dtype,
                  "of b, where it differs from a's; also int4 (a: i8, f16, bf16) and uint4 (a: u8, f16, bf16)")
      ->type_name("TYPE")
      ->group(kGemmGroup);
  command.add_option("--alpha", texts.alpha, "of C = alpha A B + beta C (1)")
      ->type_name("X")
      ->group(kGemmGroup);
  command.add_option("--beta", texts.beta, "the same (0); C is --c, or random with --shape")
      ->type_name("X")
      ->group(kGemmGroup);
}

void add_way_options(CLI::App& command, Options& options, Texts& texts) {
  command.add_option("--way", texts.way, "a way's name, several with commas between, auto, or all")
      ->type_name("NAME")
      ->group(kWork);
  command.add_option("--device", texts.device, "cpu (default), cuda, cuda:1")
      ->type_name("DEVICE")
      ->group(kWork);
  quiet_range(command.add_option("--threads", options.threads, "of the CPU (all)"), 1, 4096)
      ->type_name("N")
      ->group(kWork);
}

void add_time_options(CLI::App& command, Options& options, Texts& texts) {
  options.seconds.reset();
  quiet_range(command.add_option("--seconds", options.seconds, "to measure each way for"), 0, 3600)
      ->type_name("S")
      ->group(kWork);
  command
      .add_option("--cache", texts.cache,
                  "warm (default: calls follow each other) or cold (the caches are flushed before each)")
      ->type_name("STATE")
      ->group(kWork);
}

struct Described {
  const char *name, *about, *examples;
};
constexpr Described kInfo{"info", "what this build and this machine offer", "flashtile info --json"};
constexpr Described kRun{"run", "compute, compare with the oracle, time, write the result",
                         "flashtile run layer.safetensors --way all\n"
                         "  flashtile run qkv.npz --mask mask.npy --out out.npy --lse lse.npy\n"
                         "  flashtile run --q q.npy --k k.npy --v v.npy --layout bshd --out - > out.npy"};
constexpr Described kCheck{"check", "compare every row with the oracle",
                           "flashtile check --shape 2,8,2,333,333,64 --dtype bf16 --causal bottom_right\n"
                           "  flashtile check model.safetensors --names q=query,k=key,v=value"};
constexpr Described kBench{
    "bench", "measure ways beside the machine's own peak",
    "flashtile bench --shape 1,16,16,2048,2048,64 --dtype bf16 --threads 1\n"
    "  flashtile bench --model llama-3.1-8b --phase decode\n"
    "  flashtile bench --op gemm --shape 2048,2048,2048 --way panels,vendor.cblas --json"};
constexpr Described kExplain{"explain", "which way would run, and why not the others",
                             "flashtile explain --shape 1,16,16,2048,2048,64"};

CLI::App& add_command(CLI::App& app, const Described& described) {
  CLI::App& command = *app.add_subcommand(described.name, described.about);
  command.group("Commands")->footer(std::string("Examples:\n  ") + described.examples);
  return command;
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Options& options, Texts& texts) {
  auto app = std::make_unique<CLI::App>(kAbout, "flashtile");
  app->formatter(std::make_shared<Help>());  // of the commands too
  app->footer(kFooter);
  app->require_subcommand(0, 1);  // what follows a command is never another one, as in "help run"
  app->set_version_flag("--version", "flashtile " FLASHTILE_VERSION, "print the version");
  CLI::App& info = add_command(*app, kInfo);
  CLI::App& run = add_command(*app, kRun);
  CLI::App& check = add_command(*app, kCheck);
  CLI::App& bench = add_command(*app, kBench);
  CLI::App& explain = add_command(*app, kExplain);
  for (CLI::App* command : {&run, &check, &bench, &explain}) {
    add_input_options(*command, options, texts);
    add_attention_options(*command, options, texts);
    add_gemm_options(*command, options, texts);
    add_way_options(*command, options, texts);
  }
  for (CLI::App* command : {&run, &check, &bench}) {
    command->add_option("--rows", texts.rows, "rows to compare with the oracle: a number or all (check: all)")
        ->type_name("N")
        ->group(kWork);
  }
  for (CLI::App* command : {&run, &bench}) add_time_options(*command, options, texts);
  run.add_option(
         "--out", options.out,
         "write the result: .npy, .npz, .safetensors, or - for .npy on standard output. Nothing is measured "
         "then, unless --seconds asks for it")
      ->type_name("F")
      ->group(kOutput);
  run.add_option("--lse", options.lse, "attention: write the log-sum-exp of each query's scores")
      ->type_name("F")
      ->group(kOutput);
  run.add_option("--scores", options.scores, "attention: write every pair's score, by --way unfused")
      ->type_name("F")
      ->group(kOutput);
  run.add_option("--score-stage", texts.score_stage,
                 "of --scores: raw, capped, biased or probabilities (default)")
      ->type_name("STAGE")
      ->group(kOutput);
  for (CLI::App* command : {&info, &run, &check, &bench, &explain})
    add_output_options(*command, options, texts);

  app->add_subcommand("metal", "run a Metal kernel, emulated: flashtile metal --help")->group("Commands");
  app->add_subcommand("help", "what a command does, and its options")
      ->group("Help")
      ->add_option("COMMAND", texts.topic, "one of those above")
      ->type_name("");
  app->add_subcommand("version", "print the version")->group("Help");
  app->add_subcommand("manual", "print the manual page, for man -l -")->group("Help");
  app->add_subcommand("completion", "print what lets a shell complete words")
      ->group("Help")
      ->add_option("SHELL", texts.topic, "bash, zsh or fish")
      ->type_name("")
      ->required();
  return app;
}

}  // namespace flashtile::cli
