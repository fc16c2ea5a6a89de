// The files of a driver, step by step, and on a thread.
#include "agents/driver/region_worker.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/limits.hpp"
#include "shm/driver_place.hpp"
#include "shm/path.hpp"
#include "sim/memory_file_system.hpp"
#include "unit/agents/driver/slow_file_system.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::agents::driver::test {
namespace {

using protocol::driver::CollectEpochs;
using protocol::driver::CreateRegions;
using protocol::driver::RemoveRegions;
using shm::test::FaultyFileSystem;
using shm::test::Op;
using shm::test::TempDir;
namespace limits = base::limits;

constexpr base::Nanos sec = 1'000'000'000;

class RegionWorkerTest : public testing::Test {
 protected:
  void make(RegionPlace place, std::size_t capacity = 64) {
    place.base_dir = dir.path();
    worker = std::make_unique<RegionWorker>(std::move(place), file_system, clock, capacity);
  }
  void make() { make({}); }

  static CreateRegions creation(std::uint64_t id, std::uint32_t stream, std::uint64_t epoch,
                                std::uint32_t stride = 256) {
    CreateRegions create;
    create.request_id = id;
    create.layout.stream_id = stream;
    create.layout.epoch = epoch;
    create.layout.nslots = 8;
    create.layout.pools = {{1, stride}};
    return create;
  }
  // The next answer.
  RegionAnswer answer() {
    for (int i = 0; i < 100'000; ++i) {
      RegionAnswer taken = worker->take();
      if (!std::holds_alternative<std::monostate>(taken) || worker->step() == 0) return taken;
    }
    ADD_FAILURE() << "no end of it";
    return {};
  }
  std::vector<RegionAnswer> all() {
    std::vector<RegionAnswer> answers;
    while (worker->outstanding() > 0) answers.push_back(answer());
    return answers;
  }
  std::string stream_dir(std::uint32_t stream) {
    return dir / (shm::user_directory_name(file_system) + "/default/" + std::to_string(stream));
  }
  int epochs(std::uint32_t stream) {
    int n = 0;
    if (!std::filesystem::exists(stream_dir(stream))) return 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(stream_dir(stream)))
      ++n;
    return n;
  }

  TempDir dir;
  FaultyFileSystem file_system;
  base::ManualClock clock{100 * sec};
  std::unique_ptr<RegionWorker> worker;
};

TEST_F(RegionWorkerTest, MakesRegionsOfTheEpochAskedForOrAboveWhatIsThere) {
  make();
  const auto asked = static_cast<std::uint64_t>(clock.monotonic_ns());
  EXPECT_TRUE(worker->submit(creation(1, 5, asked + 7)));
  EXPECT_EQ(worker->outstanding(), 1U);
  const RegionAnswer first = answer();
  const auto* created = std::get_if<RegionsCreated>(&first);
  ASSERT_NE(created, nullptr);
  EXPECT_EQ(created->request_id, 1U);
  EXPECT_EQ(created->regions.layout.epoch, asked + 7);
  EXPECT_EQ(worker->outstanding(), 0U);

  EXPECT_TRUE(worker->submit(creation(2, 5, asked + 7)));  // there is one by now
  const RegionAnswer second = answer();
  EXPECT_EQ(std::get<RegionsCreated>(second).regions.layout.epoch, asked + 8);
  EXPECT_EQ(worker->step(), 0);
}

// A collection that was asked for after a creation sees its epoch; one before it does not wait for others.
TEST_F(RegionWorkerTest, KeepsTheOrderOfAStreamAndLetsStreamsTakeTurns) {
  make();
  EXPECT_TRUE(worker->submit(creation(1, 5, 1, 4 << 20)));  // 32 MiB, many steps
  EXPECT_TRUE(worker->submit(CollectEpochs{2, 5, 0, 2, 0, true}));
  EXPECT_TRUE(worker->submit(creation(3, 5, 1)));
  EXPECT_TRUE(worker->submit(creation(4, 6, 1)));
  std::vector<std::uint64_t> order;
  for (const RegionAnswer& one : all()) {
    if (const auto* created = std::get_if<RegionsCreated>(&one))
      order.push_back(created->request_id);
    if (const auto* collected = std::get_if<EpochsCollected>(&one))
      order.push_back(collected->request_id);
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{4, 1, 2, 3}));
}

