// Direct mode and driver mode as a whole: some seeds under faults, whether every rare path was taken, and that
// a seed repeats itself to the byte.
#include <gtest/gtest.h>

#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

#ifdef SIMULATION_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

// The rarest paths are met a handful of times in these, with every compiler alike. Under a sanitizer, where a seed
// takes ten times as long, fewer seeds do: they are for what it sees, and the paths are counted elsewhere.
constexpr std::uint64_t direct_seeds = sanitized ? 60 : 200;
constexpr std::uint64_t driver_seeds = sanitized ? 30 : 300;

class Simulation : public testing::TestWithParam<Mode> {};

std::string name_of(const testing::TestParamInfo<Mode>& mode) {
  return mode.param == Mode::direct ? "direct" : "driver";
}
INSTANTIATE_TEST_SUITE_P(Modes, Simulation, testing::Values(Mode::direct, Mode::driver), name_of);

// Epochs that go back, and strangers who write into superblocks, are affairs of direct mode.
bool belongs_to(Mode mode, Probe probe) {
  if (mode == Mode::direct) return probe < first_of_driver_mode;
  return probe != Probe::lower_epoch_mapped && probe != Probe::pid_changed &&
         probe != Probe::superblock_changed;
}

TEST_P(Simulation, without_faults_frames_flow) {
  Settings settings;
  settings.mode = GetParam();
  settings.faults = false;
  for (settings.seed = 1; settings.seed <= 3; ++settings.seed) {
    const Report report = run(settings);
    EXPECT_EQ(report.failure, "") << "seed " << settings.seed;
    EXPECT_GT(report.probes[Probe::delivered], 50U);
    EXPECT_EQ(report.probes[Probe::connection_lost], 0U);
  }
}

TEST_P(Simulation, many_seeds_keep_every_promise_and_take_every_rare_path) {
  Probes probes;
  Settings settings;
  settings.mode = GetParam();
  const std::uint64_t seeds = GetParam() == Mode::direct ? direct_seeds : driver_seeds;
  for (settings.seed = 1; settings.seed <= seeds; ++settings.seed) {
    const Report report = run(settings);
    EXPECT_EQ(report.failure, "") << "again with: ./run simulate --seeds 1 --seed " << settings.seed
                                  << " --mode " << name_of({GetParam(), 0}) << " --trace";
    probes.add(report.probes);
  }
  for (std::size_t i = 0; !sanitized && i < probe_count; ++i) {
    const auto probe = static_cast<Probe>(i);
    if (belongs_to(GetParam(), probe)) {
      EXPECT_GT(probes[probe], 0U) << name(probe) << " never happened";
    }
  }
}

TEST_P(Simulation, the_same_seed_gives_the_same_run_to_the_byte) {
  Settings settings;
  settings.mode = GetParam();
  std::uint64_t before = 0;
  std::uint64_t lines = 0;
  for (settings.seed = 5; settings.seed < 10; ++settings.seed) {
    const Report once = run(settings);
    const Report again = run(settings);
    EXPECT_EQ(once.lines, again.lines);
    EXPECT_EQ(once.hash, again.hash);
    EXPECT_NE(once.hash, before);
    before = once.hash;
    lines += once.lines;
  }
  EXPECT_GT(lines, 20'000U);
}

}  // namespace
}  // namespace tensorpool::simulation
