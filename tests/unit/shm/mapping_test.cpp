#include "shm/mapping.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "shm/create.hpp"
#include "shm/map.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

using test::FaultyFileSystem;
using test::now_ns;
using test::options_in;
using test::small_layout;
using test::TempDir;

// A stream of this test, seen by its creator and by a reader.
class MappedStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = create_stream(file_system_, options_in(dir_), small_layout(77), now_ns);
    TP_ASSERT_OK(made);
    created_ = std::move(*made);
    auto mapped =
        map_stream(file_system_, test::policy_for(file_system_, dir_.path()), created_.regions);
    TP_ASSERT_OK(mapped);
    reader_ = std::move(*mapped);
  }

  void put(Mapping& region, FieldAt at, std::uint32_t value) {
    std::memcpy(region.base() + at.offset, &value, sizeof value);
  }

  TempDir dir_;
  FaultyFileSystem file_system_;
  CreatedStream created_;
  MappedStream reader_;
};

// Proves: SHM-134, SHM-161
TEST_F(MappedStreamTest, recheck_finds_a_changed_magic_version_or_epoch_in_any_region) {
  TP_ASSERT_OK(reader_.recheck(77));
  TP_EXPECT_CODE(reader_.recheck(78), Code::region_invalid);
  Mapping* regions[] = {&created_.mapped.header, &created_.mapped.pools[0],
                        &created_.mapped.pools[1]};
  for (Mapping* region : regions) {
    for (const FieldAt at :
         {superblock_at::magic, superblock_at::layout_version, superblock_at::epoch}) {
      std::uint32_t before = 0;
      std::memcpy(&before, region->base() + at.offset, sizeof before);
      put(*region, at, before + 1);
      TP_EXPECT_CODE(reader_.recheck(77), Code::region_invalid);
      put(*region, at, before);
      TP_ASSERT_OK(reader_.recheck(77));
    }
  }
}

// Proves: SHM-77, SHM-78, SHM-228
TEST_F(MappedStreamTest, a_changed_pid_is_seen) {
  EXPECT_EQ(reader_.pid, static_cast<std::uint64_t>(::getpid()));
  EXPECT_FALSE(reader_.pid_changed());
  store_superblock_word(created_.mapped.header.base(), superblock_at::pid, reader_.pid + 1);
  EXPECT_TRUE(reader_.pid_changed());
  store_superblock_word(created_.mapped.header.base(), superblock_at::pid, reader_.pid);
  EXPECT_FALSE(reader_.pid_changed());
  store_superblock_word(created_.mapped.pools[1].base(), superblock_at::pid, reader_.pid + 1);
  EXPECT_TRUE(reader_.pid_changed());
}

// Proves: SHM-21, SHM-141, SHM-228
TEST_F(MappedStreamTest, refreshing_changes_the_activity_of_every_region_and_nothing_else) {
  const Superblock before[] = {load_superblock(reader_.header.base()),
                               load_superblock(reader_.pools[0].base()),
                               load_superblock(reader_.pools[1].base())};
  EXPECT_EQ(reader_.activity_ns(), now_ns);
  created_.mapped.refresh_activity(now_ns + 5);
  EXPECT_EQ(reader_.activity_ns(), now_ns + 5);
  const std::byte* after[] = {reader_.header.base(), reader_.pools[0].base(),
                              reader_.pools[1].base()};
  for (int i = 0; i < 3; ++i) {
    Superblock expected = before[i];
    expected.activity_timestamp_ns = now_ns + 5;
    EXPECT_EQ(load_superblock(after[i]), expected);
  }
}

// Proves: SHM-144
TEST_F(MappedStreamTest, the_stalest_region_decides) {
  created_.mapped.refresh_activity(now_ns + 100);
  store_superblock_word(created_.mapped.pools[1].base(), superblock_at::activity_timestamp_ns,
                        now_ns + 1);
  EXPECT_EQ(reader_.activity_ns(), now_ns + 1);
}

// Proves: SHM-34, SHM-57, SHM-224
TEST_F(MappedStreamTest, slots_and_payloads_lie_where_the_formulas_say) {
  const auto address = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p); };
  EXPECT_EQ(address(reader_.header.base()) % 4096, 0U);
  for (std::uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(address(reader_.slot(i).words),
              address(reader_.header.base()) + 64 + std::uint64_t{i} * 256);
    EXPECT_EQ(address(reader_.slot(i).words) % 64, 0U);
    EXPECT_EQ(address(reader_.payload(0, i)),
              address(reader_.pools[0].base()) + 64 + std::uint64_t{i} * 4096);
    EXPECT_EQ(address(reader_.payload(1, i)),
              address(reader_.pools[1].base()) + 64 + std::uint64_t{i} * 64);
  }
}