TEST_F(RegionWorkerTest, WorksOnAFewCreationsAtATimeAndOnAllInTheEnd) {
  make();
  for (std::uint32_t stream = 1; stream <= 20; ++stream)
    EXPECT_TRUE(worker->submit(creation(stream, stream, 1)));
  int most = 0;
  std::size_t done = 0;
  while (worker->step() > 0) {
    most = std::max(most, file_system.open_files);
    while (!std::holds_alternative<std::monostate>(worker->take())) ++done;
  }
  EXPECT_EQ(done, 20U);
  EXPECT_LE(most, static_cast<int>(limits::driver_creations) * 8);
  EXPECT_EQ(file_system.open_files, 0);
}

TEST_F(RegionWorkerTest, RefusesMoreThanItsCapacity) {
  make({}, 4);
  for (std::uint32_t stream = 1; stream <= 4; ++stream)
    EXPECT_TRUE(worker->submit(creation(stream, stream, 1)));
  RegionJob one_more = creation(9, 9, 1);
  EXPECT_FALSE(worker->submit(std::move(one_more)));
  EXPECT_TRUE(std::holds_alternative<CreateRegions>(one_more));  // untouched
  (void)answer();
  EXPECT_TRUE(worker->submit(std::move(one_more)));
  EXPECT_EQ(all().size(), 4U);
}

TEST_F(RegionWorkerTest, RemovesOneFileAtATime) {
  make();
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(worker->submit(creation(id, 5, 1)));
  EXPECT_EQ(all().size(), 3U);
  EXPECT_EQ(epochs(5), 3);
  clock.advance(10 * sec);
  EXPECT_TRUE(worker->submit(CollectEpochs{4, 5, 0, 2, 1, false}));
  int steps = 0;
  while (worker->step() > 0) ++steps;
  EXPECT_GE(steps, 4);  // two epochs of two files
  const RegionAnswer one = worker->take();
  const auto& collected = std::get<EpochsCollected>(one);
  EXPECT_EQ(collected.request_id, 4U);
  EXPECT_EQ(collected.removed, 2U);
  EXPECT_EQ(collected.failed, 0U);
  EXPECT_EQ(epochs(5), 1);

  EXPECT_TRUE(worker->submit(RemoveRegions{5}));
  const RegionAnswer removed = answer();
  EXPECT_EQ(std::get<EpochsCollected>(removed).removed, 1U);
  EXPECT_EQ(std::get<EpochsCollected>(removed).request_id, 0U);
  EXPECT_EQ(epochs(5), 0);
}

TEST_F(RegionWorkerTest, TellsWhatCouldNotBeLookedAt) {
  make();
  EXPECT_TRUE(worker->submit(creation(1, 5, 1)));
  (void)all();
  file_system.fail_at(Op::list, file_system.calls[Op::list], Error::system("getdents", EIO, "bad"));
  EXPECT_TRUE(worker->submit(CollectEpochs{2, 5, 0, 2, 0, true}));
  const RegionAnswer one = answer();
  const auto& collected = std::get<EpochsCollected>(one);
  ASSERT_TRUE(collected.error.has_value());
  EXPECT_EQ(collected.failed, 1U);
}

TEST_F(RegionWorkerTest, SaysThatHugepagesAreMissing) {
  make();
  CreateRegions create = creation(1, 5, 1);
  create.require_hugepages = true;
  EXPECT_TRUE(worker->submit(std::move(create)));
  const RegionAnswer one = answer();
  EXPECT_EQ(std::get<CreationFailed>(one).error.code(), Code::hugepages_required);
}

// Whatever they had made by then is gone, and those that had not begun never do.
TEST_F(RegionWorkerTest, CancelsCreationsAndNothingElse) {
  make();
  for (std::uint32_t stream = 1; stream <= 10; ++stream)
    EXPECT_TRUE(worker->submit(creation(stream, stream, 1, 1 << 20)));
  EXPECT_TRUE(worker->submit(creation(11, 11, 1)));
  for (int i = 0; i < 40; ++i) (void)worker->step();
  EXPECT_FALSE(std::filesystem::is_empty(dir.path()));
  EXPECT_TRUE(worker->submit(RemoveRegions{1}));
  worker->cancel_creations();
  int failed = 0, removed = 0;
  for (const RegionAnswer& one : all()) {
    if (const auto* failure = std::get_if<CreationFailed>(&one)) {
      ++failed;
      EXPECT_EQ(failure->error.code(), Code::closed);
    }
    removed += std::holds_alternative<EpochsCollected>(one) ? 1 : 0;
  }
  EXPECT_EQ(failed, 11);
  EXPECT_EQ(removed, 1);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  EXPECT_EQ(file_system.mapped_bytes, 0);
  EXPECT_EQ(worker->step(), 0);
}

