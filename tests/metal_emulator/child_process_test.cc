// The limit on a child's time: its own work counts, not what it waits for.
#include "src/metal_emulator/child_process.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace flashtile::metal_emulator {
namespace {

TEST(ChildProcess, MayWaitLongerThanItMayWork) {
  const ChildResult result = run_in_child({.seconds = 1}, [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return 7;
  });
  EXPECT_EQ(result.end, ChildResult::End::exited);
  EXPECT_EQ(result.code, 7);
}

TEST(ChildProcess, IsEndedWhenItHasWorkedForItsTime) {
  const ChildResult result = run_in_child({.seconds = 1}, [] {
    const volatile bool goes_on = true;
    while (goes_on) {
    }
    return 0;
  });
  EXPECT_EQ(result.end, ChildResult::End::timed_out);
}

}  // namespace
}  // namespace flashtile::metal_emulator
