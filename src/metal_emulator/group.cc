#include "src/metal_emulator/group.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "src/metal_emulator/builtin_index.h"

namespace flashtile::metal_emulator {
namespace {

constexpr std::uint32_t kMemThreadgroup = 2;  // of metal::mem_flags
constexpr std::uint32_t kMostParameters = 64;

template <class Body>
void for_each_lane(std::uint32_t lanes, Body body) {
  for (; lanes != 0; lanes &= lanes - 1) body(static_cast<std::uint32_t>(std::countr_zero(lanes)));
}

std::string described(const Site& site) {
  return std::string(site.what) +
         (site.line > 0 ? std::string(" at ") + site.file + ":" + std::to_string(site.line) : "");
}

bool same_call(const Site& a, const Site& b) {
  return a.line == b.line && a.column == b.column && std::strcmp(a.file, b.file) == 0 &&
         std::strcmp(a.what, b.what) == 0;
}

bool before_in_text(const Site& a, const Site& b) {
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

}  // namespace

Group*& Group::current() {
  static thread_local Group* group = nullptr;
  return group;
}

Group::Group(const LaunchState& launch)
    : launch_(launch),
      positions_(kMostThreads),
      waits_(kMostThreads),
      fibers_(kMostThreads),
      memory_(launch.threadgroup_limit, launch.checked),
      arguments_(kMostThreads) {
  constexpr std::size_t bytes = kStackBytes * kMostThreads;
  void* mapping =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    throw Error(ErrorCode::out_of_memory, "metal emulator: no memory for the threads' stacks");
  stacks_ = static_cast<std::byte*>(mapping);
  forget_frames({stacks_, bytes});
}

Group::~Group() { munmap(stacks_, kStackBytes * kMostThreads); }

void Group::run(Dim threadgroup) {
  const auto extent = [](std::uint32_t grid, std::uint32_t position, std::uint32_t size) {
    return std::min(size, grid - position * size);
  };
  threadgroup_ = threadgroup;
  size_ = {extent(launch_.grid_threads.x, threadgroup.x, launch_.threads.x),
           extent(launch_.grid_threads.y, threadgroup.y, launch_.threads.y),
           extent(launch_.grid_threads.z, threadgroup.z, launch_.threads.z)};
  threads_ = size_.x * size_.y * size_.z;
  ++epoch_;
  memory_.reset();
  ready_simdgroups_ = 0;
  for (std::uint32_t s = 0; s * kLanes < threads_; ++s) {
    const std::uint32_t left = threads_ - s * kLanes;
    const std::uint32_t lanes = left >= kLanes ? ~0u : (1u << left) - 1;
    simdgroups_[s] = {lanes, 0, 0, lanes, 0};
    ready_simdgroups_ |= 1u << s;
  }
  for (std::uint32_t t = 0; t < threads_; ++t) {
    if (fibers_[t].started()) continue;
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    mprotect(stacks_ + t * kStackBytes, page, PROT_NONE);
    // Stacks that begin at different offsets do not compete for the same sets of the cache.
    const std::size_t offset = t * 576 % page / 64 * 64;
    fibers_[t].start({stacks_ + t * kStackBytes + page, kStackBytes - page - offset},
                     [this, t] { lane_main(t); });
  }
  Group* const outer = current();
  current() = this;
  simdgroup_ = 0;
  running_ = 0;
  Fiber::switch_to(launcher_, fibers_[0]);
  current() = outer;
  if (violation_) {
    if (violation_address_ != nullptr) {
      const SourceLine line = launch_.lines->at(violation_address_);
      violation_->file = line.file, violation_->line = line.line;
    }
    if (violation_->file.empty()) violation_->file = launch_.kernel->file;
    throw Violation(*violation_);
  }
}

void Group::lane_main(std::uint32_t thread) {
  ::metal_device::Argument arguments[kMostParameters];
  for (;;) {
    positions_[thread].reset();
    bind_arguments(thread, arguments);
    launch_.kernel->call(launch_.kernel->function, arguments);
    Simdgroup& own = simdgroups_[thread / kLanes];
    own.ready &= ~(1u << thread % kLanes);
    own.returned |= 1u << thread % kLanes;
    switch_to(next_to_run());
  }
}

void Group::bind_arguments(std::uint32_t thread, ::metal_device::Argument* arguments) {
  ThreadPlace place{thread_position(thread), threadgroup_,         size_, launch_.threads,
                    launch_.threadgroups,    launch_.grid_threads, thread};
  for (std::uint32_t i = 0; i < launch_.kernel->parameter_count; ++i) {
    const ::metal_device::Parameter& parameter = launch_.kernel->parameters[i];
    arguments[i] = {};
    if (launch_.builtins[i] >= 0) {
      const Dim value = builtin_value(launch_.builtins[i], place);
      std::memcpy(arguments[i].value, &value, sizeof value);
    } else if (!parameter.bound) {
      continue;
    } else if (std::strcmp(parameter.attribute, "threadgroup") == 0) {
      const auto bytes = launch_.threadgroup_bytes.find(parameter.index);
      arguments[i].pointer = threadgroup_variable(static_cast<std::uint32_t>(parameter.index), bytes->second,
                                                  16, parameter.name, {});
    } else {
      if (parameter.rank > 0) arguments[i].tensor = &launch_.tensors.at(parameter.index);
      for (const LaunchState::Bound& bound : launch_.buffers)
        if (bound.index == parameter.index) arguments[i].pointer = bound.memory->bytes().data();
    }
  }
}

Dim Group::thread_position(std::uint32_t thread) const {
  return {thread % size_.x, thread / size_.x % size_.y, thread / size_.x / size_.y};
}

// -- scheduling ---------------------------------------------------------------------------------------------------------

void Group::switch_to(std::uint32_t next) {
  Fiber& from = fibers_[running_];
  running_ = next;
  Fiber::switch_to(from, next == kNobody ? launcher_ : fibers_[next]);
}

void Group::wait(Wait kind, std::uint32_t memory_flags, Operation operation, void* argument, const Site& site) {
  const std::uint32_t me = running_, bit = 1u << me % kLanes;
  Waiting& waiting = waits_[me];
  waiting.operation = operation;
  waiting.argument = argument;
  waiting.site = site;
  waiting.memory_flags = memory_flags;
  waiting.kind = kind;
  Simdgroup& own = simdgroups_[me / kLanes];
  own.ready &= ~bit;
  own.waiting |= bit;
  const std::uint32_t next = next_to_run();
  if (next != me) switch_to(next);
}

std::uint32_t Group::next_to_run() {
  for (;;) {
    const Simdgroup& now = simdgroups_[simdgroup_];
    if (now.ready != 0) return simdgroup_ * kLanes + static_cast<std::uint32_t>(std::countr_zero(now.ready));
    if (now.waiting != 0 && complete_in_simdgroup(simdgroup_)) continue;
    ready_simdgroups_ &= ~(1u << simdgroup_);
    if (ready_simdgroups_ == 0) {
      complete_barrier();
      if (ready_simdgroups_ == 0) return kNobody;  // every thread has returned
    }
    simdgroup_ = static_cast<std::uint32_t>(std::countr_zero(ready_simdgroups_));
  }
}

bool Group::together(std::uint32_t a, std::uint32_t b) const {
  return waits_[a].kind == waits_[b].kind && same_call(waits_[a].site, waits_[b].site) &&
         same_place(positions_[a], positions_[b]);
}

bool Group::behind(std::uint32_t a, std::uint32_t b) const {
  const int order = progress(positions_[a], positions_[b]);
  return order != 0 ? order < 0 : before_in_text(waits_[a].site, waits_[b].site);
}

/// No lane of the simdgroup can run: completes what those that are furthest behind wait for. False when all are at the
/// threadgroup's barrier.
bool Group::complete_in_simdgroup(std::uint32_t s) {
  Simdgroup& simdgroup = simdgroups_[s];
  const std::uint32_t first = s * kLanes;
  std::uint32_t lead = kNobody;
  for_each_lane(simdgroup.waiting, [&](std::uint32_t lane) {
    if (waits_[first + lane].kind >= Wait::threadgroup_barrier) return;
    if (lead == kNobody || behind(first + lane, lead)) lead = first + lane;
  });
  if (lead == kNobody) return false;
  std::uint32_t set = 0;
  for_each_lane(simdgroup.waiting,
                [&](std::uint32_t lane) { set |= together(first + lane, lead) ? 1u << lane : 0u; });
  const Waiting& waiting = waits_[lead];
  if (waiting.kind != Wait::active_lanes && !is_whole(s, lead, set)) stop();
  if (waiting.operation != nullptr) {
    std::array<void*, kLanes> arguments{};
    for_each_lane(set, [&](std::uint32_t lane) { arguments[lane] = waits_[first + lane].argument; });
    operate(waiting.operation, arguments.data(), set);
  }
  if (waiting.kind == Wait::simdgroup_barrier && (waiting.memory_flags & kMemThreadgroup) != 0)
    ++simdgroup.epoch;
  simdgroup.waiting &= ~set;
  simdgroup.ready |= set;
  return true;
}

/// Whether every lane of the simdgroup takes part in what all must reach; if not, that is noted.
bool Group::is_whole(std::uint32_t s, std::uint32_t lead, std::uint32_t set) {
  const Simdgroup& simdgroup = simdgroups_[s];
  const Waiting& waiting = waits_[lead];
  const bool barrier = waiting.kind == Wait::simdgroup_barrier;
  const std::uint32_t expected = barrier ? simdgroup.lanes & ~simdgroup.returned : ~0u;
  if (set == expected) return true;
  const std::uint32_t lane = static_cast<std::uint32_t>(std::countr_zero(expected & ~set));
  std::string other;
  if ((simdgroup.lanes >> lane & 1) == 0) {
    other = "the threadgroup has " + std::to_string(threads_) +
            " threads, so that this simdgroup has no lane " + std::to_string(lane) +
            "; launch a multiple of 32 threads";
  } else {
    other = "lane " + std::to_string(lane) +
            ((simdgroup.returned >> lane & 1) != 0 ? " has returned"
                                                   : " is at " + described(waits_[s * kLanes + lane].site)) +
            "; move the call to where every lane of the simdgroup reaches it";
  }
  note(lead, barrier ? "barrier.divergent" : "simdgroup.divergent",
       std::string(waiting.site.what) + " is not reached by the whole simdgroup: " + other, {&waiting.site});
  return false;
}

/// No thread can run: every one waits at the threadgroup's barrier, or has returned.
void Group::complete_barrier() {
  std::uint32_t lead = kNobody, missing = kNobody;
  for (std::uint32_t t = 0; t < threads_; ++t) {
    if ((simdgroups_[t / kLanes].waiting >> t % kLanes & 1) == 0) {
      missing = missing == kNobody ? t : missing;
    } else if (lead == kNobody) {
      lead = t;
    } else if (!together(t, lead)) {
      const std::uint32_t late = behind(t, lead) ? t : lead, early = late == t ? lead : t;
      note(late, "barrier.divergent",
           std::string(waits_[late].site.what) + " is not reached by the whole threadgroup: thread " +
               std::to_string(early) + " is at " + described(waits_[early].site) +
               ", or in another round of a loop; move the call to where every thread reaches it",
           {&waits_[late].site});
      stop();
    }
  }
  if (lead == kNobody) return;
  const Waiting& waiting = waits_[lead];
  if (waiting.kind == Wait::whole_threadgroup && missing != kNobody) {
    note(lead, "simdgroup.divergent",
         std::string(waiting.site.what) + " is not reached by the whole threadgroup: thread " +
             std::to_string(missing) +
             " has returned; keep every thread until the last operation of several simdgroups",
         {&waiting.site});
    stop();
  }
  if (waiting.operation != nullptr) {
    for (std::uint32_t t = 0; t < threads_; ++t) arguments_[t] = waits_[t].argument;
    operate(waiting.operation, arguments_.data(), ~0u);
  }
  if ((waiting.memory_flags & kMemThreadgroup) != 0) ++epoch_;
  for (std::uint32_t s = 0; s * kLanes < threads_; ++s) {
    if (simdgroups_[s].waiting == 0) continue;
    simdgroups_[s].ready = simdgroups_[s].waiting;
    simdgroups_[s].waiting = 0;
    ready_simdgroups_ |= 1u << s;
  }
}

void Group::operate(Operation operation, void* const* arguments, std::uint32_t active) {
  in_operation_ = true;
  operation(arguments, active);
  in_operation_ = false;
}

void Group::note(std::uint32_t thread, const char* check, std::string explanation, Where where) {
  violation_ = {check, std::move(explanation),  launch_.kernel->name, "",
                0,     thread_position(thread), threadgroup_};
  if (where.site != nullptr && where.site->line > 0) {
    violation_->file = where.site->file;
    violation_->line = where.site->line;
  } else {
    violation_address_ = where.site != nullptr ? where.site->code : where.return_address;
  }
}

void Group::log(const char* line) const {
  if (launch_.log) launch_.log(thread_text(thread_position(running_), threadgroup_) + ": " + line);
}

void Group::stop() {
  Fiber::switch_to(fibers_[running_], launcher_);
  __builtin_unreachable();
}

}  // namespace flashtile::metal_emulator
