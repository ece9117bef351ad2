// The marks of the forward call on a CPU, judged in one run: what packed and padded sequences, pages, segments and few queries
// on long keys of every type cost beside what they are compared with, a line a cell.
//
//   flashtile_bench_forward_marks [--quick] [--threads N,N...] [packed|lengths|decode|paged|segments]...
//
// All that a cell compares takes turns; times are medians over the rounds. --quick takes small sizes, to see that it
// runs, and judges nothing. Needs 11 GB of memory and a quiet machine, and takes about two minutes.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/peaks.h"
#include "bench/random_rows.h"
#include "flashtile/attention.h"
#include "flashtile/error.h"

namespace flashtile::bench {
namespace {

bool quick = false;
int cells = 0, held = 0;

using Lengths64 = std::vector<std::int64_t>;

/// Prints a cell and whether `ratio` is within its mark: at most, or at least, `mark`.
enum class Bound { at_most, at_least };
void judge(const std::string& cell, const std::string& times, double ratio, Bound bound, double mark) {
  const bool holds = bound == Bound::at_most ? ratio <= mark : ratio >= mark;
  ++cells, held += holds ? 1 : 0;
  std::printf("%-52s %-58s %6.3f  %s %-5.4g %s\n", cell.c_str(), times.c_str(), ratio,
              bound == Bound::at_most ? "<=" : ">=", mark,
              quick   ? "not judged"
              : holds ? "holds"
                      : "MISSES");
  std::fflush(stdout);
}

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f ms", seconds * 1e3);
  return text;
}
std::string number(double value, const char* format = "%.1f") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}
std::string threads_of(const Queue& queue) {
  return std::to_string(queue.threads()) + (queue.threads() == 1 ? " thread" : " threads");
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The median of what each sample returns; they take turns, after one round that is not counted. As many rounds as fit into
/// `most_seconds`, at least 3 and at most 11.
std::vector<double> in_turns(double most_seconds, const std::vector<std::function<double()>>& samples) {
  const double first = seconds_of([&] {
    for (const auto& sample : samples) sample();
  });
  const int rounds = quick ? 1 : static_cast<int>(std::clamp(most_seconds / first, 3.0, 11.0));
  std::vector<std::vector<double>> taken(samples.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < samples.size(); ++i) taken[i].push_back(samples[i]());
  }
  std::vector<double> medians;
  for (std::vector<double>& all : taken) {
    std::nth_element(all.begin(), all.begin() + rounds / 2, all.end());
    medians.push_back(all[static_cast<std::size_t>(rounds / 2)]);
  }
  return medians;
}
std::function<double()> timed(std::function<void()> work) {
  return [work = std::move(work)] { return seconds_of(work); };
}

