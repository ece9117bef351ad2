// Random whole calls against the oracle. tools/campaign runs this program, counts what it prints and shrinks what fails:
//
//   campaign about                                         the fields, the CPU's instruction set, each way on each device
//   campaign draw SEED FIRST COUNT --way W --device D      calls FIRST ... of a seed, each drawn until the way computes it
//   campaign call TEXT --way W --device D                  one call again
//
// Of each call it prints "call TEXT" before, and after it one of "computed", "declined REASON" and "wrong WHAT";
// "exhausted" where a way has declined too many.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "flashtile/attention.h"
#include "flashtile/error.h"
#include "tests/campaign/fields.h"
#include "tests/campaign/packed_answer.h"

namespace flashtile::test {
namespace {

struct Runner {
  std::string way;  ///< "": the best that can
  Device device;
};

constexpr const char* kBest = "auto";

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);  // a crash must not take it along
}

Queue queue_of(Device device, int threads) {
  static std::map<int, Queue> queues;  // kept, as a program keeps its queue
  if (device != Device::cpu()) return Queue::default_for(device);
  return queues.try_emplace(threads, Queue::cpu({.threads = threads})).first->second;
}

/// Computes and judges; says which. Returns whether the way has computed it.
bool run(const Runner& runner, const Numbers& numbers) {
  say("call way=" + (runner.way.empty() ? kBest : runner.way) + ",device=" + name(runner.device) + "," +
      spelled(numbers));
  const Drawn d = drawn(numbers);
  Call call(d.c, d.dtype);
  AttentionOptions options = call.options();
  options.way = runner.way;
  options.queue = queue_of(runner.device, d.threads);
  try {
    const Answer answer = d.packed == Drawn::Packed::none
                              ? answer_to(call, options, runner.device, d.workspace)
                              : packed_answer_to(call, options, runner.device, d.workspace, d.packed);
    const std::string fault = fault_of(call, answer);
    say(fault.empty() ? "computed" : "wrong " + fault);
  } catch (const Error& error) {
    const bool declined = error.code() == ErrorCode::unsupported;
    say((declined ? "declined " : "wrong error: ") + std::string(error.what()));
    return !declined;
  }
  return true;
}

/// Why a way computes nothing on a device: what it says to the plainest call of each type. "" if it does.
std::string refusal(const Runner& runner) {
  std::string reason;
  for (const DType dtype : {DType::f32, DType::f16}) {
    const TensorView x = packed_view(nullptr, dtype, {1, 1, 64, 64}, runner.device);
    try {
      plan_attention(x, x, x, {.way = runner.way});
      return "";
    } catch (const Error& error) {
      reason = error.what();
    }
  }
  return reason;
}

void about() {
  for (const std::string& field : field_names()) say("field " + field);
  for (const BackendInfo& kind : backends()) {
    if (kind.type == DeviceType::cpu) say("isa " + kind.devices.front().architecture);
    if (kind.devices.empty()) continue;
    const Device device = kind.devices.front().device;
    std::vector<std::string> ways{kBest};
    for (const WayInfo& way : attention_ways()) ways.push_back(way.name);
    for (const std::string& way : ways) {
      const std::string reason = refusal({way == kBest ? "" : way, device});
      say(reason.empty() ? "runner " + way + " " + name(device) : "left_out " + reason);
    }
  }
}

/// The random numbers of one try of one call, whichever process draws it.
Random stream(std::uint64_t seed, std::uint64_t call, std::uint64_t attempt) {
  return Random(Random(Random(seed).next() + call).next() + attempt);
}

void draw_calls(std::uint64_t seed, std::uint64_t first, std::uint64_t count, const Runner& runner) {
  constexpr std::uint64_t kAttempts = 100;
  for (std::uint64_t i = first; i < first + count; ++i) {
    bool computed = false;
    for (std::uint64_t attempt = 0; !computed && attempt < kAttempts; ++attempt) {
      Random random = stream(seed, i, attempt);
      computed = run(runner, draw(random));
    }
    if (!computed) say("exhausted");
  }
}

int main(std::vector<std::string> arguments) {
  Runner runner;
  const auto take = [&](const char* option, auto set) {
    const auto found = std::find(arguments.begin(), arguments.end(), option);
    if (found == arguments.end() || found + 1 == arguments.end()) return;
    set(found[1]);
    arguments.erase(found, found + 2);
  };
  take("--way", [&](const std::string& way) { runner.way = way == kBest ? "" : way; });
  take("--device", [&](const std::string& device) { runner.device = parse_device(device); });
  const std::string command = arguments.empty() ? "" : arguments[0];
  if (command == "about" && arguments.size() == 1) {
    about();
  } else if (command == "call" && arguments.size() == 2) {
    run(runner, parse(arguments[1]));
  } else if (command == "draw" && arguments.size() == 4) {
    draw_calls(std::stoull(arguments[1]), std::stoull(arguments[2]), std::stoull(arguments[3]), runner);
  } else {
    std::fprintf(stderr, "usage: campaign about | draw SEED FIRST COUNT | call TEXT [--way W] [--device D]\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace flashtile::test

int main(int argc, char** argv) {
  try {
    return flashtile::test::main({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