TEST_F(RegionWorkerTest, UnmapsInSteps) {
  make({.mlock = true});
  EXPECT_TRUE(worker->submit(creation(1, 5, 1, 4 << 20)));
  RegionAnswer one = answer();
  auto& created = std::get<RegionsCreated>(one);
  EXPECT_GT(file_system.mapped_bytes, 32 << 20);
  EXPECT_TRUE(worker->submit(Retire{5, std::move(created.mapped)}));
  EXPECT_GT(worker->step(), 0);
  EXPECT_GT(file_system.mapped_bytes, 0);
  EXPECT_TRUE(std::holds_alternative<Retired>(answer()));
  EXPECT_EQ(file_system.mapped_bytes, 0);
}

// --- Killed in the middle.

constexpr const char* shm_dir = "/shm";

// A process with its view of the files, and its worker; kill -9 at its end.
struct Process {
  Process(sim::MemoryDisk& disk, const base::Clock& clock, std::uint64_t pid)
      : files(disk, pid), worker(place(), files, clock, 16) {}
  ~Process() { files.kill(); }
  static RegionPlace place() {
    RegionPlace place;
    place.base_dir = shm_dir;
    return place;
  }
  void ask(RegionJob job) { EXPECT_TRUE(worker.submit(std::move(job))); }
  // All that was asked for.
  std::vector<RegionAnswer> finish() {
    std::vector<RegionAnswer> answers;
    while (worker.step() > 0) {
    }
    while (worker.outstanding() > 0) answers.push_back(worker.take());
    return answers;
  }
  // What is left of stream 5 goes, since nobody lives who made it.
  void clean() {
    ask(CollectEpochs{1, 5, 0, 1, 3 * static_cast<std::uint64_t>(sec), false});
    (void)finish();
    const auto here = shm::DriverPlace::take(files, shm_dir, "default", 0660);
    TP_ASSERT_OK(here);
    EXPECT_EQ(here->highest_epoch(5), 0U);
  }
  CreateRegions creation(std::uint64_t id) {
    CreateRegions create;
    create.request_id = id;
    create.layout = shm::test::small_layout(1);
    create.layout.stream_id = 5;
    return create;
  }

  sim::MemoryFileSystem files;
  RegionWorker worker;
};

class RegionWorkerCrashTest : public testing::Test {
 protected:
  RegionWorkerCrashTest() : disk(clock) { disk.make_directories(shm_dir); }
  base::ManualClock clock{100 * sec};
  sim::MemoryDisk disk;
};