/// Uniform in (0, 1), the same with every standard library.
double uniform(std::mt19937& random) { return (random() + 0.5) * 0x1p-32; }
/// `count` lengths from `least` to `most` whose logarithms are uniform.
Lengths64 log_uniform(int count, double least, double most) {
  std::mt19937 random(0);
  Lengths64 lengths;
  for (int i = 0; i < count; ++i)
    lengths.push_back(std::llround(least * std::exp(uniform(random) * std::log(most / least))));
  return lengths;
}
/// `count` lengths, exponentially distributed, whose sum is `sum`, none of them 0.
Lengths64 lengths_of_sum(int count, std::int64_t sum) {
  std::mt19937 random(0);
  std::vector<double> parts;
  for (int i = 0; i < count; ++i) parts.push_back(-std::log(uniform(random)));
  const double all = std::accumulate(parts.begin(), parts.end(), 0.0);
  Lengths64 lengths;
  for (const double part : parts)
    lengths.push_back(1 + static_cast<std::int64_t>(part / all * static_cast<double>(sum - count)));
  lengths.back() += sum - std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  return lengths;
}
void print(const char* what, const Lengths64& lengths) {
  std::printf("%s:", what);
  for (const std::int64_t length : lengths) std::printf(" %lld", static_cast<long long>(length));
  std::printf("\n");
}
std::int64_t sum_of(const Lengths64& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

Tensor numbers(const Lengths64& values) {
  const Tensor tensor(DType::i64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.as<std::int64_t>());
  return tensor;
}
/// Where packed sequences of these lengths begin.
Tensor starts_of(const Lengths64& lengths) {
  Lengths64 starts{0};
  for (const std::int64_t length : lengths) starts.push_back(starts.back() + length);
  return numbers(starts);
}
/// Rows begin ... end - 1 of packed (T, H, D) as (1, H, L, D).
TensorView sequence(const Tensor& packed, std::int64_t begin, std::int64_t end) {
  const TensorView rows = packed.view().sliced(0, begin, end);
  return {rows.data,
          rows.dtype,
          {1, rows.shape[1], rows.shape[0], rows.shape[2]},
          {rows.shape[0] * rows.strides[0], rows.strides[1], rows.strides[0], 1},
          rows.device};
}
/// (B, L, H, D) as (B, H, L, D).
TensorView heads_first(const Tensor& rows) { return rows.view().permuted({0, 2, 1, 3}); }

constexpr std::int64_t kHeads = 8;
constexpr std::int64_t kHeadDims[] = {64, 128};

/// q, k, v and out of packed sequences.
struct Packed {
  Tensor q, k, v, out;
  Packed(std::int64_t rows, std::int64_t dim)
      : q(random_rows(DType::bf16, {rows, kHeads, dim}, 1)),
        k(random_rows(DType::bf16, {rows, kHeads, dim}, 2)),
        v(random_rows(DType::bf16, {rows, kHeads, dim}, 3)),
        out(DType::bf16, {rows, kHeads, dim}) {}
};

void packed(const Queue& queue) {
  const Lengths64 lengths = quick ? log_uniform(8, 16, 64) : log_uniform(64, 16, 2048);
  print("packed, lengths", lengths);
  const Tensor starts = starts_of(lengths);
  for (const std::int64_t dim : kHeadDims) {
    const Packed rows(sum_of(lengths), dim);
    const AttentionOptions whole{.row_starts = {starts, starts}, .queue = queue};
    const auto single_calls = [&] {
      const auto* start = starts.as<std::int64_t>();
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        const auto of = [&](const Tensor& tensor) { return sequence(tensor, start[i], start[i + 1]); };
        attention_into({.out = of(rows.out)}, of(rows.q), of(rows.k), of(rows.v), {.queue = queue});
      }
    };
    const auto seconds =
        in_turns(4, {timed([&] { attention_into({.out = rows.out}, rows.q, rows.k, rows.v, whole); }),
                     timed(single_calls)});
    judge("packed: " + std::to_string(lengths.size()) + " sequences, bf16, D=" + std::to_string(dim) + ", " +
              threads_of(queue),
          milliseconds(seconds[0]) + ", single calls " + milliseconds(seconds[1]), seconds[0] / seconds[1],
          Bound::at_most, 1.11);
  }
}

void lengths(const Queue& queue) {
  const std::int64_t longest = quick ? 64 : 2048, batch = 8;
  const Lengths64 lengths = lengths_of_sum(batch, batch * longest / 8);
  print("lengths", lengths);
  const Tensor starts = starts_of(lengths), valid = numbers(lengths);
  for (const std::int64_t dim : kHeadDims) {
    const Packed rows(sum_of(lengths), dim);
    const auto padded = [&](unsigned seed) {
      return random_rows(DType::bf16, {batch, longest, kHeads, dim}, seed);
    };
    const Tensor q = padded(4), k = padded(5), v = padded(6), out = padded(7);
    const AttentionOptions of_lengths{.lengths = {valid, valid}, .queue = queue},
        of_starts{.row_starts = {starts, starts}, .queue = queue};
    const auto clear_padding = [&] {
      const std::size_t row = static_cast<std::size_t>(kHeads * dim) * 2,
                        entry = row * static_cast<std::size_t>(longest);
      for (std::size_t b = 0; b < lengths.size(); ++b) {
        const std::size_t there = row * static_cast<std::size_t>(lengths[b]);
        std::memset(out.as<std::byte>() + b * entry + there, 0, entry - there);
      }
    };
    const auto seconds = in_turns(4, {timed([&] {
                                        attention_into({.out = heads_first(out)}, heads_first(q),
                                                       heads_first(k), heads_first(v), of_lengths);
                                      }),
                                      timed([&] {
                                        attention_into({.out = rows.out}, rows.q, rows.k, rows.v, of_starts);
                                        clear_padding();
                                      })});
    judge("lengths: 8 entries of " + std::to_string(longest) + ", bf16, D=" + std::to_string(dim) + ", " +
              threads_of(queue),
          milliseconds(seconds[0]) + ", packed and a memset " + milliseconds(seconds[1]),
          seconds[0] / seconds[1], Bound::at_most, 1.15);
  }
}

