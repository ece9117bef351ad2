#include "src/metal_emulator/builtin_index.h"

#include <array>

namespace flashtile::metal_emulator {
namespace {

using ::metal_device::kLanes;
constexpr std::uint32_t kQuad = 4;

std::uint32_t count(const Dim& dim) { return dim.x * dim.y * dim.z; }
std::uint32_t groups_of(std::uint32_t threads, std::uint32_t size) { return (threads + size - 1) / size; }
Dim scalar(std::uint32_t value) { return {value, 0, 0}; }

struct Builtin {
  std::string_view attribute;
  Dim (*value)(const ThreadPlace&);
};

constexpr std::array kBuiltins{
    Builtin{"thread_position_in_grid",
            [](const ThreadPlace& p) {
              return Dim{p.threadgroup.x * p.full_threads.x + p.thread.x,
                         p.threadgroup.y * p.full_threads.y + p.thread.y,
                         p.threadgroup.z * p.full_threads.z + p.thread.z};
            }},
    Builtin{"threads_per_grid", [](const ThreadPlace& p) { return p.grid; }},
    Builtin{"grid_size", [](const ThreadPlace& p) { return p.grid; }},
    Builtin{"grid_origin", [](const ThreadPlace&) { return Dim{0, 0, 0}; }},
    Builtin{"threadgroup_position_in_grid", [](const ThreadPlace& p) { return p.threadgroup; }},
    Builtin{"threadgroups_per_grid", [](const ThreadPlace& p) { return p.threadgroups; }},
    Builtin{"thread_position_in_threadgroup", [](const ThreadPlace& p) { return p.thread; }},
    Builtin{"threads_per_threadgroup", [](const ThreadPlace& p) { return p.threads; }},
    Builtin{"dispatch_threads_per_threadgroup", [](const ThreadPlace& p) { return p.full_threads; }},
    Builtin{"thread_index_in_threadgroup", [](const ThreadPlace& p) { return scalar(p.index); }},
    Builtin{"thread_index_in_simdgroup", [](const ThreadPlace& p) { return scalar(p.index % kLanes); }},
    Builtin{"threads_per_simdgroup", [](const ThreadPlace&) { return scalar(kLanes); }},
    Builtin{"thread_execution_width", [](const ThreadPlace&) { return scalar(kLanes); }},
    Builtin{"simdgroup_index_in_threadgroup", [](const ThreadPlace& p) { return scalar(p.index / kLanes); }},
    Builtin{"simdgroups_per_threadgroup",
            [](const ThreadPlace& p) { return scalar(groups_of(count(p.threads), kLanes)); }},
    Builtin{"dispatch_simdgroups_per_threadgroup",
            [](const ThreadPlace& p) { return scalar(groups_of(count(p.full_threads), kLanes)); }},
    Builtin{"thread_index_in_quadgroup", [](const ThreadPlace& p) { return scalar(p.index % kQuad); }},
    Builtin{"quadgroup_index_in_threadgroup", [](const ThreadPlace& p) { return scalar(p.index / kQuad); }},
    Builtin{"quadgroups_per_threadgroup",
            [](const ThreadPlace& p) { return scalar(groups_of(count(p.threads), kQuad)); }},
    Builtin{"dispatch_quadgroups_per_threadgroup",
            [](const ThreadPlace& p) { return scalar(groups_of(count(p.full_threads), kQuad)); }},
};

}  // namespace

int builtin_index(std::string_view attribute) {
  for (std::size_t i = 0; i < kBuiltins.size(); ++i)
    if (kBuiltins[i].attribute == attribute) return static_cast<int>(i);
  return -1;
}

Dim builtin_value(int builtin, const ThreadPlace& place) {
  return kBuiltins[static_cast<std::size_t>(builtin)].value(place);
}

}  // namespace flashtile::metal_emulator