// At every step of a creation: what is left is recognised and removed, and the next epoch is above it.
// Proves: DRV-130, DRV-135
TEST_F(RegionWorkerCrashTest, LeavesNothingOfACreationThatItsSuccessorDoesNotClean) {
  bool finished = false;
  int most = 0;
  for (int steps = 1; !finished; ++steps) {
    ASSERT_LT(steps, 1000);
    {
      Process first(disk, clock, static_cast<std::uint64_t>(2 * steps));
      first.ask(first.creation(1));
      for (int i = 0; i < steps; ++i) (void)first.worker.step();
      finished = !std::holds_alternative<std::monostate>(first.worker.take());
    }
    most = std::max(most, static_cast<int>(disk.files().size()));
    Process second(disk, clock, static_cast<std::uint64_t>(2 * steps + 1));
    second.ask(second.creation(2));  // beside what is left
    const auto answers = second.finish();
    ASSERT_EQ(answers.size(), 1U);
    ASSERT_TRUE(std::holds_alternative<RegionsCreated>(answers.front())) << steps;
    second.files.kill();
    clock.advance(10 * sec);
    Process third(disk, clock, static_cast<std::uint64_t>(10'000 + steps));
    third.clean();
    EXPECT_TRUE(disk.files().empty()) << steps;
  }
  EXPECT_EQ(most, 3);
}

// At every step of a collection.
TEST_F(RegionWorkerCrashTest, LeavesNothingOfACollectionThatItsSuccessorDoesNotClean) {
  bool finished = false;
  for (int steps = 1; !finished; ++steps) {
    ASSERT_LT(steps, 1000);
    {
      Process first(disk, clock, static_cast<std::uint64_t>(2 * steps));
      for (std::uint64_t id = 1; id <= 3; ++id) first.ask(first.creation(id));
      EXPECT_EQ(first.finish().size(), 3U);
    }
    EXPECT_EQ(disk.files().size(), 9U);
    clock.advance(10 * sec);
    {
      Process second(disk, clock, static_cast<std::uint64_t>(2 * steps + 1));
      second.ask(CollectEpochs{1, 5, 0, 1, 3 * static_cast<std::uint64_t>(sec), false});
      for (int i = 0; i < steps; ++i) (void)second.worker.step();
      finished = !std::holds_alternative<std::monostate>(second.worker.take());
    }
    Process third(disk, clock, static_cast<std::uint64_t>(10'000 + steps));
    clock.advance(10 * sec);
    third.clean();
    EXPECT_TRUE(disk.files().empty()) << steps;
  }
}

// --- With a thread of its own.

class RegionWorkerThreadTest : public testing::Test {
 protected:
  template <class Condition>
  static bool eventually(Condition&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  RegionPlace place() {
    RegionPlace place;
    place.base_dir = dir.path();
    return place;
  }

  TempDir dir;
  SlowFileSystem file_system;
  base::SystemClock clock;
};

// Jobs and answers pass each other for a while: creations, collections and mappings that come back.
TEST_F(RegionWorkerThreadTest, AnswersEveryJob) {
  RegionWorker worker(place(), file_system, clock, 16);
  TP_ASSERT_OK(worker.start());
  std::uint64_t id = 0, created = 0, collected = 0, retired = 0;
  std::vector<shm::MappedStream> back;
  ASSERT_TRUE(eventually([&] {
    if (!back.empty()) {
      RegionJob job = Retire{1, std::move(back.back())};
      back.pop_back();
      if (!worker.submit(std::move(job))) back.push_back(std::move(std::get<Retire>(job).mapped));
    }
    CreateRegions create;
    create.request_id = ++id;
    create.layout = shm::test::small_layout(1);
    create.layout.stream_id = static_cast<std::uint32_t>(1 + id % 5);
    if (created < 100) (void)worker.submit(create);
    (void)worker.submit(CollectEpochs{id, create.layout.stream_id, 0, 2, 0, true});
    RegionAnswer answer = worker.take();
    if (auto* made = std::get_if<RegionsCreated>(&answer)) {
      ++created;
      made->mapped.refresh_activity(static_cast<std::uint64_t>(clock.monotonic_ns()));
      back.push_back(std::move(made->mapped));
    }
    collected += std::holds_alternative<EpochsCollected>(answer) ? 1U : 0U;
    retired += std::holds_alternative<Retired>(answer) ? 1U : 0U;
    return created >= 100 && retired >= 50;
  }));
  EXPECT_GT(collected, 0U);
  worker.stop();
  worker.stop();
}

TEST_F(RegionWorkerThreadTest, RingsItsOwnerWithAnAnswer) {
  Doorbell owner;
  RegionWorker worker(place(), file_system, clock, 16, &owner);
  TP_ASSERT_OK(worker.start());
  const auto seen = owner.rings();
  CreateRegions create;
  create.layout = shm::test::small_layout(1);
  EXPECT_TRUE(worker.submit(create));
  owner.wait(seen, std::chrono::hours{1});  // nothing else ends it
  EXPECT_FALSE(std::holds_alternative<std::monostate>(worker.take()));
}

TEST_F(RegionWorkerThreadTest, EndsInTheMiddleOfACreationAndRemovesItsFiles) {
  file_system.delay = std::chrono::milliseconds{5};
  RegionWorker worker(place(), file_system, clock, 16);
  TP_ASSERT_OK(worker.start());
  CreateRegions create;
  create.layout = shm::test::small_layout(1);
  create.layout.nslots = 256;
  create.layout.pools = {{1, 1 << 20}};  // 64 parts
  EXPECT_TRUE(worker.submit(create));
  ASSERT_TRUE(eventually([&] { return file_system.reserves.load() > 2; }));
  worker.stop();
  EXPECT_LT(file_system.reserves.load(), 60);
  EXPECT_TRUE(dir.empty());
}

}  // namespace
}  // namespace tensorpool::agents::driver::test