/// One type of keys and values of a decode call, of 32 KV heads.
struct Cache {
  DType dtype;
  Tensor k, v, k_scales, v_scales;

  Cache(DType type, std::int64_t keys) : dtype(type) {
    k = random_rows(type, {1, 32, keys, 128}, 1);
    v = random_rows(type, {1, 32, keys, 128}, 2);
    if (type != DType::i8) return;
    k_scales = random_rows(DType::f16, {1, 32, keys, 1}, 3);
    v_scales = random_rows(DType::f16, {1, 32, keys, 1}, 4);
  }
  bool is_quantised() const { return dtype != DType::f32 && dtype != DType::bf16; }
  /// Of the queries: those of a quantised cache are bfloats.
  DType query_type() const { return is_quantised() ? DType::bf16 : dtype; }
  double bytes() const {
    return static_cast<double>(k.size_bytes() + v.size_bytes() + k_scales.size_bytes() + v_scales.size_bytes());
  }
};

/// Calls of `queries` queries, 32 heads on `heads`, each of them on other heads of the caches.
class DecodeCalls {
 public:
  DecodeCalls(const Cache& cache, std::int64_t heads, std::int64_t queries, const Queue& queue)
      : cache_(cache),
        heads_(heads),
        q_(random_rows(cache.query_type(), {1, 32, queries, 128}, 5)),
        out_(cache.query_type(), {1, 32, queries, 128}),
        queue_(queue) {}

  double operator()() {
    const std::int64_t first = calls_++ * heads_ % 32;
    return seconds_of(
        [&] { attention_into({.out = out_}, q_, of(cache_.k, first), of(cache_.v, first), options(first)); });
  }
  /// The least that a call takes, and what limits it.
  double roofline(double read_bytes, double flops) const {
    return std::max(cache_.bytes() / 32 * static_cast<double>(heads_) / read_bytes, operations() / flops);
  }
  double operations() const { return 4.0 * static_cast<double>(q_.size() * cache_.k.shape()[2]); }
  std::string kernel() const {
    return plan_attention_into({.out = out_}, q_, of(cache_.k, 0), of(cache_.v, 0), options(0)).kernel;
  }

 private:
  TensorView of(const Tensor& tensor, std::int64_t first) const {
    return tensor.view().sliced(1, first, first + heads_);
  }
  AttentionOptions options(std::int64_t first) const {
    AttentionOptions options{.queue = queue_};
    if (cache_.k_scales.size() > 0)
      options.k_scales = of(cache_.k_scales, first), options.v_scales = of(cache_.v_scales, first);
    return options;
  }

  const Cache& cache_;
  std::int64_t heads_;
  Tensor q_, out_;
  const Queue& queue_;
  std::int64_t calls_ = 0;
};

/// What a kernel's arithmetic can do, each kind measured once: few queries are multiplied in vector registers, and quantised
/// keys as floats, whatever multiplies them.
class PeakFlops {
 public:
  explicit PeakFlops(const Queue& queue) : queue_(queue) {}

