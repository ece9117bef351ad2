#include "cli/models.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/words.h"
#include "flashtile/error.h"

namespace flashtile::cli {
namespace {

/// The lengths that a phase is measured at; a batch of 0: there is no such phase.
struct Lengths {
  std::int64_t batch = 0, queries = 0, keys = 0;
};

/// Of each phase.
struct Phases {
  Lengths prefill, chunk{}, decode{};
};

struct Heads {
  std::int64_t queries, keys;  ///< query heads and KV heads
  std::int64_t head_dim, value_dim;
};

/// What makes a layer's attention more than softmax(q k / sqrt(D)) v.
struct Rules {
  bool causal = false;
  std::int64_t left = -1;  ///< of a window
  float softcap = 0;
  float scale = 0;      ///< 0: 1 / sqrt(head_dim)
  bool bias = false;    ///< one for all heads
  bool v_in_k = false;  ///< values are the first elements of the keys' rows
  bool sinks = false;
};

/// Layers of one kind.
struct Layers {
  const char *model, *kind;
  DType dtype;
  Heads heads;
  Phases phases;
  Rules rules{};
};

constexpr auto kF32 = DType::f32, kF16 = DType::f16, kBf16 = DType::bf16;

// Text models are measured at one length: 4096 tokens, 512 more behind 7680, and one more behind 8191.
constexpr Phases kText{{1, 4096, 4096}, {1, 512, 8192}, {1, 1, 8192}};
constexpr float kYarn = 0.13523377f;  // 1 / sqrt(192), times the square of DeepSeek's length correction, 1.3689

constexpr Layers kLayers[] = {
    {"minilm", "all", kF32, {12, 12, 32, 32}, {{32, 256, 256}}},
    {"bert-large", "all", kF32, {16, 16, 64, 64}, {{8, 512, 512}}},
    {"whisper-large-v3", "encoder", kF16, {20, 20, 64, 64}, {{1, 1500, 1500}}},
    {"whisper-large-v3", "decoder", kF16, {20, 20, 64, 64}, {{1, 224, 224}, {}, {1, 1, 448}}, {.causal = true}},
    {"whisper-large-v3", "cross", kF16, {20, 20, 64, 64}, {{1, 224, 1500}, {}, {1, 1, 1500}}},
    {"vit-l-16", "all", kF16, {16, 16, 64, 64}, {{8, 197, 197}}},
    {"sam-vit-h", "global", kF16, {16, 16, 80, 80}, {{1, 4096, 4096}}, {.bias = true}},
    {"sam-vit-h", "window", kF16, {16, 16, 80, 80}, {{25, 196, 196}}, {.bias = true}},
    {"sd-1.5-unet", "self-64x64", kF16, {8, 8, 40, 40}, {{2, 4096, 4096}}},
    {"sd-1.5-unet", "self-32x32", kF16, {8, 8, 80, 80}, {{2, 1024, 1024}}},
    {"sd-1.5-unet", "self-16x16", kF16, {8, 8, 160, 160}, {{2, 256, 256}}},
    {"sd-1.5-unet", "cross-64x64", kF16, {8, 8, 40, 40}, {{2, 4096, 77}}},
    {"llama-3.1-8b", "all", kBf16, {32, 8, 128, 128}, kText, {.causal = true}},
    {"llama-3.1-70b", "all", kBf16, {64, 8, 128, 128}, kText, {.causal = true}},
    {"gemma-2-9b", "global", kBf16, {16, 8, 256, 256}, kText, {.causal = true, .softcap = 50}},
    {"gemma-2-9b", "window", kBf16, {16, 8, 256, 256}, kText, {.causal = true, .left = 4095, .softcap = 50}},
    {"gemma-3-12b", "global", kBf16, {16, 8, 256, 256}, kText, {.causal = true}},
    {"gemma-3-12b", "window", kBf16, {16, 8, 256, 256}, kText, {.causal = true, .left = 1023}},
    {"qwen2.5-7b", "all", kBf16, {28, 4, 128, 128}, kText, {.causal = true}},
    {"qwen3-8b", "all", kBf16, {32, 8, 128, 128}, kText, {.causal = true}},
    {"gpt-oss-20b", "global", kBf16, {64, 8, 64, 64}, kText, {.causal = true, .sinks = true}},
    {"gpt-oss-20b", "window", kBf16, {64, 8, 64, 64}, kText, {.causal = true, .left = 127, .sinks = true}},
    // Latent attention: keys and values of their own in a prompt, the latent rows themselves after it.
    {"deepseek-v3", "expanded", kBf16, {128, 128, 192, 128}, {kText.prefill}, {.causal = true, .scale = kYarn}},
    {"deepseek-v3",
     "latent",
     kBf16,
     {128, 1, 576, 512},
     {{}, kText.chunk, kText.decode},
     {.causal = true, .scale = kYarn, .v_in_k = true}},
};

struct Phase {
  const char* name;
  Lengths Phases::* lengths;
};
constexpr Phase kPhases[] = {
    {"prefill", &Phases::prefill}, {"chunk", &Phases::chunk}, {"decode", &Phases::decode}};

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Layers& layers : kLayers) {
    if (names.empty() || names.back() != layers.model) names.emplace_back(layers.model);
  }
  return names;
}