// Proves: SHM-160
TEST_F(MappedStreamTest, unmapping_in_steps_takes_all_regions) {
  const std::int64_t before = file_system_.mapped_bytes;
  const std::int64_t mine = 1088 + 16448 + 320;
  Unmap unmap(std::move(reader_));
  int steps = 1;
  while (!unmap.step(1)) ASSERT_LT(++steps, 100);
  EXPECT_EQ(steps, 3);
  EXPECT_TRUE(unmap.step(1));
  EXPECT_EQ(file_system_.mapped_bytes, before - mine);
}

// Proves: SHM-160
TEST_F(MappedStreamTest, dropping_a_stream_unmaps_all_regions) {
  const std::int64_t before = file_system_.mapped_bytes;
  reader_ = MappedStream{};
  EXPECT_EQ(file_system_.mapped_bytes, before - (1088 + 16448 + 320));
}

TEST_F(MappedStreamTest, a_moved_stream_is_mapped_once) {
  const std::int64_t before = file_system_.mapped_bytes;
  MappedStream other = std::move(reader_);
  EXPECT_TRUE(other.is_mapped());
  EXPECT_EQ(other.geometry.pools().size(), 2U);
  Mapping& header = other.header;
  other.header = std::move(header);  // onto itself
  EXPECT_EQ(file_system_.mapped_bytes, before);
  TP_ASSERT_OK(other.recheck(77));
}