  double of(const Cache& cache, const std::string& kernel) {
    const DType dtype = cache.is_quantised() ? DType::f32 : cache.dtype;
    const bool by_vectors = cache.is_quantised() || kernel.find("decode") != std::string::npos;
    double& flops = measured_[{dtype, by_vectors}];
    if (flops == 0)
      flops =
          measure_cpu_arithmetic(queue_, dtype, by_vectors ? Arithmetic::of_vectors : Arithmetic::best).flops;
    return flops;
  }

 private:
  const Queue& queue_;
  std::map<std::pair<DType, bool>, double> measured_;
};

void decode(const Queue& queue, const std::vector<Cache>& caches) {
  const CpuReadRate rate(queue, std::int64_t{1} << (quick ? 20 : 29));
  PeakFlops peak(queue);
  for (const std::int64_t heads : {32, 8}) {
    for (const std::int64_t queries : {1, 4}) {
      std::vector<DecodeCalls> calls;
      for (const Cache& cache : caches) calls.emplace_back(cache, heads, queries, queue);
      std::vector<std::function<double()>> samples{[&] { return rate.sample(); }};
      std::vector<double> flops;
      for (std::size_t i = 0; i < caches.size(); ++i) {
        samples.emplace_back(std::ref(calls[i]));
        flops.push_back(peak.of(caches[i], calls[i].kernel()));
      }
      const std::vector<double> medians = in_turns(7, samples);
      double of_bf16 = 0;
      for (std::size_t i = 0; i < caches.size(); ++i) {
        const double seconds = medians[i + 1], roofline = calls[i].roofline(medians[0], flops[i]);
        const std::string cell = "decode: " + std::string(name(caches[i].dtype)) + ", 32 heads on " +
                                 std::to_string(heads) + ", Lq=" + std::to_string(queries) + ", " +
                                 threads_of(queue);
        const bool by_flops = calls[i].operations() / flops[i] == roofline;
        judge(cell,
              milliseconds(seconds) + " of " + milliseconds(roofline) +
                  (by_flops ? ", " + number(flops[i] * 1e-9) + " GFLOP/s"
                            : ", " + number(medians[0] * 1e-9) + " GB/s"),
              roofline / seconds, Bound::at_least, 0.8);
        if (caches[i].dtype == DType::bf16) of_bf16 = seconds;
        if (caches[i].dtype == DType::q8_0 || caches[i].dtype == DType::q4_0)
          judge("  beside bf16", milliseconds(seconds) + ", bf16 " + milliseconds(of_bf16), of_bf16 / seconds,
                Bound::at_least, caches[i].dtype == DType::q8_0 ? 1.7 : 2.4);
      }
      std::printf("  kernels: %s; %s\n", calls[1].kernel().c_str(), calls.back().kernel().c_str());
    }
  }
}

void paged(const Queue& queue) {
  struct Shape {
    std::int64_t queries, keys;
  };
  const std::int64_t kv_heads = 8, dim = 128, size = 16;
  for (const Shape shape : quick ? std::vector<Shape>{{1, 256}, {64, 64}}
                                 : std::vector<Shape>{{1, 131072}, {4, 131072}, {2048, 2048}}) {
    const std::int64_t pages = shape.keys / size;
    const Tensor q = random_rows(DType::bf16, {1, 32, shape.queries, dim}, 1), out(DType::bf16, q.shape()),
                 k = random_rows(DType::bf16, {1, shape.keys, kv_heads, dim}, 2),
                 v = random_rows(DType::bf16, {1, shape.keys, kv_heads, dim}, 3), table(DType::i32, {1, pages}),
                 length = numbers({shape.keys});
    std::iota(table.as<std::int32_t>(), table.as<std::int32_t>() + pages, 0);
    std::shuffle(table.as<std::int32_t>(), table.as<std::int32_t>() + pages, std::mt19937(0));
    const auto pool = [&](const Tensor& rows) {
      return packed_view(rows.data(), DType::bf16, {pages, size, kv_heads, dim});
    };
    const AttentionOptions in_pages{.lengths = {.kv = length}, .block_table = table, .queue = queue};
    const auto seconds = in_turns(
        4, {timed([&] { attention_into({.out = out}, q, pool(k), pool(v), in_pages); }),
            timed([&] { attention_into({.out = out}, q, heads_first(k), heads_first(v), {.queue = queue}); })});
    judge("paged: bf16, 32 heads on 8, Lq=" + std::to_string(shape.queries) +
              ", Lkv=" + std::to_string(shape.keys) + ", " + threads_of(queue),
          milliseconds(seconds[0]) + ", contiguous " + milliseconds(seconds[1]), seconds[1] / seconds[0],
          Bound::at_least, 0.93);
  }
}