Lengths Phases::* phase_of(const std::string& name) {
  Words<Lengths Phases::*> words;
  for (const Phase& phase : kPhases) words[phase.name] = phase.lengths;
  return parse_word("--phase", name, words);
}

Options call_of(const Options& options, const Layers& layers, const Lengths& lengths) {
  const Rules& rules = layers.rules;
  Options call = options;
  call.layers = layers.kind;
  call.shapes = {{lengths.batch, layers.heads.queries, layers.heads.keys, lengths.queries, lengths.keys,
                  layers.heads.head_dim, layers.heads.value_dim}};
  call.dtype = options.dtype.value_or(layers.dtype);
  if (rules.causal) call.causal = CausalCorner::bottom_right;
  if (rules.left >= 0) call.window = Window{.left = rules.left, .right = 0};
  if (rules.softcap > 0) call.softcap = rules.softcap;
  if (rules.scale > 0) call.scale = rules.scale;
  if (rules.bias) call.bias = "random";
  if (rules.sinks) call.tensors["sinks"] = "random";
  call.v_in_k = rules.v_in_k;
  return call;
}

std::string spelled(const Lengths& lengths) {
  return lengths.batch == 0 ? "" : fmt::format("{} x {} x {}", lengths.batch, lengths.queries, lengths.keys);
}

}  // namespace

std::vector<Options> calls_of(const Options& options) {
  if (options.model.empty()) return {options};
  const std::vector<std::string> models = model_names();
  if (std::find(models.begin(), models.end(), options.model) == models.end())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--model: '{}' is none of {}{}", options.model, fmt::join(models, ", "),
                            suggestion(options.model, models)));
  const auto lengths = phase_of(options.phase);
  std::vector<Options> calls;
  for (const Layers& layers : kLayers) {
    if (layers.model != options.model || (layers.phases.*lengths).batch == 0) continue;
    calls.push_back(call_of(options, layers, layers.phases.*lengths));
  }
  if (calls.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--phase: {} has no {}; flashtile bench --models lists what there is",
                            options.model, options.phase));
  return calls;
}

std::string list_of_models() {
  constexpr const char* kRow =
      "{:<16}  {:<11}  {:<5}  {:>3}  {:>3}  {:>3}  {:>3}  {:<33}  {:<15}  {:<14}  {}\n";
  std::string text = fmt::format(kRow, "model", "layers", "dtype", "Hq", "Hkv", "D", "Dv", "scores", "prefill",
                                 "chunk", "decode");
  for (const Layers& layers : kLayers) {
    std::vector<std::string> scores;
    if (layers.rules.causal) scores.emplace_back("causal");
    if (layers.rules.left >= 0) scores.push_back(fmt::format("window {}", layers.rules.left));
    if (layers.rules.softcap > 0) scores.push_back(fmt::format("softcap {}", layers.rules.softcap));
    if (layers.rules.bias) scores.emplace_back("bias");
    if (layers.rules.sinks) scores.emplace_back("sinks");
    text += fmt::format(fmt::runtime(kRow), layers.model, layers.kind, name(layers.dtype), layers.heads.queries,
                        layers.heads.keys, layers.heads.head_dim, layers.heads.value_dim,
                        fmt::format("{}", fmt::join(scores, ", ")), spelled(layers.phases.prefill),
                        spelled(layers.phases.chunk), spelled(layers.phases.decode));
    while (text.size() > 1 && text[text.size() - 2] == ' ') text.erase(text.size() - 2, 1);
  }
  return text +
         "\nLengths are batch x queries x keys. --dtype takes another type. The bias is one for all heads.\n";
}

}  // namespace flashtile::cli
