// Hand-over of tiles between the threads that load them and those that read them: barriers in threadgroup
// memory that count arrivals and bytes, and rings of stages made of them. Ours, for Hopper and later. Included
// by cuda/primitives.h.
#pragma once

#include <cstdint>

#include "flashtile/primitives/cuda/teams.h"
#include "flashtile/primitives/cuda/tile_stages.h"

namespace flashtile::inline v0_2::primitives {
inline namespace FLASHTILE_BACKEND {

/// Passes through phases 0, 1, 2, ...: each ends when the arrivals that init() said and the bytes that were
/// promised have come. In threadgroup memory.
class arrival_barrier {
 public:
  /// By one thread, before publish_barriers() and a threadgroup_barrier.
  FT_FUNCTION void init(int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address()), "r"(arrivals) : "memory");
  }
  FT_FUNCTION void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address()) : "memory");
  }
  /// The same where `condition` holds, without a branch.
  FT_FUNCTION void arrive_if(bool condition) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %1, 0; @p mbarrier.arrive.shared::cta.b64 _, [%0]; }" ::"r"(address()),
        "r"(static_cast<int>(condition))
        : "memory");
  }
  /// Arrives, and promises bytes that asynchronous loads will bring.
  FT_FUNCTION void arrive_expecting(int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address()), "r"(bytes)
                 : "memory");
  }
  /// Waits until phase `phase` has ended. The barrier must not be a whole phase further: only the lowest bit
  /// counts.
  FT_FUNCTION void wait(std::uint32_t phase) {
    asm volatile(
        "{ .reg .pred p; again_%=: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @p bra done_%=; bra "
        "again_%=; "
        "done_%=: }" ::"r"(address()),
        "r"(phase & 1)
        : "memory");
  }
  FT_FUNCTION std::uint32_t address() { return detail::shared_address(&state_); }

 private:
  std::uint64_t state_;
};

/// Makes the init() of barriers visible to the engine that loads tiles.
FT_FUNCTION void publish_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

/// wait_tiles for a team, which meets at a barrier of its own.
template <int Pending, int N>
FT_FUNCTION void wait_tiles(const named_barrier<N>& team) {
  detail::wait_copies<Pending>();
  detail::publish_to_matrix_unit();
  team.wait();
}

/// Stages that are filled and emptied in turns: item i (0, 1, 2, ...) lies in stage i % Stages. Whoever fills
/// waits until the item before it in the same stage has been released, whoever reads waits until the item is
/// there.
template <int Stages>
class stage_ring {
 public:
  static_assert(Stages >= 1, "stage_ring: at least one stage");

  /// By one thread, before publish_barriers() and a threadgroup_barrier. `fillers` and `readers` say how many
  /// calls of filled() or expect(), and of release(), an item takes.
  FT_FUNCTION void init(int fillers, int readers) {
    for (int i = 0; i < Stages; ++i) {
      filled_[i].init(fillers);
      empty_[i].init(readers);
    }
  }
  static FT_FUNCTION int stage(std::uint32_t item) { return static_cast<int>(item % Stages); }

  FT_FUNCTION void wait_empty(std::uint32_t item) { empty_[stage(item)].wait(item / Stages + 1); }
  /// The item will be there when `bytes` bytes have come by asynchronous loads that are given barrier_of(item).
  FT_FUNCTION void expect(std::uint32_t item, int bytes) { filled_[stage(item)].arrive_expecting(bytes); }
  FT_FUNCTION arrival_barrier& barrier_of(std::uint32_t item) { return filled_[stage(item)]; }
  /// The item is there: this thread has written it.
  FT_FUNCTION void filled(std::uint32_t item) { filled_[stage(item)].arrive(); }

  FT_FUNCTION void wait_filled(std::uint32_t item) { filled_[stage(item)].wait(item / Stages); }
  FT_FUNCTION void release(std::uint32_t item) { empty_[stage(item)].arrive(); }
  /// One release for the whole simdgroup, once all lanes have read.
  FT_FUNCTION void release_by_simdgroup(std::uint32_t item) {
    __syncwarp();
    if (simd_is_first()) release(item);
  }
  /// One release for a team whose products have read the item: after wait_products. Other reads need a barrier
  /// before.
  template <int N>
  FT_FUNCTION void release_by_team(std::uint32_t item) {
    empty_[stage(item)].arrive_if(team_is_first<N>());
  }

 private:
  arrival_barrier filled_[Stages], empty_[Stages];
};

}  // namespace FLASHTILE_BACKEND
}  // namespace flashtile::inline v0_2::primitives