void segments(const Queue& queue) {
  const std::int64_t tokens = quick ? 256 : 8192;
  const Lengths64 documents = lengths_of_sum(16, tokens);
  print("segments, documents", documents);
  const Tensor starts = starts_of(documents), ids(DType::i32, {1, tokens});
  std::int32_t* id = ids.as<std::int32_t>();
  for (std::size_t i = 0; i < documents.size(); ++i)
    id = std::fill_n(id, documents[i], static_cast<std::int32_t>(i));
  for (const std::int64_t dim : kHeadDims) {
    const Packed rows(tokens, dim);
    const auto whole = [&](const Tensor& tensor) { return sequence(tensor, 0, tokens); };
    const AttentionOptions of_ids{.mask = {.segments = {ids, ids}}, .queue = queue},
        of_starts{.row_starts = {starts, starts}, .queue = queue};
    const auto seconds = in_turns(
        4, {timed([&] {
              attention_into({.out = whole(rows.out)}, whole(rows.q), whole(rows.k), whole(rows.v), of_ids);
            }),
            timed([&] { attention_into({.out = rows.out}, rows.q, rows.k, rows.v, of_starts); })});
    judge("segments: 16 in " + std::to_string(tokens) + " tokens, bf16, D=" + std::to_string(dim) + ", " +
              threads_of(queue),
          milliseconds(seconds[0]) + ", packed " + milliseconds(seconds[1]), seconds[1] / seconds[0],
          Bound::at_least, 0.75);
  }
}

void run(const std::vector<int>& threads, const std::vector<std::string_view>& wanted) {
  const auto is_wanted = [&](std::string_view part) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), part) != wanted.end();
  };
  std::vector<Cache> caches;
  if (is_wanted("decode")) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::i8, DType::q8_0, DType::q4_0})
      caches.emplace_back(dtype, quick ? 64 : 131072);
  }
  for (const int count : threads) {
    const Queue queue = Queue::cpu({.threads = count});
    if (is_wanted("packed")) packed(queue);
    if (is_wanted("lengths")) lengths(queue);
    if (is_wanted("decode")) decode(queue, caches);
    if (is_wanted("paged")) paged(queue);
    if (is_wanted("segments")) segments(queue);
  }
  if (!quick) std::printf("%d of %d marks held\n", held, cells);
}

int main(int count, char** words) {
  std::vector<int> threads{1, 2};
  std::vector<std::string_view> wanted;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const std::string_view parts[] = {"packed", "lengths", "decode", "paged", "segments"};
    if (word == "--quick") {
      quick = true;
    } else if (word == "--threads" && i + 1 < count) {
      threads.clear();
      std::istringstream list(words[++i]);
      for (std::string one; std::getline(list, one, ',');) threads.push_back(std::stoi(one));
    } else if (std::find(std::begin(parts), std::end(parts), word) != std::end(parts)) {
      wanted.push_back(word);
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--threads N,N...] [packed|lengths|decode|paged|segments]...\n",
                   words[0]);
      return 2;
    }
  }
  run(threads, wanted);
  return 0;
}

}  // namespace
}  // namespace flashtile::bench

int main(int count, char** words) {
  try {
    return flashtile::bench::main(count, words);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "forward_marks: %s\n", e.what());
    return 1;
  }
}
