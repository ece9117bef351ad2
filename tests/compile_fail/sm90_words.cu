// Hopper's words used for what they are not.
#include "flashtile/launch.h"

using namespace flashtile;
using namespace flashtile::primitives;

using Product = matmul2d<matmul2d_descriptor{64, 64, 64}, execution_team<4>>;
using Matrix = tensor<float, dextents<int, 2>, tensor_inline>;

struct Kernel {
  struct Params {
    tensor_map map;
  };
  struct Threadgroup {
    Product::left_tile_stages<half, 1> tiles;
    matmul2d<matmul2d_descriptor{64, 32, 32}, execution_team<4>>::left_tile_stages<half, 1> narrow;
    arrival_barrier arrived;
  };
  static constexpr int kSimdgroups = 8;
  static FT_FUNCTION void run(const Params& p, Threadgroup& memory, GridPosition) {
    auto o = Product::get_destination_cooperative_tensor<Matrix, Matrix, float>();
    auto to = tile(memory.tiles, 0);
    load_tile_async(memory.tiles, 0, p.map, {0, 0, 0}, memory.arrived);
    store(o, to);

// CASE registers: registers: a multiple of 8 from 24 to 256
#if defined(CASE_registers)
    take_registers<100>();
#endif
// CASE one_team: team_turns: one team needs no turns
#if defined(CASE_one_team)
    team_turns<1, 4, 1> turns{0};
#endif
// CASE barriers: team_turns: barriers are 1 to 15
#if defined(CASE_barriers)
    team_turns<3, 4, 14> turns{0};
#endif
// CASE team_barrier: a team meets at a named_barrier of its own
#if defined(CASE_team_barrier)
    wait_tiles<execution_team<4>, 0>();
#endif
// CASE small_tile: store: the threadgroup tile is too small
#if defined(CASE_small_tile)
    auto small = tile(memory.narrow, 0);
    store(o, small);
#endif
// CASE part_of_tile: tile_store: 16 rows a simdgroup, within the tile
#if defined(CASE_part_of_tile)
    tile_store output;
    output.start<64, 2>(p.map, to, {0, 0, 0});
#endif
  }
};

void use(const Queue& queue, const Kernel::Params& params) { launch<Kernel>(queue, {}, params); }
