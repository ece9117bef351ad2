// One kernel compiled for several instruction sets and linked into one program: each copy runs its own code, and a call picks
// the best that this machine has.
#include "flashtile/dispatch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/backends/cpu/isa.h"
#include "tests/dispatch/which.h"

namespace flashtile::test {
namespace {

struct Copy {
  const char* backend;
  backend::Isa isa;
  Which (*which)(const Queue&, const float*);
  Which (*which_else)(const Queue&, const float*);
};
#define FLASHTILE_COPY(name, isa) {#name, backend::Isa::isa, name::which, name::which_else},
const Copy kCopies[] = {FLASHTILE_CPU_BACKENDS(FLASHTILE_COPY)};
#undef FLASHTILE_COPY

int lanes(backend::Isa isa) {
  if (isa >= backend::Isa::avx512) return 16;
  return isa == backend::Isa::avx2 ? 8 : 4;
}

TEST(Dispatch, CopiesOfAKernelNeverMeet) {
  const std::vector<float> ones(256, 1.0f);
  for (const Copy& copy : kCopies) {
    if (copy.isa > backend::hardware_isa()) continue;
    const Which one = copy.which(Queue::cpu(), ones.data()), other = copy.which_else(Queue::cpu(), ones.data());
    for (const Which& found : {one, other}) {
      EXPECT_STREQ(found.backend, copy.backend);
      EXPECT_EQ(found.lanes, lanes(copy.isa)) << copy.backend;
    }
    EXPECT_EQ(one.sum, 256.0f) << copy.backend;
    EXPECT_EQ(other.sum, 512.0f) << copy.backend;
  }
}

TEST(Dispatch, PicksTheBestInstructionSet) {
  const std::vector<float> ones(256, 1.0f);
  EXPECT_EQ(which(Queue::cpu(), ones.data()).backend, "cpu_" + std::string(name(backend::kernel_isa())));
  const int copy = detail::kernel_copy(Queue::cpu(), false);
  EXPECT_EQ(kCopies[copy].isa, backend::kernel_isa());
}

}  // namespace
}  // namespace flashtile::test
