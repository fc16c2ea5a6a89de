// Direct mode as a whole: some seeds under faults, whether every rare path was taken, and that a
// seed repeats itself to the byte.
#include <gtest/gtest.h>

#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

// The rarest paths are met a handful of times in these, with every compiler alike.
constexpr std::uint64_t seeds = 200;

TEST(Simulation, without_faults_frames_flow) {
  Settings settings;
  settings.faults = false;
  for (settings.seed = 1; settings.seed <= 3; ++settings.seed) {
    const Report report = run(settings);
    EXPECT_EQ(report.failure, "") << "seed " << settings.seed;
    EXPECT_GT(report.probes[Probe::delivered], 100U);
    EXPECT_EQ(report.probes[Probe::connection_lost], 0U);
  }
}

TEST(Simulation, many_seeds_keep_every_promise_and_take_every_rare_path) {
  Probes probes;
  Settings settings;
  for (settings.seed = 1; settings.seed <= seeds; ++settings.seed) {
    const Report report = run(settings);
    EXPECT_EQ(report.failure, "") << "again with: ./run simulate --seeds 1 --seed " << settings.seed
                                  << " --trace";
    probes.add(report.probes);
  }
  for (std::size_t i = 0; i < probe_count; ++i) {
    const auto probe = static_cast<Probe>(i);
    EXPECT_GT(probes[probe], 0U) << name(probe) << " never happened";
  }
}

TEST(Simulation, the_same_seed_gives_the_same_run_to_the_byte) {
  Settings settings;
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
