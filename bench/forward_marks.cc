// The marks of the forward call on a CPU, judged in one run: what packed and padded sequences, pages, segments and few queries
// on long keys of every type cost beside what they are compared with, a line a cell.
//
//   flashtile_bench_forward_marks [--quick] [--threads N,N...] [packed|lengths|decode|paged|segments]...
//
// All that a cell compares takes turns; times are medians over the rounds. --quick takes small sizes, to see that it
// runs, and judges nothing. Needs 11 GB of memory and a quiet machine, and takes about two minutes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <numeric>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/decode_marks.h"
#include "bench/marks.h"
#include "bench/random_rows.h"
#include "flashtile/attention.h"

namespace flashtile::bench {
namespace {

using Lengths64 = std::vector<std::int64_t>;

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

void packed(const Queue& queue, Marks& marks) {
  const Lengths64 lengths = marks.quick() ? log_uniform(8, 16, 64) : log_uniform(64, 16, 2048);
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
        marks.in_turns(4, {timed([&] { attention_into({.out = rows.out}, rows.q, rows.k, rows.v, whole); }),
                           timed(single_calls)});
    marks.judge("packed: " + std::to_string(lengths.size()) + " sequences, bf16, D=" + std::to_string(dim) +
                    ", " + threads_of(queue),
                milliseconds(seconds[0]) + ", single calls " + milliseconds(seconds[1]),
                seconds[0] / seconds[1], Bound::at_most, 1.11);
  }
}

void lengths(const Queue& queue, Marks& marks) {
  const std::int64_t longest = marks.quick() ? 64 : 2048, batch = 8;
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
    const auto seconds =
        marks.in_turns(4, {timed([&] {
                             attention_into({.out = heads_first(out)}, heads_first(q), heads_first(k),
                                            heads_first(v), of_lengths);
                           }),
                           timed([&] {
                             attention_into({.out = rows.out}, rows.q, rows.k, rows.v, of_starts);
                             clear_padding();
                           })});
    marks.judge("lengths: 8 entries of " + std::to_string(longest) + ", bf16, D=" + std::to_string(dim) + ", " +
                    threads_of(queue),
                milliseconds(seconds[0]) + ", packed and a memset " + milliseconds(seconds[1]),
                seconds[0] / seconds[1], Bound::at_most, 1.15);
  }
}

void paged(const Queue& queue, Marks& marks) {
  struct Shape {
    std::int64_t queries, keys;
  };
  const std::int64_t kv_heads = 8, dim = 128, size = 16;
  for (const Shape shape : marks.quick() ? std::vector<Shape>{{1, 256}, {64, 64}}
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
    const auto seconds = marks.in_turns(
        4, {timed([&] { attention_into({.out = out}, q, pool(k), pool(v), in_pages); }),
            timed([&] { attention_into({.out = out}, q, heads_first(k), heads_first(v), {.queue = queue}); })});
    marks.judge("paged: bf16, 32 heads on 8, Lq=" + std::to_string(shape.queries) +
                    ", Lkv=" + std::to_string(shape.keys) + ", " + threads_of(queue),
                milliseconds(seconds[0]) + ", contiguous " + milliseconds(seconds[1]), seconds[1] / seconds[0],
                Bound::at_least, 0.93);
  }
}

void segments(const Queue& queue, Marks& marks) {
  const std::int64_t tokens = marks.quick() ? 256 : 8192;
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
    const auto seconds = marks.in_turns(
        4, {timed([&] {
              attention_into({.out = whole(rows.out)}, whole(rows.q), whole(rows.k), whole(rows.v), of_ids);
            }),
            timed([&] { attention_into({.out = rows.out}, rows.q, rows.k, rows.v, of_starts); })});
    marks.judge("segments: 16 in " + std::to_string(tokens) + " tokens, bf16, D=" + std::to_string(dim) + ", " +
                    threads_of(queue),
                milliseconds(seconds[0]) + ", packed " + milliseconds(seconds[1]), seconds[1] / seconds[0],
                Bound::at_least, 0.75);
  }
}

void run(const std::vector<int>& threads, const std::vector<std::string_view>& wanted, Marks& marks) {
  const auto is_wanted = [&](std::string_view part) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), part) != wanted.end();
  };
  std::optional<DecodeMarks> decode;
  if (is_wanted("decode")) decode.emplace(marks);
  for (const int count : threads) {
    const Queue queue = Queue::cpu({.threads = count});
    if (is_wanted("packed")) packed(queue, marks);
    if (is_wanted("lengths")) lengths(queue, marks);
    if (decode) decode->run(queue);
    if (is_wanted("paged")) paged(queue, marks);
    if (is_wanted("segments")) segments(queue, marks);
  }
  marks.print_sum();
}

int main(int count, char** words) {
  bool quick = false;
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
  Marks marks(quick);
  run(threads, wanted, marks);
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