// Proves: SHM-126, SHM-225
TEST_F(MappedStreamTest, readers_cannot_write_and_their_loads_do_not_fault) {
  EXPECT_FALSE(reader_.header.writable());
  EXPECT_FALSE(reader_.pools[0].writable());
  // Every access of the reader's recipe on the read-only mapping.
  const MappedStream& view = reader_;
  HeaderImage image;
  std::byte payload[64];
  const std::uint64_t first = load_commit_acquire(view.slot(0));
  copy_header(view.slot(0), image);
  load_payload(payload, view.payload(0, 0), sizeof payload);
  EXPECT_TRUE(still(view.slot(0), first));
  EXPECT_EXIT(
      {
        (void)::signal(SIGSEGV, SIG_DFL);  // sanitizers put a handler of their own there
        *reader_.header.base() = std::byte{1};
        ::_exit(0);
      },
      testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(MappedStreamTest, a_forked_child_neither_sees_nor_unmaps_the_parents_mapping) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::byte* base = reader_.header.base();
    std::array<int, 2> pipe{};
    // Not inherited, and yet nothing of the child's goes there by itself.
    if (::pipe(pipe.data()) != 0 || ::write(pipe[1], base, 1) != -1 || errno != EFAULT) ::_exit(1);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (::mmap(base, 4096, PROT_READ, flags, -1, 0) != MAP_FAILED || errno != EEXIST) ::_exit(2);
    // Something of the child's all the same.
    if (::mprotect(base, 4096, PROT_READ | PROT_WRITE) != 0) ::_exit(3);
    reader_ = MappedStream{};
    *base = std::byte{1};  // faults when the destructor unmapped it
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  TP_ASSERT_OK(reader_.recheck(77));
}

TEST(MappingSteps, a_large_region_is_unmapped_from_its_end_in_whole_pages) {
  const TempDir dir;
  FaultyFileSystem file_system;
  StreamLayout layout = small_layout();
  layout.pools = {{1, 256U << 10U}};  // 1 MiB and 64 bytes
  auto created = create_stream(file_system, options_in(dir), layout, now_ns);
  TP_ASSERT_OK(created);
  Unmap unmap(std::move(created->mapped));
  int steps = 1;
  std::int64_t last = file_system.mapped_bytes;
  while (!unmap.step(256U << 10U)) {
    EXPECT_LT(file_system.mapped_bytes, last);
    EXPECT_GE(file_system.mapped_bytes, last - (256 << 10) - 65536);
    last = file_system.mapped_bytes;
    ASSERT_LT(++steps, 100);
  }
  EXPECT_EQ(steps, 4 + 1);
  EXPECT_EQ(file_system.mapped_bytes, 0);
}

// Proves: DRV-151
TEST(MappingSteps, a_reader_prefaults_and_locks_in_steps) {
  const TempDir dir;
  FaultyFileSystem file_system;
  auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(created);
  auto mapped =
      map_stream(file_system, test::policy_for(file_system, dir.path()), created->regions);
  TP_ASSERT_OK(mapped);
  Prefault prefault(*mapped, true);
  int steps = 0;
  for (;; ++steps) {
    ASSERT_LT(steps, 10);
    const auto done = prefault.step(1U << 20U);
    TP_ASSERT_OK(done);
    if (*done) break;
  }
  EXPECT_EQ(steps + 1, 3);
  EXPECT_EQ(file_system.locked_bytes, 1088U + 16448U + 320U);
  EXPECT_TRUE(*prefault.step(1));
}

TEST(MappingSteps, huge_pages_are_wanted_by_the_creator_alone_and_once_refused_no_more) {
  const TempDir dir;
  FaultyFileSystem file_system;
  StreamLayout layout = small_layout();
  layout.pools = {{1, 65536}};
  auto created = create_stream(file_system, options_in(dir), layout, now_ns);
  TP_ASSERT_OK(created);
  EXPECT_EQ(file_system.huge_pages_wanted, 2);  // each region, in one step
  const auto wanted_by = [&](Prefault prefault) {
    file_system.huge_pages_wanted = 0;
    for (int steps = 0; steps < 100 && !prefault.step(65536).value(); ++steps) continue;
    return file_system.huge_pages_wanted;
  };
  EXPECT_EQ(wanted_by(Prefault(created->mapped)), 0);
  EXPECT_EQ(wanted_by(Prefault(created->mapped, false, Use::created)), 1 + 5);
  file_system.huge_pages = false;
  EXPECT_EQ(wanted_by(Prefault(created->mapped, false, Use::created)), 1 + 1);
}

TEST(MappingSteps, a_failing_lock_is_an_error) {
  const TempDir dir;
  FaultyFileSystem file_system;
  auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(created);
  file_system.fail_at(test::Op::lock, 0, Error::system("mlock", ENOMEM, "a fault of this test"));
  Prefault prefault(created->mapped, true);
  TP_EXPECT_CODE(prefault.step(4096), Code::system_error);
}

// Proves: SHM-142, SHM-143, SHM-145, SHM-147
TEST(Freshness, of_an_activity_timestamp) {
  constexpr std::uint64_t window = 3'000;
  EXPECT_TRUE(fresh(10'000, 10'000, window));
  EXPECT_TRUE(fresh(10'000, 13'000, window));
  EXPECT_FALSE(fresh(10'000, 13'001, window));
  EXPECT_FALSE(fresh(0, 0, window));      // an uninitialised file
  EXPECT_FALSE(fresh(0, 1'000, window));  // even when the clock is young
  EXPECT_TRUE(fresh(20'000, 10'000, window));
  EXPECT_TRUE(fresh(0xFFFFFFFFFFFFFFFFU, 10'000, window));
}

// Proves: SHM-144, SHM-147
TEST(Freshness, of_a_mapped_stream_counts_from_its_mapping) {
  constexpr std::uint64_t timeout = 5'000;
  EXPECT_TRUE(alive(1'000, 10'000, 15'000, timeout));
  EXPECT_FALSE(alive(1'000, 10'000, 15'001, timeout));
  EXPECT_TRUE(alive(12'000, 10'000, 17'000, timeout));
  EXPECT_FALSE(alive(12'000, 10'000, 17'001, timeout));
  EXPECT_TRUE(alive(99'000, 10'000, 17'001, timeout));
}

// What is left keeps the activity of all regions, which is all that its keeper wants.
TEST_F(MappedStreamTest, trimmed_to_its_superblocks_it_can_still_be_refreshed) {
  StreamLayout layout = small_layout(78);
  layout.nslots = 1024;
  layout.pools = {{1, 4096}, {2, 64}};
  auto made = create_stream(file_system_, options_in(dir_), layout, now_ns);
  TP_ASSERT_OK(made);
  auto reader =
      map_stream(file_system_, test::policy_for(file_system_, dir_.path()), made->regions);
  TP_ASSERT_OK(reader);
  const std::int64_t before = file_system_.mapped_bytes;
  const auto whole = static_cast<std::int64_t>(
      made->mapped.header.bytes() + made->mapped.pools[0].bytes() + made->mapped.pools[1].bytes());
  int steps = 1;
  while (!made->mapped.trim_step(1U << 20U)) ++steps;
  EXPECT_GE(steps, 5);
  EXPECT_EQ(file_system_.mapped_bytes, before - whole + 3 * 65536);
  EXPECT_TRUE(made->mapped.trim_step(1));
  EXPECT_EQ(file_system_.mapped_bytes, before - whole + 3 * 65536);
  made->mapped.refresh_activity(now_ns + 5);
  EXPECT_EQ(reader->activity_ns(), now_ns + 5);
  TP_ASSERT_OK(made->mapped.recheck(78));
}

}  // namespace
}  // namespace tensorpool::shm
